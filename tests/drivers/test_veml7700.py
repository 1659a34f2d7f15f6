"""VEML7700: resolutions and correction of datasheet and note, ranging, and light that is too strong."""

from typing import Any

import pytest

from drivers import errors, veml7700
from simulator.chips import veml7700 as chip_veml7700

CASE = {"cfg": {"bus": "i2c0"}, "shows": ["illuminance_lx"], "heap": 256, "settle_ms": 10}


def wired(bench: Any, **cfg: Any) -> tuple[Any, Any]:
    chip = chip_veml7700.make(bench.clock.ns)
    bench.virtual.add(chip)
    return veml7700.make(bench, {"bus": "i2c0", **cfg}), chip


@pytest.mark.parametrize(
    ("config", "lux"),
    [
        (0x08C0, 0.0042),  # gain 2, 800 ms
        (0x0800, 0.0336),  # gain 2, 100 ms
        (0x0000, 0.0672),  # gain 1, 100 ms
        (0x1800, 0.2688),  # gain 1/4, 100 ms
        (0x1000, 0.5376),  # gain 1/8, 100 ms
        (0x1300, 2.1504),  # gain 1/8, 25 ms
    ],
)
def test_resolutions_of_the_datasheet(config: int, lux: float) -> None:
    """Vishay 84286 revision 1.8, table of resolutions."""
    fineness = {entry[0]: entry[2] for entry in veml7700._RANGES}[config]
    assert veml7700.compensate_lux(1, fineness) == pytest.approx(lux)
    assert veml7700.compensate_lux(0, fineness) == 0
    assert veml7700.compensate_lux(0xFFFF, fineness) == pytest.approx(65535 * lux)


@pytest.mark.parametrize(
    ("lux", "corrected"),
    [(0.0, 0.0), (1000.0, 1000.0), (1000.1, 1075.1), (5000.0, 6250.5), (10_000.0, 14792.9), (20_000.0, 73718.0)],
)
def test_correction_of_the_application_note(lux: float, corrected: float) -> None:
    """Computed from the four coefficients of 84323 with exact fractions."""
    assert veml7700.compensate_bright(lux) == pytest.approx(corrected, abs=0.3)


@pytest.mark.parametrize("lux", [0.02, 0.5, 3.0, 40.0, 900.0, 20_000.0, 110_000.0])
def test_any_change_of_light_is_followed_within_one_reading(bench: Any, lux: float) -> None:
    driver, chip = wired(bench)
    for before in (0.0, 120_000.0, 100.0):
        chip.illuminance_lx = before
        bench.acquire(driver, 1)
        chip.illuminance_lx = lux
        assert bench.acquire(driver, 1)[0] == pytest.approx(lux, rel=0.01, abs=0.0022)


def test_steady_light_takes_one_measurement(bench: Any) -> None:
    driver, chip = wired(bench)
    chip.illuminance_lx = 5.0
    bench.acquire(driver, 1)
    bench.clock.advance_ms(driver.start())
    assert driver.read_into([0.0]) == 0


def test_it_sleeps_between_readings(bench: Any) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 1)
    assert chip._registers[chip_veml7700.CONFIG] & chip_veml7700.SHUT_DOWN


def test_a_cover_is_taken_into_account(bench: Any) -> None:
    driver, chip = wired(bench, window=0.5)
    chip.illuminance_lx = 100.0
    assert bench.acquire(driver, 1)[0] == pytest.approx(200, rel=0.01)


def test_beyond_full_scale_is_no_reading(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    driver, chip = wired(bench)
    monkeypatch.setattr(chip, "_counts", lambda lux: 0xFFFF)
    with pytest.raises(errors.DriverError) as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.OUT_OF_RANGE


def test_another_chip_at_its_address_is_named(bench: Any) -> None:
    driver, chip = wired(bench)
    chip._registers[chip_veml7700.IDENTITY] = 0xC426
    with pytest.raises(errors.DriverError, match="expected id 0x81, found 0x26") as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.BAD_ID
