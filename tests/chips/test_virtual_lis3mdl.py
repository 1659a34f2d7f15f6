"""Virtual LIS3MDL at register level, as its datasheet has it, and its turn back that the datasheet has not."""

import pytest

from simulator.chips import lis3mdl
from simulator.chips.lis3mdl import LIS3MDL
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> LIS3MDL:
    return lis3mdl.make(clock)


def registers(chip: LIS3MDL, address: int, count: int = 1) -> bytes:
    chip.write(bytes((address,)))
    return chip.read(count)


def axes(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "little", signed=True) for at in range(0, len(data), 2)]


def test_reset_values(chip: LIS3MDL) -> None:
    assert registers(chip, 0x0F) == b"\x3d"
    assert registers(chip, 0x20 | 0x80, 5) == b"\x10\x00\x03\x00\x00"
    assert registers(chip, 0x27) == b"\x00"
    assert registers(chip, 0x30) == b"\xe8"


def test_the_address_goes_on_only_with_bit_7(chip: LIS3MDL) -> None:
    chip.write(b"\x20\x70\x7c")
    assert registers(chip, 0x20) == b"\x7c"
    chip.write(b"\xa0\x71\x20")
    assert registers(chip, 0xA0, 3) == b"\x71\x20\x03"
    assert registers(chip, 0x20, 3) == b"\x71\x71\x71"


def test_read_only_registers_and_reserved_bits(chip: LIS3MDL) -> None:
    for register in (0x0F, 0x27, 0x28, 0x2E, 0x31):
        before = registers(chip, register)
        chip.write(bytes((register, 0xA5)))
        assert registers(chip, register) == before
    for register, kept in ((0x21, 0x60), (0x22, 0x27), (0x23, 0x0E), (0x24, 0xC0)):
        chip.write(bytes((register, 0xFF if register != 0x21 else 0xF3)))
        assert registers(chip, register) == bytes((kept,))


def test_the_axes_turn_back_before_the_temperature(chip: LIS3MDL, clock: Clock) -> None:
    chip.field_ut, chip.temperature_cel = [100.0, 200.0, -300.0], 35.0
    chip.write(b"\xa0\x90\x00\x00")
    clock.advance_ms(150)
    for address in (0x28, 0xA8):
        assert axes(registers(chip, address, 8)) == [6842, 13684, -20526, 6842]
    assert axes(registers(chip, 0xAE, 2)) == [80]


@pytest.mark.parametrize(
    ("ctrl_1", "period_ms"),
    [(0x00, 1600), (0x10, 100), (0x1C, 12.5), (0x02, 1.0), (0x22, 1.786), (0x42, 3.334), (0x62, 6.452)],
)
def test_rates_of_tables_20_and_21(chip: LIS3MDL, clock: Clock, ctrl_1: int, period_ms: float) -> None:
    chip.write(bytes((0xA0, ctrl_1, 0x00, 0x00)))
    clock.advance_ms(period_ms - 0.05)
    assert registers(chip, 0x27) == b"\x00"
    clock.advance_ms(0.06)
    assert registers(chip, 0x27) == b"\x0f"
    clock.advance_ms(period_ms)
    assert registers(chip, 0x27) == b"\xff"  # one was overwritten


def test_flags_go_with_the_second_byte_of_an_axis(chip: LIS3MDL, clock: Clock) -> None:
    chip.write(b"\xa0\x1c\x00\x00")
    clock.advance_ms(25.1)
    assert registers(chip, 0x27) == b"\xff"
    registers(chip, 0x28)
    assert registers(chip, 0x27) == b"\xff"
    registers(chip, 0x29)
    assert registers(chip, 0x27) == b"\x66"
    registers(chip, 0xAA, 4)
    assert registers(chip, 0x27) == b"\x00"


def test_single_mode_measures_once_and_powers_down(chip: LIS3MDL, clock: Clock) -> None:
    chip.write(b"\xa0\x62\x00\x01")  # 155 Hz: in this mode 80 Hz at most
    clock.advance_ms(12.4)
    assert registers(chip, 0x22) == b"\x01"
    assert registers(chip, 0x27) == b"\x00"
    clock.advance_ms(0.2)
    assert registers(chip, 0x22) == b"\x03"
    assert registers(chip, 0x27) == b"\x0f"
    clock.advance_ms(1000)
    assert registers(chip, 0x27) == b"\x0f"


@pytest.mark.parametrize(("block", "high"), [(0x40, 0x01), (0x00, 0x04)])
def test_block_update_holds_both_bytes_together(chip: LIS3MDL, clock: Clock, block: int, high: int) -> None:
    chip.field_ut = [0x0123 / 68.42, 0.0, 0.0]
    chip.write(bytes((0xA0, 0x1C, 0x00, 0x00, 0x00, block)))
    clock.advance_ms(13)
    assert registers(chip, 0x28) == b"\x23"
    chip.field_ut = [0x0456 / 68.42, 0.0, 0.0]
    clock.advance_ms(13)
    assert registers(chip, 0x29) == bytes((high,))
    assert registers(chip, 0xA8, 2) == b"\x56\x04"


@pytest.mark.parametrize(("ctrl_2", "one_gauss"), [(0x00, 6842), (0x20, 3421), (0x40, 2281), (0x60, 1711)])
def test_scale_and_saturation(chip: LIS3MDL, clock: Clock, ctrl_2: int, one_gauss: int) -> None:
    chip.field_ut = [100.0, 1e5, -1e5]
    chip.write(bytes((0xA0, 0x1C, ctrl_2, 0x00)))
    clock.advance_ms(13)
    assert axes(registers(chip, 0xA8, 6)) == [one_gauss, 0x7FFF, -0x8000]


def test_big_endian_and_no_temperature_unless_it_is_on(chip: LIS3MDL, clock: Clock) -> None:
    chip.field_ut, chip.temperature_cel = [100.0, 0.0, 0.0], 80.0
    chip.write(b"\xa0\x1c\x00\x00\x02")
    clock.advance_ms(13)
    assert registers(chip, 0xA8, 2) == b"\x1a\xba"
    assert registers(chip, 0xAE, 2) == b"\x00\x00"


def test_soft_reset_and_plugging_in_again(chip: LIS3MDL, clock: Clock) -> None:
    chip.write(b"\xa0\x1c\x20\x00")
    chip.write(b"\x21\x04")
    assert registers(chip, 0xA0, 3) == b"\x10\x00\x03"
    chip.write(b"\xa0\x1c\x20\x00")
    clock.advance_ms(100)
    chip.unplugged = True
    chip.unplugged = False
    assert registers(chip, 0x27) == b"\x00"
    assert registers(chip, 0xA0, 3) == b"\x10\x00\x03"
