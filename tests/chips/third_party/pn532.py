"""adafruit-circuitpython-pn532 reads tags with the virtual PN532, with its own frames."""

from typing import Any

NEEDS = "adafruit_pn532"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_pn532.i2c import PN532_I2C  # noqa: PLC0415

    driver = PN532_I2C(bench.busio)
    assert driver.firmware_version == (0x32, 1, 6, 7), driver.firmware_version
    for identity in ("01020304", "04a1b2c3d4e580"):
        chip.identity = bytes.fromhex(identity)
        found = driver.read_passive_target(timeout=0.5)
        assert found is not None, "no tag"
        assert bytes(found) == chip.identity, found
    chip.coupling = 0.0
    assert driver.read_passive_target(timeout=0.5) is None
    assert driver.power_down()
    chip.coupling = 1.0
    found = driver.read_passive_target(timeout=0.5)
    assert found is not None, "not woken"
