"""SHT4x: golden vectors of the datasheet, its heater and its checksums."""

from typing import Any

import pytest

from drivers import errors, sht4x
from simulator.chips import sht4x as chip_sht4x

CASE = {
    "cfg": {"bus": "i2c0"},
    "shows": ["temperature_cel", "humidity_pct"],
    "heap": 128,
    "too_early": errors.NACK,  # it does not answer while it measures
    "power_dip": False,  # what it had measured is gone, so a dip is a reading that is missing: the test below
}


@pytest.fixture
def pair(bench: Any) -> Any:
    chip = chip_sht4x.make(bench.clock.ns)
    bench.virtual.add(chip)
    bench.clock.advance_ms(50)
    return sht4x.make(bench, CASE["cfg"]), chip


@pytest.mark.parametrize(
    ("word", "cel", "pct"),
    [(0x0000, -45.0, 0.0), (0xFFFF, 130.0, 100.0), (0x8000, 42.50134, 56.50095), (0x6666, 25.0, 44.0)],
)
def test_words_of_the_datasheet(word: int, cel: float, pct: float) -> None:
    """Section 4.6: both ends (humidity is cut: -6 and 119 %), the middle, and four tenths of the scale."""
    assert sht4x.compensate_temperature(word) == pytest.approx(cel, abs=1e-4)
    assert sht4x.compensate_humidity(word) == pytest.approx(pct, abs=1e-4)


def test_a_power_dip_is_no_answer(bench: Any, pair: Any) -> None:
    driver, chip = pair
    bench.clock.advance_ms(driver.start())
    chip.unplugged = True
    chip.unplugged = False
    bench.clock.advance_ms(5)
    with pytest.raises(errors.DriverError) as caught:
        driver.read_into([0.0] * 2)
    assert caught.value.code == errors.NACK
    bench.acquire(driver, 2)


def test_bad_checksums_are_no_reading(bench: Any, pair: Any) -> None:
    driver, chip = pair
    bench.acquire(driver, 2)
    chip.corrupt = True
    for _ in range(2):  # the measurement, then the serial number
        with pytest.raises(errors.DriverError, match="SHT4x at 0x44 on i2c0: expected checksum") as caught:
            bench.acquire(driver, 2)
        assert caught.value.code == errors.BAD_CHECKSUM
    chip.corrupt = False
    bench.acquire(driver, 2)


def test_heating_comes_after_a_reading_and_spoils_none(bench: Any) -> None:
    chip = chip_sht4x.make(bench.clock.ns)
    bench.virtual.add(chip)
    bench.clock.advance_ms(50)
    driver = sht4x.make(bench, {"bus": "i2c0", "heat_every": 3})
    for reading in range(1, 10):
        assert bench.acquire(driver, 2) == pytest.approx([21.0, 45.0], abs=0.01)
        assert driver.heatings == reading // 3
        assert (chip.warmer_by_k() > 10) == (reading % 3 == 0)
        bench.clock.advance_ms(30_000)


def test_the_heater_rests_ten_times_as_long_as_it_heats(bench: Any) -> None:
    bench.virtual.add(chip_sht4x.make(bench.clock.ns))
    bench.clock.advance_ms(50)
    driver = sht4x.make(bench, {"bus": "i2c0", "heat_every": 1})
    for _ in range(60):
        bench.acquire(driver, 2)
        bench.clock.advance_ms(2000)
    assert driver.heatings == 10  # in 120 s


def test_a_reading_while_it_heats_is_refused_and_named(bench: Any) -> None:
    bench.virtual.add(chip_sht4x.make(bench.clock.ns))
    bench.clock.advance_ms(50)
    driver = sht4x.make(bench, {"bus": "i2c0", "heat_every": 1})
    bench.acquire(driver, 2)
    with pytest.raises(errors.DriverError, match="still heating") as caught:
        driver.start()
    assert caught.value.code == errors.NOT_READY
    bench.clock.advance_ms(1200)
    driver.start()
