"""Virtual VEML7700 at register level, as its datasheet has it."""

import pytest

from simulator.chips import veml7700
from simulator.chips.veml7700 import VEML7700
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> VEML7700:
    return veml7700.make(clock)


def register(chip: VEML7700, code: int) -> int:
    chip.write(bytes((code,)))
    return int.from_bytes(chip.read(2), "little")


def test_reset_values(chip: VEML7700) -> None:
    assert [register(chip, code) for code in range(8)] == [1, 0, 0, 0, 0, 0, 0, 0xC481]


def test_measuring_takes_2_5_ms_and_the_integration_time(chip: VEML7700, clock: Clock) -> None:
    chip.illuminance_lx = 672.0
    chip.write(b"\x00\x00\x00")
    clock.advance_ms(102.4)
    assert register(chip, 4) == 0
    clock.advance_ms(0.2)
    assert register(chip, 4) == 10_000
    chip.illuminance_lx = 6.72
    clock.advance_ms(99)
    assert register(chip, 4) == 10_000
    clock.advance_ms(1)
    assert register(chip, 4) == 100


@pytest.mark.parametrize(("config", "counts"), [(0x1300, 465), (0x1000, 1860), (0x0000, 14881), (0x08C0, 65535)])
def test_gain_and_time(chip: VEML7700, clock: Clock, config: int, counts: int) -> None:
    chip.illuminance_lx = 1000.0
    chip.write(bytes((0, config & 0xFF, config >> 8)))
    clock.advance_ms(1000)
    assert register(chip, 4) == counts


def test_read_only_registers_and_reserved_bits(chip: VEML7700) -> None:
    for code in (4, 5, 6, 7):
        before = register(chip, code)
        chip.write(bytes((code, 0xFF, 0x7F)))
        assert register(chip, code) == before
    chip.write(b"\x00\xff\xff")
    assert register(chip, 0) == 0x1BF3


def test_strong_light_is_seen_weaker_than_it_is() -> None:
    assert veml7700.seen_lx(1000.0) == 1000.0
    assert veml7700.seen_lx(1075.0) == pytest.approx(1000.0, abs=0.2)
    assert veml7700.seen_lx(120_000.0) == pytest.approx(22_960, abs=100)


def test_shut_down_keeps_the_last_value_and_power_saving_slows_down(chip: VEML7700, clock: Clock) -> None:
    chip.illuminance_lx = 672.0
    chip.write(b"\x00\x00\x00")
    clock.advance_ms(103)
    assert register(chip, 4) == 10_000
    chip.write(b"\x00\x01\x00")
    chip.illuminance_lx = 6.72
    clock.advance_ms(1000)
    assert register(chip, 4) == 10_000
    chip.write(b"\x03\x01\x00")
    chip.write(b"\x00\x00\x00")
    clock.advance_ms(602)
    assert register(chip, 4) == 10_000
    clock.advance_ms(1)
    assert register(chip, 4) == 100
