"""Virtual INA226 at register level, as its datasheet has it."""

import pytest

from simulator.chips import ina226
from simulator.chips.ina226 import ALERT, BUS, CALIBRATION, CONFIGURATION, CURRENT, INA226, MASK, POWER, SHUNT
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> INA226:
    return ina226.make(clock)


def register(chip: INA226, number: int) -> int:
    chip.write(bytes((number,)))
    return int.from_bytes(chip.read(2), "big")


def store(chip: INA226, number: int, value: int) -> None:
    chip.write(bytes((number,)) + value.to_bytes(2, "big"))


def test_reset_values_and_ids(chip: INA226) -> None:
    assert [register(chip, number) for number in range(8)] == [0x4127, 0, 0, 0, 0, 0, 0, 0]
    assert (register(chip, 0xFE), register(chip, 0xFF)) == (0x5449, 0x2260)


def test_worked_example_of_the_datasheet(clock: Clock) -> None:
    """Section 8.2.1, table 8-1: 2 mOhm, 10 A, 11.98 V with calibration 0A00h."""
    chip = INA226(clock, shunt_ohm=0.002)
    chip.bus_v, chip.current_a = 11.98, 10.0
    store(chip, CALIBRATION, 0x0A00)
    clock.advance_ms(3)
    assert register(chip, SHUNT) == 0x1F40
    assert register(chip, BUS) == 0x2570
    assert register(chip, CURRENT) == 0x2710
    assert register(chip, POWER) == 0x12B8


def test_results_and_ids_cannot_be_written(chip: INA226) -> None:
    for number in (SHUNT, BUS, POWER, CURRENT, 0xFE, 0xFF):
        before = register(chip, number)
        store(chip, number, 0x1234)
        assert register(chip, number) == before
    store(chip, CALIBRATION, 0xFFFF)
    assert register(chip, CALIBRATION) == 0x7FFF
    store(chip, MASK, 0xFFFF)
    assert register(chip, MASK) == 0xFC03


@pytest.mark.parametrize(("average", "count"), list(enumerate(ina226.AVERAGES)))
def test_triggered_conversion_takes_its_time_once(chip: INA226, clock: Clock, average: int, count: int) -> None:
    store(chip, CONFIGURATION, 0x4123 | average << 9)
    ms = 2.2 * count
    clock.advance_ms(ms - 0.01)
    assert not register(chip, MASK) & 0x08
    clock.advance_ms(0.02)
    assert register(chip, MASK) & 0x08
    assert register(chip, BUS) == 9600
    assert not register(chip, MASK) & 0x08  # cleared by reading it
    chip.bus_v = 5.0
    clock.advance_ms(3 * ms)
    assert register(chip, BUS) == 9600


def test_writing_the_configuration_clears_ready(chip: INA226, clock: Clock) -> None:
    clock.advance_ms(3)
    store(chip, CONFIGURATION, 0x4123)
    assert not register(chip, MASK) & 0x08


def test_continuous_mode_follows_and_power_down_stands(chip: INA226, clock: Clock) -> None:
    for volts in (5.0, 7.0):
        chip.bus_v = volts
        clock.advance_ms(3)
        assert register(chip, BUS) == volts / 1.25e-3
    store(chip, CONFIGURATION, 0x4120)
    chip.bus_v = 9.0
    clock.advance_ms(10)
    assert register(chip, BUS) == 7.0 / 1.25e-3


@pytest.mark.parametrize(("mode", "both"), [(1, (400, 0)), (2, (0, 9600)), (3, (4000, 9600))])
def test_modes_convert_what_they_say(chip: INA226, clock: Clock, mode: int, both: tuple[int, int]) -> None:
    chip.current_a = 0.1 if mode == 1 else 1.0
    store(chip, CONFIGURATION, 0x4120 | mode)
    clock.advance_ms(3)
    assert (register(chip, SHUNT), register(chip, BUS)) == both


def test_saturation_and_overflow(chip: INA226, clock: Clock) -> None:
    chip.bus_v, chip.current_a = 100.0, -20.0
    store(chip, CALIBRATION, 0x7FFF)
    clock.advance_ms(3)
    assert register(chip, SHUNT) == 0x8000
    assert register(chip, BUS) == 0x7FFF
    assert register(chip, MASK) & 0x04


@pytest.mark.parametrize(
    ("function", "limit", "beyond"),
    [(0x8000, 4400, 1.2), (0x4000, 3600, 0.8), (0x8000, 0x10000 - 4000, 0.0)],
)
def test_alert_function_pulls_the_pin(chip: INA226, clock: Clock, function: int, limit: int, beyond: float) -> None:
    chip.current_a = -2.0 if limit > 0x8000 else 1.0
    store(chip, ALERT, limit)
    store(chip, MASK, function)
    clock.advance_ms(3)
    register(chip, SHUNT)
    assert not chip.alert_low
    chip.current_a = beyond
    clock.advance_ms(3)
    assert register(chip, MASK) & 0x10
    assert chip.alert_low
    chip.current_a = -2.0 if limit > 0x8000 else 1.0
    clock.advance_ms(3)
    assert not register(chip, MASK) & 0x10


def test_a_latched_alert_stays_until_it_is_read(chip: INA226, clock: Clock) -> None:
    store(chip, ALERT, 8000)  # 10 V
    store(chip, MASK, 0x2001)
    clock.advance_ms(3)
    register(chip, BUS)
    chip.bus_v = 5.0
    clock.advance_ms(3)
    register(chip, BUS)
    assert chip.alert_low
    assert register(chip, MASK) & 0x10
    assert not chip.alert_low


def test_reset_bit(chip: INA226) -> None:
    store(chip, CALIBRATION, 0x0A00)
    store(chip, CONFIGURATION, 0x8000)
    assert register(chip, CALIBRATION) == 0
    assert register(chip, CONFIGURATION) == 0x4127
