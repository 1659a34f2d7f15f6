"""atlas-i2c reads the virtual EZO-pH, with its own times to wait."""

from typing import Any

NEEDS = "atlas_i2c"


class DeviceFile:
    """A /dev/i2c-1 that was told an address: what is written and read is one transfer each."""

    def __init__(self, bench: Any, address: int) -> None:
        self._bench, self._address = bench, address

    def write(self, data: bytes) -> None:
        self._bench.machine.writeto(self._address, data)

    def read(self, count: int) -> bytes:
        answer = bytearray(count)
        self._bench.machine.readfrom_into(self._address, answer)
        return bytes(answer)


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from atlas_i2c import atlas_i2c, commands, sensors  # noqa: PLC0415

    client = atlas_i2c.AtlasI2C(device_file=DeviceFile(bench, chip.address))
    client.address = chip.address
    sensor = sensors.Sensor("water", chip.address, i2c_client=client)
    chip.ph = 6.25
    for command, expected in (
        (commands.INFO, b"?I,pH,2.12"),
        (commands.READ, b"6.250"),
        (commands.STATUS, b"?STATUS,P,"),
    ):
        found = sensor.query(command)
        assert found.status_code == 1, found.status_code
        assert found.data.startswith(expected), found.data
