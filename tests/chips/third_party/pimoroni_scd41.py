"""Pimoroni's scd4x, made for Linux, reads the virtual SCD41 through the face of smbus2 (i2c_rdwr)."""

from typing import Any

NEEDS = "scd4x"
CHIP = "scd41"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    import smbus2  # noqa: PLC0415

    smbus2.SMBus = lambda _number: bench.smbus
    from scd4x import SCD4X  # noqa: PLC0415

    chip.co2_ppm, chip.temperature_cel, chip.humidity_pct = 777.0, 22.5, 33.0
    driver = SCD4X()
    driver.start_periodic_measurement()
    co2, temperature, humidity, _ = driver.measure()
    bench.near(co2, 777, 0.5)
    bench.near(temperature, 22.5, 0.005)
    bench.near(humidity, 33.0, 0.003)
