"""Virtual LIS3DH at register level, as its datasheet has it."""

import pytest

from simulator.chips import lis3dh
from simulator.chips.lis3dh import LIS3DH
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> LIS3DH:
    return lis3dh.make(clock)


def registers(chip: LIS3DH, address: int, count: int = 1) -> bytes:
    chip.write(bytes((address,)))
    return chip.read(count)


def axes(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "little", signed=True) for at in range(0, len(data), 2)]


def test_reset_values(chip: LIS3DH) -> None:
    assert registers(chip, 0x0F) == b"\x33"
    assert registers(chip, 0x20 | 0x80, 6) == b"\x07\x00\x00\x00\x00\x00"
    assert registers(chip, 0x2F) == b"\x20"


def test_the_address_goes_on_only_with_bit_7(chip: LIS3DH) -> None:
    chip.write(b"\x20\x57\x08")
    assert registers(chip, 0x20) == b"\x08"
    chip.write(b"\xa2\x11\x88")
    assert registers(chip, 0xA2, 3) == b"\x11\x88\x00"
    assert registers(chip, 0x22, 3) == b"\x11\x11\x11"


def test_read_only_registers_stay(chip: LIS3DH) -> None:
    for register in (0x0F, 0x27, 0x28, 0x2F, 0x31):
        before = registers(chip, register)
        chip.write(bytes((register, 0xA5)))
        assert registers(chip, register) == before


def test_powered_down_until_a_rate_is_set(chip: LIS3DH, clock: Clock) -> None:
    clock.advance_ms(1000)
    assert registers(chip, 0x27) == b"\x00"
    chip.write(b"\x20\x57")
    clock.advance_ms(9.9)
    assert registers(chip, 0x27) == b"\x00"
    clock.advance_ms(0.2)
    assert registers(chip, 0x27) == b"\x0f"
    clock.advance_ms(10)
    assert registers(chip, 0x27) == b"\xff"  # one was overwritten
    registers(chip, 0xA8, 6)
    assert registers(chip, 0x27) == b"\x00"


@pytest.mark.parametrize(
    ("ctrl_1", "ctrl_4", "one_g"),
    [(0x57, 0x08, 1000 << 4), (0x57, 0x38, 83 << 4), (0x57, 0x00, 250 << 6), (0x5F, 0, 62 << 8), (0x5F, 0x10, 31 << 8)],
)
def test_resolution_and_scale(chip: LIS3DH, clock: Clock, ctrl_1: int, ctrl_4: int, one_g: int) -> None:
    chip.write(bytes((0x23, ctrl_4)))
    chip.write(bytes((0x20, ctrl_1)))
    clock.advance_ms(100)
    assert axes(registers(chip, 0xA8, 6)) == [0, 0, one_g]


def test_saturates(chip: LIS3DH, clock: Clock) -> None:
    chip.acceleration_ms2 = [100.0, -100.0, 0.0]
    chip.write(b"\x23\x08")
    chip.write(b"\x20\x57")
    clock.advance_ms(100)
    assert axes(registers(chip, 0xA8, 6)) == [0x7FF0, -0x8000, 0]


def fifo(chip: LIS3DH, mode: int) -> None:
    chip.write(b"\x23\x08")
    chip.write(b"\x24\x40")
    chip.write(bytes((0x2E, mode << 6 | 9)))
    chip.write(b"\x20\x57")


def test_stream_keeps_the_newest_32(chip: LIS3DH, clock: Clock) -> None:
    fifo(chip, 2)
    levels = []
    for step in range(50):
        chip.acceleration_ms2[0] = step * lis3dh.G / 1000
        clock.advance_ms(70.1 if not step else 10)
        levels.append(registers(chip, 0x2F)[0])
    assert levels[0] == 0x01
    assert levels[9] == 0x80 | 10  # more than the watermark of 9
    assert levels[30] == 0x80 | 31
    assert levels[31] == 0x80 | 0x40 | 31  # 32: overrun
    data = registers(chip, 0xA8, 6 * 32)
    assert [value >> 4 for value in axes(data)[0::3]] == list(range(18, 50))
    assert registers(chip, 0x2F) == b"\x20"


def test_fifo_mode_stops_when_full(chip: LIS3DH, clock: Clock) -> None:
    fifo(chip, 1)
    for step in range(50):
        chip.acceleration_ms2[0] = step * lis3dh.G / 1000
        clock.advance_ms(70.1 if not step else 10)
        registers(chip, 0x2F)
    assert [value >> 4 for value in axes(registers(chip, 0xA8, 6 * 32))[0::3]] == list(range(32))


def test_bypass_empties(chip: LIS3DH, clock: Clock) -> None:
    fifo(chip, 2)
    clock.advance_ms(500)
    chip.write(b"\x2e\x00")
    assert registers(chip, 0x2F)[0] & 0x7F == 0x20


def test_an_empty_fifo_repeats_the_last_sample(chip: LIS3DH, clock: Clock) -> None:
    fifo(chip, 2)
    clock.advance_ms(75)
    assert axes(registers(chip, 0xA8, 12)) == [0, 0, 1000 << 4] * 2


def test_vibration_swings_around_rest(chip: LIS3DH, clock: Clock) -> None:
    chip.vibration_ms2, chip.vibration_hz = 5.0, 25.0
    fifo(chip, 2)
    clock.advance_ms(500)
    z = [value >> 4 for value in axes(registers(chip, 0xA8, 6 * 32))[2::3]]
    assert max(z) - min(z) == pytest.approx(2 * 5.0 / lis3dh.G * 1000, abs=2)


def test_plugging_in_again_is_a_power_on(chip: LIS3DH, clock: Clock) -> None:
    fifo(chip, 2)
    clock.advance_ms(500)
    chip.unplugged = True
    chip.unplugged = False
    assert registers(chip, 0x20) == b"\x07"
    assert registers(chip, 0x2F) == b"\x20"
