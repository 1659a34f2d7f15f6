"""adafruit-circuitpython-bme280 reads the virtual BME280."""

from typing import Any

NEEDS = "adafruit_bme280"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_bme280 import basic  # noqa: PLC0415

    driver = basic.Adafruit_BME280_I2C(bench.busio, address=0x76)
    for cel, pct, pascal in ((23.4, 41.0, 98765.0), (-20.0, 80.0, 70000.0), (60.0, 10.0, 108000.0)):
        chip.temperature_cel, chip.humidity_pct, chip.pressure_pa = cel, pct, pascal
        bench.near(driver.temperature, cel, 0.01)
        bench.near(driver.relative_humidity, pct, 0.05)
        bench.near(driver.pressure * 100, pascal, 3.5)
