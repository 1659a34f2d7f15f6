"""max17048-smbus, made for Linux, reads the virtual MAX17048 through the face of smbus2."""

from typing import Any

NEEDS = "max1704x_smbus"
CHIP = "max17048"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    import smbus2  # noqa: PLC0415

    smbus2.SMBus = lambda _number: bench.smbus
    from max1704x_smbus import MAX17048  # noqa: PLC0415

    chip.cell_v, chip.charge_pct, chip.rate_pct_per_h = 3.725, 55.5, -12.48
    driver = MAX17048(1)
    bench.clock.sleep(0.3)
    bench.near(driver.cell_voltage, 3.725, 0.00004)
    bench.near(driver.cell_percent, 55.5, 0.002)
    bench.near(driver.charge_rate, -12.48, 0.105)
    driver.alert_soc_low_threshold = 30
    assert not driver.alert_global_flag
    chip.charge_pct = 25.0
    bench.clock.sleep(0.3)
    assert driver.alert_soc_low_flag
    assert driver.alert_global_flag
