"""micropython-lis3dh, made for boards, reads the virtual LIS3DH through the face of machine.I2C."""

from typing import Any

NEEDS = "micropython_lis3dh"
CHIP = "lis3dh"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from micropython_lis3dh.lis3dh import LIS3DH  # noqa: PLC0415

    chip.acceleration_ms2 = [1.5, -4.0, 9.0]
    driver = LIS3DH(bench.machine)
    bench.clock.sleep(0.2)
    for found, expected in zip(driver.acceleration, chip.acceleration_ms2, strict=True):
        bench.near(found, expected, 0.025 * abs(expected) + 0.16)  # it sets LPen, too: 8 bits
