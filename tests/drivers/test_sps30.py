"""SPS30: golden vectors of the datasheet, both formats, sleep, cleaning, and its own faults."""

import struct
from typing import Any

import pytest

from drivers import errors, sensirion, sps30
from simulator.chips import sps30 as chip_sps30

CASE = {
    "cfg": {"bus": "i2c0"},
    "shows": [
        *(f"mass_ug_m3[{number}]" for number in range(4)),
        *(f"number_cm3[{number}]" for number in range(5)),
        "typical_um",
    ],
    "heap": 256,
    "first_nack": None,  # a sleeping chip refuses the first address
    "too_early": errors.NACK,  # it executes
    "power_dip": False,  # it is set up after start anyway; its own test has one while it measures
}


def wired(bench: Any, **cfg: Any) -> tuple[Any, Any]:
    chip = chip_sps30.make(bench.clock.ns)
    bench.virtual.add(chip)
    return sps30.make(bench, {"bus": "i2c0", **cfg}), chip


def test_checksums_of_the_datasheet() -> None:
    """Section 6.1.3: 0x92 for BE EF; 6.3.1: the formats with theirs, 03 00 AC and 05 00 F6."""
    assert sensirion.crc8(b"\xbe\xef", 0, 2) == 0x92
    assert sensirion.set_crc(bytearray(b"\x00\x10\x03\x00\x00")) == b"\x00\x10\x03\x00\xac"
    assert sensirion.set_crc(bytearray(b"\x00\x10\x05\x00\x00")) == b"\x00\x10\x05\x00\xf6"


@pytest.mark.parametrize("value", [0.0, 1.5, 1000.0, 3000.0, -0.5, 1e-20])
def test_floats_are_ieee_754_high_byte_first(value: float) -> None:
    """Section 6.3.4; 42 F6 E9 79 is the textbook's 123.456."""
    found = sps30.compensate_floats(struct.pack(">f", value) * 9 + b"\x42\xf6\xe9\x79")
    assert found == pytest.approx([value] * 9 + [123.456], abs=1e-5)


def test_sizes_of_the_integer_format_are_in_nanometres() -> None:
    assert sps30.compensate_size(0) == 0
    assert sps30.compensate_size(540) == pytest.approx(0.54)
    assert sps30.compensate_size(0xFFFF) == pytest.approx(65.535)


def test_integer_format(bench: Any) -> None:
    driver, chip = wired(bench, format="integer")
    chip.mass_ug_m3, chip.number_cm3, chip.typical_um = [1.4, 20.0, 300.0, 999.0], [5.0, 6.0, 7.0, 8.0, 2999.0], 0.54
    assert bench.acquire(driver, 10) == pytest.approx([1, 20, 300, 999, 5, 6, 7, 8, 2999, 0.54])


def test_the_fan_runs_thirty_seconds_before_the_first_reading(bench: Any) -> None:
    driver, _ = wired(bench)
    began_ns = bench.clock.now_ns
    bench.acquire(driver, 10)
    assert 30e9 < bench.clock.now_ns - began_ns < 33e9
    began_ns = bench.clock.now_ns
    bench.acquire(driver, 10)
    assert bench.clock.now_ns - began_ns < 1.5e9


def test_a_reading_is_never_the_one_before(bench: Any) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 10)
    chip._next_ns = bench.clock.now_ns + 10**12  # it stops measuring
    with pytest.raises(errors.DriverError) as caught:
        bench.acquire(driver, 10)
    assert caught.value.code == errors.NOT_READY


def test_a_power_dip_while_it_measures_is_no_reading(bench: Any) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 10)
    wait_ms = driver.start()
    chip.unplugged = True
    chip.unplugged = False
    with pytest.raises(errors.DriverError) as caught:
        for _ in range(99):
            bench.clock.advance_ms(wait_ms)
            wait_ms = driver.read_into([0.0] * 10)
    assert caught.value.code == errors.NOT_READY
    bench.acquire(driver, 10)


@pytest.mark.parametrize("state", [chip_sps30.IDLE, chip_sps30.MEASURING, chip_sps30.SLEEPING])
def test_takes_over_a_chip_in_any_state(bench: Any, state: str) -> None:
    """A board restarts, its sensor does not; and it may have been left in the other format."""
    driver, chip = wired(bench)
    chip.state, chip._format = state, chip_sps30.INTEGERS
    assert bench.acquire(driver, 10)[0] == pytest.approx(5)


def test_it_sleeps_between_readings(bench: Any) -> None:
    driver, chip = wired(bench, sleep=True)
    for mass in (10.0, 900.0):
        chip.mass_ug_m3[1] = mass
        assert bench.acquire(driver, 10)[1] == pytest.approx(mass)
        assert chip.state == chip_sps30.SLEEPING
        bench.clock.advance_ms(600_000)


def test_the_fan_is_cleaned_when_it_is_due(bench: Any) -> None:
    driver, chip = wired(bench, clean_every_s=3600)
    bench.acquire(driver, 10)
    assert chip.cleanings == 0
    bench.clock.advance_ms(3_600_000)
    began_ns = bench.clock.now_ns
    bench.acquire(driver, 10)
    assert chip.cleanings == 1
    assert bench.clock.now_ns - began_ns > 10e9
    bench.acquire(driver, 10)
    assert chip.cleanings == 1


@pytest.mark.parametrize(("fault", "words"), [("fan_stands", "fan"), ("laser_fails", "laser")])
def test_its_own_faults_are_no_reading(bench: Any, fault: str, words: str) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 10)
    setattr(chip, fault, True)
    with pytest.raises(errors.DriverError, match=words) as caught:
        bench.acquire(driver, 10)
    assert errors.quality_of(caught.value.code) == 4
    setattr(chip, fault, False)
    bench.acquire(driver, 10)


def test_another_product_is_named(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    driver, chip = wired(bench)
    content = chip._content
    monkeypatch.setattr(
        chip, "_content", lambda: b"00070000" if chip._pointer == chip_sps30.PRODUCT_TYPE else content()
    )
    with pytest.raises(errors.DriverError, match=r"expected product type .*00080000.*found .*00070000") as caught:
        bench.acquire(driver, 10)
    assert caught.value.code == errors.BAD_ID


def test_bad_checksum_names_expected_and_found(bench: Any) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 10)
    chip.corrupt = True
    with pytest.raises(errors.DriverError, match=r"expected checksum 0x.., found 0x..") as caught:
        bench.acquire(driver, 10)
    assert caught.value.code == errors.BAD_CHECKSUM
