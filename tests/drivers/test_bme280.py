"""BME280: golden vectors of the datasheet, and single precision against the integer reference."""

from typing import Any

import numpy as np
import pytest

from drivers import bme280, errors
from simulator.chips import bme280 as chip_bme280

CASE = {
    "cfg": {"bus": "i2c0", "address": 0x76},
    "shows": ["temperature_cel", "humidity_pct", "pressure_pa"],
    "heap": 256,
}

# BMP280 datasheet BST-BMP280-DS001 revision 1.26, 3.12 (same formulas, same example numbers)
DIG_T = (27504, 26435, -1000)
DIG_P = (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
ADC_T, ADC_P = 519888, 415148


def test_worked_example_of_the_datasheet() -> None:
    fine = bme280.compensate_fine(*DIG_T, ADC_T)
    assert fine == 128422
    assert bme280.compensate_temperature(fine) == pytest.approx(25.08, abs=0.005)
    pressure = bme280.compensate_pressure(bme280.pressure_factors(DIG_P), fine, ADC_P)
    assert pressure == pytest.approx(100653.27, abs=0.1)


def integer_pressure_pa(p: tuple[int, ...], fine: int, adc: int) -> float:
    """The 64-bit integer formula (BST-BME280-DS002 4.2.3), 1/256 Pa."""
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = p
    a = fine - 128000
    b = a * a * p6 + ((a * p5) << 17) + (p4 << 35)
    a = ((a * a * p3) >> 8) + ((a * p2) << 12)
    a = (((1 << 47) + a) * p1) >> 33
    q = 1048576 - adc
    q = (((q << 31) - b) * 3125) // a
    a = (p9 * (q >> 13) * (q >> 13)) >> 25
    b = (p8 * q) >> 19
    return (((q + a + b) >> 8) + (p7 << 4)) / 256


def double_humidity_pct(h: tuple[int, ...], fine: int, adc: int) -> float:
    """The double-precision formula (BST-BME280-DS002 appendix 8.1)."""
    h1, h2, h3, h4, h5, h6 = h
    x = fine - 76800.0
    v = adc - (h4 * 64.0 + h5 / 16384.0 * x)
    v *= h2 / 65536.0 * (1.0 + h6 / 67108864.0 * x * (1.0 + h3 / 67108864.0 * x))
    v *= 1.0 - h1 * v / 524288.0
    return min(max(v, 0.0), 100.0)


SINGLE = np.float32


def test_single_precision_pressure_stays_near_the_integer_reference() -> None:
    worst = 0.0
    for digits in (DIG_P, chip_bme280.DIG_P):
        factors = tuple(SINGLE(factor) for factor in bme280.pressure_factors(digits))
        for fine in range(-204800, 435201, 8000):
            for adc in range(200000, 750001, 11000):
                expected = integer_pressure_pa(digits, fine, adc)
                if 30000 <= expected <= 110000:
                    found = bme280.compensate_pressure(factors, fine, adc)
                    assert found.dtype == SINGLE
                    worst = max(worst, abs(float(found) - expected))
    assert worst < 0.03


HUMIDITY_DIGITS = (chip_bme280.DIG_H, (75, 362, 0, 326, 0, 30), (75, 380, 20, 290, 100, 50))


@pytest.mark.parametrize("digits", HUMIDITY_DIGITS)
def test_integer_humidity_stays_near_the_double_precision_formula(digits: tuple[int, ...]) -> None:
    worst = 0.0
    for fine in range(-204800, 435201, 8000):
        for adc in range(15000, 50001, 500):
            expected = double_humidity_pct(digits, fine, adc)
            worst = max(worst, abs(bme280.compensate_humidity(digits, fine, adc) - expected))
    assert worst < 0.02


@pytest.mark.parametrize("digits", HUMIDITY_DIGITS)
def test_humidity_intermediates_fit_small_integers(digits: tuple[int, ...]) -> None:
    """Between 0 and 100 % no product reaches 2**30 in size, so a board allocates only the result."""
    h1, h2, h3, h4, h5, h6 = digits
    for fine in range(-204800, 435201, 8000):
        x = fine - 76800
        slope = ((x * h6) >> 10) * (((x * h3) >> 11) + 32768)
        gain = ((slope >> 10) + 2097152) * h2 + 8192
        assert max(abs(slope), abs(gain)) < 1 << 30
        for adc in range(15000, 50001, 500):
            if 0 < double_humidity_pct(digits, fine, adc) < 100:
                code = ((adc - (h4 << 6)) << 14) - h5 * x + 16384
                v = (code >> 15) * (gain >> 14)
                assert max(abs(code), abs(v), ((v >> 15) * (v >> 15) >> 7) * h1) < 1 << 30


def test_temperature_intermediates_fit_small_integers() -> None:
    """Products stay below 2**30 over the measuring range, so a board allocates nothing."""
    for t1, t2, t3 in (DIG_T, chip_bme280.DIG_T):
        for adc in range(0, 1 << 20, 1000):
            if -40 <= bme280.compensate_fine(t1, t2, t3, adc) / 5120 <= 85:
                offset = (adc >> 4) - t1
                assert abs(((adc >> 3) - (t1 << 1)) * t2) < 1 << 30
                assert abs(((offset * offset) >> 12) * t3) < 1 << 30


def test_unpacks_signed_12_bit_humidity_numbers() -> None:
    second = bytes((0x70, 0x01, 0x00, 0x13, 0x29, 0xFF, 0x1E))
    assert bme280.unpack_calibration(bytes(26), second)[12:] == (0, 368, 0, 0x139, -14, 30)


def test_a_bmp280_is_named(bench: Any) -> None:
    chip = chip_bme280.make(bench.clock.ns)
    bench.virtual.add(chip)
    bench.clock.advance_ms(5)
    chip._memory[0xD0] = 0x58
    with pytest.raises(errors.DriverError, match="expected chip id 0x60, found 0x58") as caught:
        bme280.make(bench, {"bus": "i2c0"}).start()
    assert caught.value.code == errors.BAD_ID


def test_blank_calibration_is_refused(bench: Any) -> None:
    chip = chip_bme280.make(bench.clock.ns)
    bench.virtual.add(chip)
    bench.clock.advance_ms(5)
    chip._memory[0x88:0xA2] = bytes(26)
    with pytest.raises(errors.DriverError) as caught:
        bme280.make(bench, {"bus": "i2c0"}).start()
    assert caught.value.code == errors.BAD_CHECKSUM


@pytest.mark.parametrize("oversampling", [1, 2, 4, 8, 16])
def test_oversampling_waits_and_refines(bench: Any, oversampling: int) -> None:
    chip = chip_bme280.make(bench.clock.ns)
    bench.virtual.add(chip)
    bench.clock.advance_ms(5)
    chip.pressure_pa = 100_123.4
    driver = bme280.make(bench, {"bus": "i2c0", "oversampling": oversampling})
    assert bench.acquire(driver, 3)[2] == pytest.approx(100_123.4, abs=3.5 / oversampling + 0.2)
