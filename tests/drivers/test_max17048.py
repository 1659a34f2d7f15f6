"""MAX17048: weights of the datasheet's registers, resets, chips that are another."""

from typing import Any

import pytest

from drivers import errors, max17048
from simulator.chips import max17048 as chip_max17048

CASE = {"cfg": {"bus": "i2c0"}, "shows": ["cell_v", "charge_pct", "rate_pct_per_h"], "heap": 96}


@pytest.mark.parametrize(("word", "volts"), [(0x0000, 0.0), (0x0001, 78.125e-6), (0xD000, 4.16), (0xFFFF, 5.119921875)])
def test_weight_of_vcell(word: int, volts: float) -> None:
    """Register summary: 78.125 uV a count, so 0xD000 is 53248 of them."""
    assert max17048.compensate_voltage(word) == pytest.approx(volts)


@pytest.mark.parametrize(("word", "pct"), [(0x0000, 0.0), (0x0001, 1 / 256), (0x6400, 100.0), (0x3280, 50.5)])
def test_weight_of_soc(word: int, pct: float) -> None:
    assert max17048.compensate_charge(word) == pytest.approx(pct)


@pytest.mark.parametrize(
    ("word", "rate"), [(0, 0.0), (1, 0.208), (0xFFFF, -0.208), (0x7FFF, 6815.536), (0x8000, -6815.744)]
)
def test_weight_of_crate(word: int, rate: float) -> None:
    assert max17048.compensate_rate(word) == pytest.approx(rate)


@pytest.fixture
def pair(bench: Any) -> Any:
    chip = chip_max17048.make(bench.clock.ns)
    bench.virtual.add(chip)
    return max17048.make(bench, {"bus": "i2c0", "rcomp": 0x85}), chip


def test_the_first_start_sets_it_up_and_waits_for_its_first_charge(bench: Any, pair: Any) -> None:
    driver, chip = pair
    assert driver.start() == 250
    with pytest.raises(errors.DriverError, match="has not measured yet"):
        driver.read_into([0.0] * 3)
    assert bench.acquire(driver, 3) == pytest.approx([3.9, 80.0, 0.0], abs=0.01)
    assert driver.start() == 0
    chip.write(b"\x0c")
    assert chip.read(2) == b"\x85\x1c"


def test_a_changed_cell_is_no_reading_and_is_set_up_again(bench: Any, pair: Any) -> None:
    driver, chip = pair
    bench.acquire(driver, 3)
    chip.power_on()
    chip.charge_pct = 20.0
    bench.clock.advance_ms(500)
    with pytest.raises(errors.DriverError, match="was reset") as caught:
        bench.acquire(driver, 3)
    assert caught.value.code == errors.NOT_READY
    assert bench.acquire(driver, 3)[1] == pytest.approx(20.0)
    chip.write(b"\x0c")
    assert chip.read(1) == b"\x85"


def test_another_chip_is_named(bench: Any, pair: Any) -> None:
    driver, chip = pair
    chip._registers[chip_max17048.VERSION] = 0x0003
    with pytest.raises(errors.DriverError, match="expected version 0x001x, found 0x0003") as caught:
        driver.start()
    assert caught.value.code == errors.BAD_ID


def test_an_address_that_it_cannot_have_is_not_answered(bench: Any, pair: Any) -> None:
    with pytest.raises(errors.BusError, match="0x37 on i2c0") as caught:
        max17048.make(bench, {"bus": "i2c0", "address": 0x37}).start()
    assert caught.value.code == errors.NACK
