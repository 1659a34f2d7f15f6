"""adafruit-circuitpython-max1704x reads the virtual MAX17048."""

from typing import Any

NEEDS = "adafruit_max1704x"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_max1704x import MAX17048  # noqa: PLC0415

    chip.cell_v, chip.charge_pct, chip.rate_pct_per_h = 3.725, 55.5, -12.48
    driver = MAX17048(bench.busio)
    bench.clock.sleep(0.3)
    bench.near(driver.cell_voltage, 3.725, 0.00004)
    bench.near(driver.cell_percent, 55.5, 0.002)
    bench.near(driver.charge_rate, -12.48, 0.105)
    bench.near(driver.reset_voltage, 3.0, 1e-9)
    bench.near(driver.voltage_alert_max, 5.1, 1e-9)
