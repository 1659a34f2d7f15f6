"""adafruit-circuitpython-scd4x reads the virtual SCD41."""

from typing import Any

NEEDS = "adafruit_scd4x"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_scd4x import SCD4X  # noqa: PLC0415

    chip.co2_ppm, chip.temperature_cel, chip.humidity_pct = 777.0, 22.5, 33.0
    driver = SCD4X(bench.busio)
    driver.start_periodic_measurement()
    bench.clock.sleep(5.1)
    assert driver.data_ready
    bench.near(driver.CO2, 777, 0.5)
    bench.near(driver.temperature, 22.5, 0.002)
    bench.near(driver.relative_humidity, 33.0, 0.001)
