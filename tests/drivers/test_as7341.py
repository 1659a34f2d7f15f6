"""AS7341: worth of a count at each gain, which photodiode is which channel, ranging, saturation."""

from typing import Any

import pytest

from drivers import as7341, errors
from simulator.chips import as7341 as chip_as7341

CASE = {
    "cfg": {"bus": "i2c0"},
    "shows": [*(f"bands[{place}]" for place in range(8)), "clear", "near_infrared"],
    "heap": 256,
    "settle_ms": 10,
}
LIGHT = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 20.0, 3.0]


def wired(bench: Any, light: list[float] = LIGHT) -> tuple[Any, Any]:
    chip = chip_as7341.make(bench.clock.ns)
    chip.bands[:], chip.clear, chip.near_infrared = light[:8], light[8], light[9]
    bench.virtual.add(chip)
    return as7341.make(bench, {"bus": "i2c0"}), chip


@pytest.mark.parametrize(("code", "worth"), [(0, 0.0399680), (1, 0.0199840), (5, 0.00124900), (10, 0.0000390313)])
def test_worth_of_a_count(code: int, worth: float) -> None:
    """Counts by gain (0.5 to 512) and 30 * 600 steps of 2.78 us, 50.04 ms (DS000504, 8.5), with exact fractions."""
    assert as7341.compensate_worth(code) == pytest.approx(worth, rel=1e-5)


def test_each_channel_is_its_photodiodes(bench: Any) -> None:
    driver, _ = wired(bench)
    assert bench.acquire(driver, 10) == pytest.approx(LIGHT, abs=0.01)


@pytest.mark.parametrize("factor", [0.0001, 0.01, 1.0, 30.0])
def test_any_change_of_light_is_followed_within_one_reading(bench: Any, factor: float) -> None:
    """The brightest channel gets at least a 64th of full scale, 281 counts; half of one is lost by rounding."""
    driver, chip = wired(bench)
    for before in (0.0, 30.0, 1.0):
        for scale in (before, factor):
            chip.bands[:] = [value * scale for value in LIGHT[:8]]
            chip.clear, chip.near_infrared = LIGHT[8] * scale, LIGHT[9] * scale
            values = bench.acquire(driver, 10)
        assert values == pytest.approx([value * factor for value in LIGHT], abs=factor * LIGHT[8] / 281 / 2 + 0.0001)


def test_one_bright_band_of_the_second_half_sets_the_gain_of_both(bench: Any) -> None:
    light = [0.01] * 10
    light[6] = 700.0
    driver, _ = wired(bench, light)
    for _ in range(2):
        assert bench.acquire(driver, 10) == pytest.approx(light, abs=0.03)


def test_steady_light_takes_two_measurements(bench: Any) -> None:
    driver, _ = wired(bench)
    bench.acquire(driver, 10)
    before_ms = bench.clock.now_ns / 1e6
    bench.acquire(driver, 10)
    assert bench.clock.now_ns / 1e6 - before_ms < 160


def test_beyond_the_lowest_gain_is_no_reading(bench: Any) -> None:
    driver, _ = wired(bench, [*LIGHT[:8], 730.0, 3.0])
    with pytest.raises(errors.DriverError, match="brighter than its lowest gain") as caught:
        bench.acquire(driver, 10)
    assert caught.value.code == errors.OUT_OF_RANGE


def test_analogue_saturation_lowers_the_gain_too(bench: Any) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 10)
    measure = chip._measure

    def overdriven() -> None:
        measure()
        if chip._memory[chip_as7341.CFG1] > 2:
            chip._latest = bytes((chip._latest[0] | 0x80,)) + chip._latest[1:]

    chip._measure = overdriven
    assert bench.acquire(driver, 10) == pytest.approx(LIGHT, abs=0.03)
    assert chip._memory[chip_as7341.CFG1] <= 2


def test_another_chip_is_named(bench: Any) -> None:
    driver, chip = wired(bench)
    chip._memory[chip_as7341.IDENTITY] = 0x84
    with pytest.raises(errors.DriverError, match="expected id 0x24, found 0x84") as caught:
        driver.start()
    assert caught.value.code == errors.BAD_ID
