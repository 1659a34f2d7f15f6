"""LIS3DH: codes of the datasheet, means and vibration out of the FIFO, overruns."""

from math import sqrt
from typing import Any

import pytest

from drivers import errors, lis3dh
from simulator.chips import lis3dh as chip_lis3dh

CASE = {
    "cfg": {"bus": "i2c0"},
    "shows": ["acceleration_ms2[0]", "acceleration_ms2[1]", "acceleration_ms2[2]"],
    "derived": 1,
    "heap": 256,
    "too_early": None,  # it asks for more time
}


@pytest.mark.parametrize(
    ("low", "high", "digits"),
    [(0x00, 0x00, 0), (0xF0, 0x7F, 2047), (0x00, 0x80, -2048), (0xF0, 0xFF, -1), (0x00, 0x40, 1024), (0x0F, 0x00, 0)],
)
def test_left_justified_codes(low: int, high: int, digits: int) -> None:
    """Section 8.16: two's complement, left-justified, 12 bits."""
    assert lis3dh.compensate_axis(low, high) == digits


@pytest.mark.parametrize(("mg", "g"), [(1, 1.0), (2, 2.0), (4, 4.0), (12, 12.0)])
def test_sensitivity_of_table_4(mg: int, g: float) -> None:
    assert lis3dh.compensate_acceleration(32000, 32, mg) == pytest.approx(g * 9.80665)


def test_ranges_follow_the_full_scale() -> None:
    assert [c[4] for c in lis3dh.channels({})] == [20, 20, 20, 35]
    assert [c[3] for c in lis3dh.channels({"range_g": 16})] == [-240, -240, -240, 0]
    assert lis3dh.channels({"range_g": 8})[0][6] == pytest.approx(0.04)


@pytest.fixture
def chip(bench: Any) -> Any:
    chip = chip_lis3dh.make(bench.clock.ns)
    bench.virtual.add(chip)
    bench.clock.advance_ms(10)
    return chip


@pytest.mark.parametrize("range_g", [2, 4, 8, 16])
def test_a_board_that_lies_flat_feels_the_ground(bench: Any, chip: Any, range_g: int) -> None:
    driver = lis3dh.make(bench, {"bus": "i2c0", "range_g": range_g})
    values = bench.acquire(driver, 4)
    assert values == pytest.approx([0.0, 0.0, 9.80665, 0.0], abs=0.06)


def test_vibration_is_the_deviation_from_the_mean(bench: Any, chip: Any) -> None:
    chip.vibration_ms2, chip.vibration_hz = 3.0, 12.5  # four whole swings in 32 samples at 100 Hz
    driver = lis3dh.make(bench, {"bus": "i2c0"})
    bench.acquire(driver, 4)
    bench.clock.advance_ms(1000)
    x, y, z, vibration = bench.acquire(driver, 4)
    assert (x, y, z) == pytest.approx((0.0, 0.0, 9.80665), abs=0.01)
    assert vibration == pytest.approx(3.0 / sqrt(2), abs=0.01)


def test_readings_are_of_the_samples_since_the_last_one(bench: Any, chip: Any) -> None:
    driver = lis3dh.make(bench, {"bus": "i2c0"})
    bench.acquire(driver, 4)
    before = driver.overruns
    for step in range(1, 20):
        chip.acceleration_ms2[0] = step / 2
        bench.clock.advance_ms(100)
        assert driver.start() == 0
        assert bench.acquire(driver, 4)[0] == pytest.approx(step / 2, abs=0.005)
    assert driver.overruns == before
    bench.clock.advance_ms(400)
    bench.acquire(driver, 4)
    assert driver.overruns == before + 1


def test_it_waits_for_a_sample_once_and_then_gives_up(bench: Any, chip: Any) -> None:
    driver = lis3dh.make(bench, {"bus": "i2c0", "rate_hz": 1})
    wait_ms = driver.start()
    assert wait_ms > 7000
    bench.clock.advance_ms(wait_ms)
    bench.acquire(driver, 4)
    values = [0.0] * 4
    driver.start()
    assert driver.read_into(values) > 1000
    with pytest.raises(errors.DriverError, match="no new sample") as caught:
        driver.read_into(values)
    assert caught.value.code == errors.NOT_READY
    assert driver.start() > 7000


@pytest.mark.parametrize("ms2", [25.0, -25.0])
def test_beyond_the_full_scale_is_no_reading(bench: Any, chip: Any, ms2: float) -> None:
    chip.acceleration_ms2[1] = ms2
    with pytest.raises(errors.DriverError, match="y is beyond range_g") as caught:
        bench.acquire(lis3dh.make(bench, {"bus": "i2c0"}), 4)
    assert caught.value.code == errors.OUT_OF_RANGE
    assert bench.acquire(lis3dh.make(bench, {"bus": "i2c0", "range_g": 4}), 4)[1] == pytest.approx(ms2, abs=0.01)


def test_another_chip_is_named(bench: Any, chip: Any) -> None:
    chip._memory[0x0F] = 0x3D
    with pytest.raises(errors.DriverError, match="expected id 0x33, found 0x3d"):
        lis3dh.make(bench, {"bus": "i2c0"}).start()
