"""lis3dh, made for Linux, reads the virtual LIS3DH byte by byte through the face of smbus2."""

from typing import Any

NEEDS = "lis3dh"
CHIP = "lis3dh"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    import smbus2  # noqa: PLC0415

    smbus2.SMBus = lambda _number: bench.smbus
    from lis3dh import LIS3DH  # noqa: PLC0415

    chip.acceleration_ms2 = [1.5, -4.0, 9.0]
    driver = LIS3DH(port=1, scale=2, data_rate=100)
    bench.clock.sleep(0.2)
    for found_mg, expected in zip(driver.read_all_axes(), chip.acceleration_ms2, strict=True):
        bench.near(found_mg * 9.80665e-3, expected, 0.025 * abs(expected) + 0.04)  # its g is 1024 digits, not 1000
