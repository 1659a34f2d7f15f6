"""INA226: the datasheet's worked example, ranges that follow the shunt, and power dips."""

from typing import Any

import pytest

from drivers import errors, ina226
from simulator.chips import ina226 as chip_ina226

CASE = {"cfg": {"bus": "i2c0"}, "shows": ["bus_v", "current_a"], "derived": 1, "heap": 160}


def test_worked_example_of_the_datasheet() -> None:
    """Section 8.2.1, table 8-1: 10 A through 2 mOhm at 11.98 V reads 1F40h and 2570h."""
    assert ina226.compensate_shunt(0x1F40) / 0.002 == pytest.approx(10.0)
    assert ina226.compensate_bus(0x2570) == pytest.approx(11.98)


@pytest.mark.parametrize(
    ("code_raw", "volts"), [(0x7FFF, 0.0819175), (0x0001, 2.5e-6), (0, 0), (0xFFFF, -2.5e-6), (0x8000, -0.08192)]
)
def test_shunt_codes_of_the_datasheet(code_raw: int, volts: float) -> None:
    """Section 7.1.2: full scale, one count on both sides, the most negative code."""
    assert ina226.compensate_shunt(code_raw) == pytest.approx(volts)


def test_full_scale_of_the_bus_voltage() -> None:
    assert ina226.compensate_bus(0x7FFF) == pytest.approx(40.95875)


def test_ranges_and_uncertainty_follow_the_shunt() -> None:
    voltage, current, power = ina226.channels({"shunt_ohm": 0.1})
    assert voltage == ina226.CHANNELS[0]
    assert current[:3] == ("current", "current", "A")
    assert current[3:8] == pytest.approx((-0.819, 0.819, 0.00006, 0.000025, 0.0001))
    assert power[4] == pytest.approx(29.5)
    assert ina226.channels({})[1][4] == pytest.approx(8.19)


@pytest.fixture
def chip(bench: Any) -> Any:
    chip = chip_ina226.make(bench.clock.ns)
    bench.virtual.add(chip)
    return chip


def test_power_is_that_of_the_moment(bench: Any, chip: Any) -> None:
    driver = ina226.make(bench, {"bus": "i2c0"})
    chip.bus_v, chip.current_a = 24.0, -2.5
    assert bench.acquire(driver, 3) == pytest.approx([24.0, -2.5, -60.0], abs=0.02)


@pytest.mark.parametrize("amps", [8.5, -8.5])
def test_a_saturated_shunt_is_no_reading(bench: Any, chip: Any, amps: float) -> None:
    chip.current_a = amps
    driver = ina226.make(bench, {"bus": "i2c0"})
    with pytest.raises(errors.DriverError, match=r"81\.9 mV") as caught:
        bench.acquire(driver, 3)
    assert caught.value.code == errors.OUT_OF_RANGE


def test_a_bus_beyond_its_rating_is_no_reading(bench: Any, chip: Any) -> None:
    chip.bus_v = 40.0
    with pytest.raises(errors.DriverError, match="voltage 40 is outside 0 to 36"):
        bench.acquire(ina226.make(bench, {"bus": "i2c0"}), 3)


def test_another_chip_is_named(bench: Any, chip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(chip_ina226.IDS, chip_ina226.DIE, 0x2770)
    with pytest.raises(errors.DriverError, match="expected ids 0x5449 0x2260, found 0x5449 0x2770") as caught:
        ina226.make(bench, {"bus": "i2c0"}).start()
    assert caught.value.code == errors.BAD_ID


@pytest.mark.parametrize("average", [1, 16, 1024])
def test_the_wait_covers_the_slowest_conversion(bench: Any, chip: Any, average: int) -> None:
    driver = ina226.make(bench, {"bus": "i2c0", "average": average})
    assert driver.start() >= 2 * 1.21 * average
    bench.acquire(driver, 3)
