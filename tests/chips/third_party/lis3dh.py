"""adafruit-circuitpython-lis3dh reads the virtual LIS3DH."""

from typing import Any

NEEDS = "adafruit_lis3dh"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    import adafruit_lis3dh  # noqa: PLC0415

    driver = adafruit_lis3dh.LIS3DH_I2C(bench.busio, address=0x18)
    assert driver.data_rate == adafruit_lis3dh.DATARATE_400_HZ
    chip.acceleration_ms2 = [1.5, -4.0, 9.0]
    for scale in (adafruit_lis3dh.RANGE_2_G, adafruit_lis3dh.RANGE_4_G, adafruit_lis3dh.RANGE_8_G):
        driver.range = scale
        bench.clock.sleep(0.1)
        for found, expected in zip(driver.acceleration, chip.acceleration_ms2, strict=True):
            bench.near(found, expected, 0.025 * abs(expected) + 0.04)  # its g is 1024 digits, not 1000
    assert not driver.shake(shake_threshold=20)
    chip.vibration_ms2 = 60.0
    driver.range = adafruit_lis3dh.RANGE_16_G
    assert driver.shake(shake_threshold=20)
