"""SGP41: words of the datasheet, conditioning that never overheats it, and the air it is told of."""

from typing import Any

import pytest

from drivers import errors, sgp41
from simulator.chips import sgp41 as chip_sgp41

CASE = {
    "cfg": {"bus": "i2c0"},
    "shows": ["voc_raw", "nox_raw"],
    "heap": 128,
    "too_early": errors.NACK,
    "power_dip": False,  # nothing it says tells; docs/chips/sgp41.md names it as a limit
    "settle_ms": 1000,
}


def wired(bench: Any, **cfg: Any) -> tuple[Any, Any]:
    chip = chip_sgp41.make(bench.clock.ns)
    bench.virtual.add(chip)
    return sgp41.make(bench, {"bus": "i2c0", **cfg}), chip


@pytest.mark.parametrize(
    ("percent", "word"), [(50.0, 0x8000), (0.0, 0), (100.0, 0xFFFF), (-3.0, 0), (104.0, 0xFFFF)]
)
def test_words_for_humidity(percent: float, word: int) -> None:
    """Section 3.1, table 10; the default for 50 % is 0x8000."""
    assert sgp41.compensate_humidity(percent) == word


@pytest.mark.parametrize(
    ("celsius", "word"), [(25.0, 0x6666), (-45.0, 0), (130.0, 0xFFFF), (-60.0, 0), (200.0, 0xFFFF), (-10.0, 0x3333)]
)
def test_words_for_temperature(celsius: float, word: int) -> None:
    """Section 3.1, table 10; the default for 25 Cel is 0x6666."""
    assert sgp41.compensate_temperature(celsius) == word


def test_commands_of_the_datasheet_without_knowledge_of_the_air(bench: Any) -> None:
    """Section 3.1: 26 12 80 00 A2 66 66 93."""
    driver, chip = wired(bench)
    seen = []
    take, chip.write = chip.write, lambda data: (seen.append(data), take(data))
    bench.acquire(driver, 2)
    assert seen[:3] == [
        b"\x36\x82", bytes.fromhex("26128000a2666693"), bytes.fromhex("26198000a2666693"),
    ]  # fmt: skip


def test_conditioning_comes_once_and_never_lasts_ten_seconds(bench: Any) -> None:
    driver, chip = wired(bench)
    for _ in range(3):
        bench.acquire(driver, 2)
        bench.clock.advance_ms(1000)
    assert 8.9 < chip.hot_s < 9.5


def test_after_a_failure_it_is_conditioned_again(bench: Any) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 2)
    chip.unplugged = True
    with pytest.raises(errors.DriverError):
        bench.acquire(driver, 2)
    chip.unplugged = False
    began_ns = bench.clock.now_ns
    bench.acquire(driver, 2)
    assert bench.clock.now_ns - began_ns > 9e9


def test_it_is_told_of_the_air_as_others_measure_it(bench: Any) -> None:
    driver, chip = wired(bench, humidity_from=["air", "humidity"], temperature_from=["air", "temperature"])
    bench.readings = {("air", "humidity"): (81.0, 1, 0), ("air", "temperature"): (-7.5, 1, 0)}
    bench.acquire(driver, 2)
    assert chip.told_humidity_pct == pytest.approx(81, abs=0.01)
    assert chip.told_temperature_cel == pytest.approx(-7.5, abs=0.01)


@pytest.mark.parametrize("quality", [2, 3, 4, 9])
def test_air_that_is_not_known_well_is_air_of_the_middle(bench: Any, quality: int) -> None:
    driver, chip = wired(bench, humidity_from=["air", "humidity"], temperature_from=["air", "temperature"])
    bad = float("nan")
    bench.readings = {("air", "humidity"): (bad, quality, 0), ("air", "temperature"): (bad, quality, 0)}
    bench.acquire(driver, 2)
    assert chip.told_humidity_pct == pytest.approx(50, abs=0.01)
    assert chip.told_temperature_cel == pytest.approx(25, abs=0.01)


def test_bad_checksum_names_expected_and_found(bench: Any) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 2)
    chip.corrupt = True
    with pytest.raises(errors.DriverError, match=r"expected checksum 0x.., found 0x..") as caught:
        bench.acquire(driver, 2)
    assert caught.value.code == errors.BAD_CHECKSUM
