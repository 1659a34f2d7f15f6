"""Virtual BME280 at register level, as its datasheet has it."""

import pytest

from simulator.bus import Nack
from simulator.chips import bme280
from simulator.chips.bme280 import BME280
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> BME280:
    chip = bme280.make(clock)
    clock.advance_ms(3)
    return chip


def register(chip: BME280, address: int, count: int = 1) -> bytes:
    chip.write(bytes((address,)))
    return chip.read(count)


def test_is_not_there_while_it_starts_up(clock: Clock) -> None:
    chip = bme280.make(clock)
    with pytest.raises(Nack):
        chip.write(b"\xd0")
    clock.advance_ms(2)
    assert register(chip, 0xD0) == b"\x60"


def test_reset_values(chip: BME280) -> None:
    assert register(chip, 0xF2, 4) == bytes(4)
    assert register(chip, 0xF7, 8) == b"\x80\x00\x00\x80\x00\x00\x80\x00"


def test_read_increments_and_read_only_registers_stay(chip: BME280) -> None:
    before = register(chip, 0x88, 24)
    chip.write(bytes((0x88, 0x12, 0xD0, 0x00, 0xF7, 0x00, 0xF3, 0xFF)))
    assert register(chip, 0x88, 24) == before
    assert register(chip, 0xD0) == b"\x60"
    assert register(chip, 0xF3) == b"\x00"
    assert int.from_bytes(before[:2], "little") == bme280.DIG_T[0]


def test_forced_mode_measures_once_and_sleeps(chip: BME280, clock: Clock) -> None:
    chip.write(bytes((0xF2, 0x01, 0xF4, 0x25)))
    assert register(chip, 0xF3) == b"\x08"
    assert register(chip, 0xF4) == b"\x25"
    clock.advance_ms(8.1)
    assert register(chip, 0xF3) == b"\x00"
    assert register(chip, 0xF4) == b"\x24"
    first = register(chip, 0xF7, 8)
    chip.temperature_cel += 5
    clock.advance_ms(100)
    assert register(chip, 0xF7, 8) == first


def test_humidity_setting_waits_for_ctrl_meas(chip: BME280, clock: Clock) -> None:
    chip.write(bytes((0xF4, 0x25)))
    chip.write(bytes((0xF2, 0x01)))
    clock.advance_ms(10)
    assert register(chip, 0xFD, 2) == b"\x80\x00"
    chip.write(bytes((0xF4, 0x25)))
    clock.advance_ms(10)
    assert register(chip, 0xFD, 2) != b"\x80\x00"


def test_skipped_measurements_keep_their_reset_value(chip: BME280, clock: Clock) -> None:
    chip.write(bytes((0xF4, 0x21)))
    clock.advance_ms(10)
    data = register(chip, 0xF7, 8)
    assert data[:3] == b"\x80\x00\x00"
    assert data[3:6] != b"\x80\x00\x00"


def test_normal_mode_goes_on_and_locks_config(chip: BME280, clock: Clock) -> None:
    chip.write(bytes((0xF2, 0x01, 0xF5, 0x20, 0xF4, 0x27)))
    clock.advance_ms(10)
    first = register(chip, 0xF7, 8)
    chip.temperature_cel += 5
    clock.advance_ms(30)
    assert register(chip, 0xF7, 8) == first
    clock.advance_ms(62.5)
    assert register(chip, 0xF7, 8) != first
    assert register(chip, 0xF4) == b"\x27"
    chip.write(bytes((0xF5, 0xE0)))
    assert register(chip, 0xF5) == b"\x20"


def test_soft_reset_needs_its_word(chip: BME280, clock: Clock) -> None:
    chip.write(bytes((0xF2, 0x05)))
    chip.write(bytes((0xE0, 0x00)))
    assert register(chip, 0xF2) == b"\x05"
    chip.write(bytes((0xE0, 0xB6)))
    with pytest.raises(Nack):
        chip.read(1)
    clock.advance_ms(2)
    assert register(chip, 0xF2) == b"\x00"


@pytest.mark.parametrize(("oversampling", "bits"), [(1, 16), (2, 17), (3, 18), (4, 19), (5, 20)])
def test_resolution_grows_with_oversampling(chip: BME280, clock: Clock, oversampling: int, bits: int) -> None:
    seen = 0
    for step in range(40):
        chip.pressure_pa = 95000 + step * 1.7
        chip.write(bytes((0xF4, 0x21 | oversampling << 2)))
        clock.advance_ms(50)
        seen |= int.from_bytes(register(chip, 0xF7, 3), "big") >> 4
    assert seen & ((1 << (20 - bits)) - 1) == 0
    assert bits == 20 or seen >> (20 - bits) & 1


def test_plugging_in_again_is_a_power_on(chip: BME280, clock: Clock) -> None:
    chip.write(bytes((0xF2, 0x05)))
    chip.unplugged = True
    chip.unplugged = False
    clock.advance_ms(3)
    assert register(chip, 0xF2) == b"\x00"
