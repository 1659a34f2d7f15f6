"""EZO-EC: its digits, its outputs, compensation; what it shares with EZO-pH is tried there."""

from typing import Any

import pytest

from drivers import errors, ezo_ec
from simulator.chips import ezo_ec as chip_ezo_ec

CASE = {
    "cfg": {"bus": "i2c0"},
    "shows": ["conductivity_us_cm"],
    "heap": 256,
    "settle_ms": 10,
    "too_early": None,  # the circuit says that it is not ready, and is asked again
}


def wired(bench: Any, **cfg: Any) -> tuple[Any, Any]:
    chip = chip_ezo_ec.make(bench.clock.ns)
    bench.virtual.add(chip)
    return ezo_ec.make(bench, {"bus": "i2c0", **cfg}), chip


@pytest.mark.parametrize(
    ("us_cm", "found"),
    [(0.074, 0.07), (12.345, 12.35), (84.0, 84.0), (1413.2, 1413.0), (12_880.0, 12_880.0), (123_456.0, 123_500.0)],
)
def test_digits_of_the_circuit(bench: Any, us_cm: float, found: float) -> None:
    driver, chip = wired(bench)
    chip.conductivity_us_cm = us_cm
    assert bench.acquire(driver, 1)[0] == pytest.approx(found, abs=0.0101)


def test_it_is_told_the_temperature_of_the_water(bench: Any) -> None:
    driver, chip = wired(bench, temperature_from=["probe", "water"])
    chip.water_cel = 10.0
    bench.readings["probe", "water"] = (10.0, 1, 0)
    assert bench.acquire(driver, 1) == [650.0]
    assert bench.acquire(ezo_ec.make(bench, {"bus": "i2c0"}), 1)[0] == pytest.approx(650.0 * 0.7, abs=0.1)


@pytest.mark.parametrize("outputs", [{"EC", "TDS"}, {"TDS"}, {"S", "SG"}, set()])
def test_other_outputs_are_refused_with_what_to_send(bench: Any, outputs: set[str]) -> None:
    driver, chip = wired(bench)
    chip.outputs = outputs
    with pytest.raises(errors.DriverError, match=r"EC as its only output, found .*: send it O,EC,1") as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.NOT_READY
    chip.outputs = {"EC"}
    assert bench.acquire(driver, 1) == [650.0]


@pytest.mark.parametrize("text", ["?O,EC", "?,O,EC"])
def test_both_spellings_of_the_answer(bench: Any, text: str) -> None:
    driver, _ = wired(bench)
    driver.check_answer(text)


def test_outputs_that_change_meanwhile_are_no_reading(bench: Any) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 1)
    chip.outputs = {"EC", "SG"}
    with pytest.raises(errors.DriverError, match=r"expected one number, found '650\.0,1\.000'") as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.BAD_CHECKSUM
