"""Every I2C sensor against its virtual chip: the whole range, both adapters, every fault at every step.

What is swept is the `CASE` of `test_<driver>.py`; `cases.py` says what stands in it.
"""

import math
from typing import Any

import pytest

from drivers import errors
from tests.drivers.cases import CASES, plug, set_physical

STEPS = 21


def code_of_a_reading(bench: Any, driver: Any, count: int) -> int | None:
    try:
        bench.acquire(driver, count)
    except errors.DriverError as error:
        return error.code
    return None


@pytest.mark.parametrize("adapter", ["machine_bus", "linux_bus"])
@pytest.mark.parametrize("name", CASES)
def test_reads_back_the_whole_range(bench: Any, name: str, adapter: str) -> None:
    bench.bus = getattr(bench, adapter)()
    driver, chip = plug(bench, name)
    shows = CASES[name].shows
    ranges = chip.sample_range()
    for index, attribute in enumerate(shows):
        lower, upper, epsilon = ranges[attribute]
        for step in range(1, STEPS):
            value = lower + (upper - lower) * step / STEPS
            set_physical(chip, attribute, value)
            bench.clock.advance_ms(CASES[name].settle_ms)
            found = bench.acquire(driver, CASES[name].values)[index]
            assert found == pytest.approx(value, abs=epsilon), (attribute, value)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("code", [errors.NACK, errors.SDA_LOW, errors.TIMEOUT])
def test_an_error_at_any_step_is_reported_and_the_next_start_recovers(
    bench: Any, name: str, code: int
) -> None:
    count = CASES[name].values
    driver, _ = plug(bench, name)
    bench.acquire(driver, count)
    steps = bench.bus.count
    assert steps >= 3
    for step in range(steps):
        driver, _ = plug(bench, name)
        bench.bus.count, bench.bus.fail_at, bench.bus.code = 0, step, code
        expected = CASES[name].first_nack if step == 0 and code == errors.NACK else code
        assert code_of_a_reading(bench, driver, count) == expected
        assert all(math.isfinite(value) for value in bench.acquire(driver, count))


@pytest.mark.parametrize("name", CASES)
def test_bus_faults_have_their_code_and_heal(bench: Any, name: str) -> None:
    count = CASES[name].values
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


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].power_dip])
def test_a_power_dip_between_start_and_read_is_no_reading(bench: Any, name: str) -> None:
    count = CASES[name].values
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


@pytest.mark.parametrize("name", CASES)
def test_reading_without_start_is_not_ready(bench: Any, name: str) -> None:
    driver, _ = plug(bench, name)
    with pytest.raises(errors.DriverError) as caught:
        driver.read_into([0.0] * CASES[name].values)
    assert caught.value.code == errors.NOT_READY


@pytest.mark.parametrize("name", CASES)
def test_the_wait_is_long_enough_and_not_idle(bench: Any, name: str) -> None:
    """Reading right after the wait works; far too early it does not."""
    driver, _ = plug(bench, name)
    wait_ms = driver.start()
    assert wait_ms > 0
    if CASES[name].too_early is not None:
        with pytest.raises(errors.DriverError) as caught:
            driver.read_into([0.0] * CASES[name].values)
        assert caught.value.code == CASES[name].too_early
    bench.clock.advance_ms(wait_ms)
    bench.acquire(driver, CASES[name].values)


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
