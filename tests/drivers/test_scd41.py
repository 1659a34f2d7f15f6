"""SCD41: golden vectors of the datasheet, and life beside a chip that measures in its own time."""

from typing import Any

import pytest

from drivers import errors, scd41, sensirion
from simulator.chips import scd41 as chip_scd41

CASE = {
    "cfg": {"bus": "i2c0"},
    "shows": ["co2_ppm", "temperature_cel", "humidity_pct"],
    "heap": 192,
    "first_nack": errors.NOT_READY,  # it may mean that the chip measures already
    "power_dip": False,  # the last measurement was good, and the next start begins anew
}


@pytest.fixture
def pair(bench: Any) -> Any:
    chip = chip_scd41.make(bench.clock.ns)
    bench.virtual.add(chip)
    bench.clock.advance_ms(50)
    return scd41.make(bench, {"bus": "i2c0"}), chip


def test_checksum_and_words_of_the_datasheet() -> None:
    assert sensirion.crc8(b"\xbe\xef", 0, 2) == 0x92
    example = bytes((0x01, 0xF4, 0x33, 0x66, 0x67, 0xA2, 0x5E, 0xB9, 0x3C))
    assert [sensirion.crc8(example, at, at + 2) for at in (0, 3, 6)] == [0x33, 0xA2, 0x3C]
    assert scd41.compensate_temperature(0x6667) == pytest.approx(25.0, abs=0.01)
    assert scd41.compensate_humidity(0x5EB9) == pytest.approx(37.0, abs=0.01)


def test_a_measurement_is_held_no_longer_than_its_age_allows(bench: Any, pair: Any) -> None:
    driver, chip = pair
    bench.acquire(driver, 3)
    bench.clock.advance_ms(2000)
    assert bench.acquire(driver, 3)[0] == 420
    chip._period_ns = 0
    bench.clock.advance_ms(7000)
    with pytest.raises(errors.DriverError) as caught:
        bench.acquire(driver, 3)
    assert caught.value.code == errors.NOT_READY
    assert bench.acquire(driver, 3)[0] == 420


def test_takes_over_a_chip_that_already_measures(bench: Any, pair: Any) -> None:
    _, chip = pair
    chip.write(b"\x21\xb1")
    bench.clock.advance_ms(12_000)
    assert bench.acquire(scd41.make(bench, {"bus": "i2c0"}), 3)[0] == 420


def test_bad_checksum_names_expected_and_found(bench: Any, pair: Any) -> None:
    driver, chip = pair
    chip.corrupt = True
    with pytest.raises(errors.DriverError, match=r"expected checksum 0x.., found 0x..") as caught:
        bench.acquire(driver, 3)
    assert caught.value.code == errors.BAD_CHECKSUM
    chip.corrupt = False
    bench.acquire(driver, 3)
