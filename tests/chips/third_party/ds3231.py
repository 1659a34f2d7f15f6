"""adafruit-circuitpython-ds3231 reads and sets the virtual DS3231."""

import time
from typing import Any

NEEDS = "adafruit_ds3231"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_ds3231 import DS3231  # noqa: PLC0415

    driver = DS3231(bench.busio)
    assert driver.lost_power
    driver.datetime = time.struct_time((2028, 2, 28, 23, 59, 50, 0, 59, -1))
    assert not driver.lost_power
    bench.clock.sleep(15)
    now = driver.datetime
    assert tuple(now)[:6] == (2028, 2, 29, 0, 0, 5), now
    driver.alarm1 = (time.struct_time((2028, 2, 29, 7, 30, 0, 1, 60, -1)), "daily")
    driver.alarm1_status = False
    bench.clock.sleep(7.4 * 3600)
    assert not driver.alarm1_status
    bench.clock.sleep(0.2 * 3600)
    assert driver.alarm1_status
    chip.temperature_cel = -12.75
    bench.near(driver.force_temperature_conversion(), -12.75, 0)
