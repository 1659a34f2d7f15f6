"""Virtual AMG8833 at register level, as its specifications have it."""

import pytest

from simulator.chips import amg8833
from simulator.chips.amg8833 import AMG8833
from simulator.chips.base import Nack
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> AMG8833:
    chip = amg8833.make(clock)
    clock.advance_ms(50)
    return chip


def registers(chip: AMG8833, address: int, count: int = 1) -> bytes:
    chip.write(bytes((address,)))
    return chip.read(count)


def test_it_hears_nothing_in_its_first_50_ms(clock: Clock) -> None:
    chip = amg8833.make(clock)
    clock.advance_ms(49)
    with pytest.raises(Nack):
        chip.write(b"\x00")
    clock.advance_ms(1)
    chip.write(b"\x00")


def test_reset_values(chip: AMG8833) -> None:
    assert registers(chip, 0x00, 8) == bytes(8)


def test_frames_come_ten_times_a_second_or_once(chip: AMG8833, clock: Clock) -> None:
    assert registers(chip, 0x80, 2) == b"\x00\x00"
    clock.advance_ms(50)
    assert registers(chip, 0x80, 2) == b"\x48\x00"
    chip.write(b"\x02\x01")
    chip.scene_cel = 19.0
    clock.advance_ms(999)
    assert registers(chip, 0x80, 2) == b"\x48\x00"
    clock.advance_ms(1)
    assert registers(chip, 0x80, 2) == b"\x4c\x00"


@pytest.mark.parametrize(
    ("cel", "code"), [(25.0, b"\x64\x00"), (-0.25, b"\xff\x0f"), (500.0, b"\x90\x01"), (-90.0, b"\xb0\x0f")]
)
def test_pixels_are_twos_complement_and_cut(chip: AMG8833, clock: Clock, cel: float, code: bytes) -> None:
    chip.pixels_cel = {63: cel}
    clock.advance_ms(100)
    data = registers(chip, 0x80, 128)
    assert data[126:] == code
    assert data[:126] == b"\x48\x00" * 63


@pytest.mark.parametrize(("cel", "code"), [(25.0, b"\x90\x01"), (-0.25, b"\x04\x08"), (-20.0, b"\x40\x09")])
def test_thermistor_is_sign_and_amount(chip: AMG8833, clock: Clock, cel: float, code: bytes) -> None:
    chip.thermistor_cel = cel
    clock.advance_ms(100)
    assert registers(chip, 0x0E, 2) == code


def test_asleep_it_takes_only_its_waking(chip: AMG8833, clock: Clock) -> None:
    clock.advance_ms(100)
    before = registers(chip, 0x80, 2)
    chip.write(b"\x00\x10")
    chip.write(b"\x02\x01")
    chip.scene_cel = 70.0
    clock.advance_ms(5000)
    assert registers(chip, 0x00, 3) == b"\x10\x00\x00"
    assert registers(chip, 0x80, 2) == before
    chip.write(b"\x00\x20")  # not from sleep
    assert registers(chip, 0x00) == b"\x10"
    chip.write(b"\x00\x00")
    clock.advance_ms(100)
    assert registers(chip, 0x80, 2) == b"\x18\x01"


def test_stand_by_makes_a_frame_every_10_or_60_s(chip: AMG8833, clock: Clock) -> None:
    for mode, period_s in ((0x21, 10), (0x20, 60)):
        chip.write(bytes((0x00, 0x00)))
        chip.scene_cel = 20.0
        clock.advance_ms(100)
        before = registers(chip, 0x80, 2)
        chip.write(bytes((0x00, mode)))
        chip.scene_cel = 30.0
        clock.advance_ms(period_s * 1000 - 1)
        assert registers(chip, 0x80, 2) == before
        clock.advance_ms(1)
        assert registers(chip, 0x80, 2) == b"\x78\x00"


def test_average_needs_its_three_keys(chip: AMG8833) -> None:
    chip.write(b"\x07\x20")
    assert registers(chip, 0x07) == b"\x00"
    for key in (0x50, 0x45, 0x57):
        chip.write(bytes((0x1F, key)))
    chip.write(b"\x07\xff")
    assert registers(chip, 0x07) == b"\x20"


def test_read_only_and_write_only_registers(chip: AMG8833, clock: Clock) -> None:
    clock.advance_ms(100)
    for address in (0x04, 0x0E, 0x10, 0x80, 0xFF):
        before = registers(chip, address)
        chip.write(bytes((address, 0xA5)))
        assert registers(chip, address) == before
    chip.write(b"\x02\xff")
    assert registers(chip, 0x01, 2) == b"\x00\x01"


def test_initial_reset_forgets_what_flag_reset_keeps(chip: AMG8833) -> None:
    chip.write(b"\x02\x01")
    chip.write(b"\x08\x34\x12")
    chip.write(b"\x01\x30")
    assert registers(chip, 0x08, 2) == b"\x34\x02"
    chip.write(b"\x01\x3f")
    assert registers(chip, 0x02) == b"\x00"
    assert registers(chip, 0x08, 2) == b"\x00\x00"
