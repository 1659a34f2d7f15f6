"""adafruit-circuitpython-lis3mdl reads the virtual LIS3MDL."""

from typing import Any

NEEDS = "adafruit_lis3mdl"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    import adafruit_lis3mdl  # noqa: PLC0415

    driver = adafruit_lis3mdl.LIS3MDL(bench.busio)
    assert driver.data_rate == adafruit_lis3mdl.Rate.RATE_155_HZ
    chip.field_ut = [33.0, -250.5, 399.0]
    scales = adafruit_lis3mdl.Range
    for scale in (scales.RANGE_4_GAUSS, scales.RANGE_8_GAUSS, scales.RANGE_12_GAUSS, scales.RANGE_16_GAUSS):
        driver.range = scale
        bench.clock.sleep(0.05)
        for found, expected in zip(driver.magnetic, chip.field_ut, strict=True):
            bench.near(found, expected, 0.03)
