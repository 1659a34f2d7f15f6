"""pimoroni-bme280, made for Linux, reads the virtual BME280 through the face of smbus2."""

from typing import Any

NEEDS = "bme280"
CHIP = "bme280"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from bme280 import BME280  # noqa: PLC0415

    driver = BME280(i2c_dev=bench.smbus)
    driver.update_sensor()  # its first one comes before the chip has measured, as on a real chip
    for cel, pct, hectopascal in ((23.4, 41.0, 987.65), (-20.0, 80.0, 700.0), (60.0, 10.0, 1080.0)):
        chip.temperature_cel, chip.humidity_pct, chip.pressure_pa = cel, pct, 100 * hectopascal
        bench.clock.sleep(1)
        bench.near(driver.get_temperature(), cel, 0.01)
        bench.near(driver.get_humidity(), pct, 0.1)
        bench.near(driver.get_pressure(), hectopascal, 0.04)
