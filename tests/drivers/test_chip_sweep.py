"""Every I2C driver against its virtual chip: the whole range, both adapters, every fault at every step."""

import importlib
import math
from typing import Any

import pytest

from drivers import errors

I2C_CASES = {
    "bme280": {
        "cfg": {"bus": "i2c0", "address": 0x76},
        "shows": ["temperature_cel", "humidity_pct", "pressure_pa"],
    },
    "ads1115": {
        "cfg": {"bus": "i2c0", "address": 0x48, "inputs": [0, 3, 1, 2]},
        "shows": ["inputs_v[0]", "inputs_v[3]", "inputs_v[1]", "inputs_v[2]"],
    },
    "scd41": {"cfg": {"bus": "i2c0"}, "shows": ["co2_ppm", "temperature_cel", "humidity_pct"]},
}
STEPS = 21


def plug(bench: Any, name: str) -> tuple[Any, Any]:
    """(driver, virtual chip) wired on the bench."""
    case = I2C_CASES[name]
    chip = importlib.import_module(f"simulator.chips.{name}").make(clock=bench.clock.ns)
    bench.virtual.chips.clear()
    bench.virtual.add(chip)
    bench.clock.advance_ms(50)
    return importlib.import_module(f"drivers.{name}").make(bench, case["cfg"]), chip


def set_physical(chip: Any, attribute: str, value: float) -> None:
    name, _, rest = attribute.partition("[")
    if rest:
        getattr(chip, name)[int(rest[0])] = value
    else:
        setattr(chip, name, value)


@pytest.mark.parametrize("adapter", ["machine_bus", "linux_bus"])
@pytest.mark.parametrize("name", I2C_CASES)
def test_reads_back_the_whole_range(bench: Any, name: str, adapter: str) -> None:
    bench.bus = getattr(bench, adapter)()
    driver, chip = plug(bench, name)
    shows = I2C_CASES[name]["shows"]
    ranges = chip.sample_range()
    for index, attribute in enumerate(shows):
        lower, upper, epsilon = ranges[attribute]
        for step in range(1, STEPS):
            value = lower + (upper - lower) * step / STEPS
            set_physical(chip, attribute, value)
            bench.clock.advance_ms(6000)
            found = bench.acquire(driver, len(shows))[index]
            assert found == pytest.approx(value, abs=epsilon), (attribute, value)


@pytest.mark.parametrize("name", I2C_CASES)
@pytest.mark.parametrize("code", [errors.NACK, errors.SDA_LOW, errors.TIMEOUT])
def test_an_error_at_any_step_is_reported_and_the_next_start_recovers(
    bench: Any, name: str, code: int
) -> None:
    count = len(I2C_CASES[name]["shows"])
    driver, _ = plug(bench, name)
    bench.acquire(driver, count)
    steps = bench.bus.count
    assert steps >= 3
    for step in range(steps):
        driver, _ = plug(bench, name)
        bench.bus.count, bench.bus.fail_at, bench.bus.code = 0, step, code
        with pytest.raises(errors.DriverError) as caught:
            bench.acquire(driver, count)
        refused_start = name == "scd41" and step == 0 and code == errors.NACK  # may mean: measures already
        assert caught.value.code == (errors.NOT_READY if refused_start else code)
        assert all(math.isfinite(value) for value in bench.acquire(driver, count))


@pytest.mark.parametrize("name", I2C_CASES)
def test_bus_faults_have_their_code_and_heal(bench: Any, name: str) -> None:
    count = len(I2C_CASES[name]["shows"])
    driver, chip = plug(bench, name)
    faults = (
        (chip, "unplugged", errors.NACK),
        (bench.virtual, "sda_stuck", errors.SDA_LOW),
        (bench.virtual, "scl_stuck", errors.SCL_LOW),
    )
    for owner, attribute, code in faults:
        bench.acquire(driver, count)
        setattr(owner, attribute, True)
        for _ in range(2):
            with pytest.raises(errors.BusError) as caught:
                bench.acquire(driver, count)
            assert caught.value.code == code
            assert errors.quality_of(code) == 9
        setattr(owner, attribute, False)
        bench.clock.advance_ms(50)
        bench.acquire(driver, count)


@pytest.mark.parametrize("name", ["bme280", "ads1115"])
def test_a_power_dip_between_start_and_read_is_no_reading(bench: Any, name: str) -> None:
    count = len(I2C_CASES[name]["shows"])
    driver, chip = plug(bench, name)
    wait_ms = driver.start()
    bench.clock.advance_ms(wait_ms)
    chip.unplugged = True
    chip.unplugged = False
    bench.clock.advance_ms(5)
    with pytest.raises(errors.DriverError) as caught:
        driver.read_into([0.0] * count)
    assert errors.quality_of(caught.value.code) == 4
    bench.acquire(driver, count)


@pytest.mark.parametrize("name", I2C_CASES)
def test_reading_without_start_is_not_ready(bench: Any, name: str) -> None:
    driver, _ = plug(bench, name)
    with pytest.raises(errors.DriverError) as caught:
        driver.read_into([0.0] * 4)
    assert caught.value.code == errors.NOT_READY


@pytest.mark.parametrize("name", I2C_CASES)
def test_the_wait_is_long_enough_and_not_idle(bench: Any, name: str) -> None:
    """Reading right after the wait works; far too early it does not."""
    driver, _ = plug(bench, name)
    assert driver.start() > 0
    if name != "ads1115":  # which waits for the rest of its conversion itself
        with pytest.raises(errors.DriverError) as caught:
            driver.read_into([0.0] * 4)
        assert caught.value.code == errors.NOT_READY
    bench.acquire(driver, len(I2C_CASES[name]["shows"]))


def test_a_chip_that_holds_sda_is_clocked_free(bench: Any) -> None:
    driver, _ = plug(bench, "bme280")
    bench.acquire(driver, 3)
    bench.virtual.sda_held_clocks = 7
    bench.acquire(driver, 3)
    assert bench.bus.inner.recoveries == 1


def test_recovery_gives_up_after_nine_clocks(bench: Any) -> None:
    driver, _ = plug(bench, "bme280")
    bench.virtual.sda_held_clocks = 10
    with pytest.raises(errors.BusError) as caught:
        driver.start()
    assert caught.value.code == errors.SDA_LOW
    assert bench.virtual.sda_held_clocks == 1
