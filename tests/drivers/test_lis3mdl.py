"""LIS3MDL: digits, sensitivities and temperature of the datasheet, full scales, what is left over, other chips."""

from typing import Any

import pytest

from drivers import errors, lis3mdl
from simulator.chips import lis3mdl as chip_lis3mdl

CASE = {
    "cfg": {"bus": "i2c0"},
    "shows": ["field_ut[0]", "field_ut[1]", "field_ut[2]", "temperature_cel"],
    "heap": 256,
    "settle_ms": 10,
}


@pytest.mark.parametrize(
    ("low", "high", "digits"), [(0, 0, 0), (0xFF, 0x7F, 32767), (0, 0x80, -32768), (0xFF, 0xFF, -1), (0xBA, 0x1A, 6842)]
)
def test_words_are_twos_complement(low: int, high: int, digits: int) -> None:
    assert lis3mdl.compensate_word(low, high) == digits


@pytest.mark.parametrize(("per_gauss", "range_gauss"), [(6842, 4), (3421, 8), (2281, 12), (1711, 16)])
def test_sensitivities_of_table_3(per_gauss: int, range_gauss: int) -> None:
    place = (4, 8, 12, 16).index(range_gauss)
    assert lis3mdl._DIGITS_PER_GAUSS[place] == per_gauss
    assert lis3mdl.compensate_field(per_gauss, per_gauss) == pytest.approx(100.0)
    assert lis3mdl.compensate_field(-per_gauss * range_gauss, per_gauss) == pytest.approx(-100.0 * range_gauss)


@pytest.mark.parametrize(("digits", "cel"), [(0, 25.0), (8, 26.0), (-520, -40.0), (480, 85.0)])
def test_temperature_is_8_digits_a_cel_around_25(digits: int, cel: float) -> None:
    assert lis3mdl.compensate_temperature(digits) == cel


def test_ranges_follow_the_full_scale() -> None:
    assert [c[4] for c in lis3mdl.channels({})] == [480, 480, 480, 85]
    assert [c[3] for c in lis3mdl.channels({"range_gauss": 16})] == [-1920, -1920, -1920, -40]
    assert lis3mdl.channels({"range_gauss": 8})[0][6] == pytest.approx(0.03)


@pytest.fixture
def chip(bench: Any) -> Any:
    chip = chip_lis3mdl.make(bench.clock.ns)
    bench.virtual.add(chip)
    return chip


@pytest.mark.parametrize("range_gauss", [4, 8, 12, 16])
def test_the_field_in_every_full_scale(bench: Any, chip: Any, range_gauss: int) -> None:
    chip.field_ut = [110.0 * range_gauss, -95.0 * range_gauss, 0.5]
    driver = lis3mdl.make(bench, {"bus": "i2c0", "range_gauss": range_gauss})
    assert bench.acquire(driver, 4)[:3] == pytest.approx(chip.field_ut, abs=0.03)


@pytest.mark.parametrize("ut", [500.0, -500.0])
def test_beyond_the_full_scale_is_no_reading(bench: Any, chip: Any, ut: float) -> None:
    chip.field_ut[1] = ut
    with pytest.raises(errors.DriverError, match="y is beyond range_gauss") as caught:
        bench.acquire(lis3mdl.make(bench, {"bus": "i2c0"}), 4)
    assert caught.value.code == errors.OUT_OF_RANGE
    assert bench.acquire(lis3mdl.make(bench, {"bus": "i2c0", "range_gauss": 8}), 4)[1] == pytest.approx(ut, abs=0.02)


def test_what_is_left_over_is_not_the_next_reading(bench: Any, chip: Any) -> None:
    driver = lis3mdl.make(bench, {"bus": "i2c0"})
    bench.clock.advance_ms(driver.start())
    chip.field_ut[0] = 99.0
    driver.start()
    with pytest.raises(errors.DriverError, match="asked before") as caught:
        driver.read_into([0.0] * 4)
    assert caught.value.code == errors.NOT_READY
    assert bench.acquire(driver, 4)[0] == pytest.approx(99.0, abs=0.01)


def test_it_is_powered_down_between_readings(bench: Any, chip: Any) -> None:
    bench.acquire(lis3mdl.make(bench, {"bus": "i2c0"}), 4)
    assert chip._memory[chip_lis3mdl.CTRL_3] & 3 == chip_lis3mdl.POWER_DOWN


def test_another_chip_is_named(bench: Any, chip: Any) -> None:
    chip._memory[0x0F] = 0x33
    with pytest.raises(errors.DriverError, match="expected id 0x3d, found 0x33") as caught:
        lis3mdl.make(bench, {"bus": "i2c0"}).start()
    assert caught.value.code == errors.BAD_ID
