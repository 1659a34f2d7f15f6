"""adafruit-circuitpython-veml7700 reads the virtual VEML7700, with its own ranging and correction."""

from typing import Any

NEEDS = "adafruit_veml7700"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_veml7700 import VEML7700  # noqa: PLC0415

    driver = VEML7700(bench.busio)
    chip.illuminance_lx = 500.0
    bench.clock.sleep(0.3)
    bench.near(driver.lux, 500.0, 0.6)
    driver.light_integration_time = driver.ALS_25MS
    driver.light_gain = driver.ALS_GAIN_1
    bench.clock.sleep(0.3)
    bench.near(driver.lux, 500.0, 0.3)
    for lux in (20_000.0, 100_000.0):
        chip.illuminance_lx = lux
        driver.light_gain, driver.light_integration_time = driver.ALS_GAIN_1_8, driver.ALS_100MS
        bench.near(driver.autolux, lux, 0.001 * lux)
