"""The bus contract over Linux's I2C character device through smbus2 (CPython only).

    from smbus2 import SMBus
    bus = SmbusI2C(SMBus(1), "i2c-1")

The kernel tells a missing acknowledgement (EREMOTEIO, or ENXIO on some adapters) from a timeout, but not
which line is held low: a bus that stays busy or times out is reported as TIMEOUT.
"""

from errno import ENXIO, EREMOTEIO
from typing import Protocol

from .bus import I2CBus
from .errors import INTERNAL, NACK, TIMEOUT, BusError

_NO_ACKNOWLEDGE = (EREMOTEIO, ENXIO)
_OUR_FAULT = (PermissionError, FileNotFoundError)


class Transfers(Protocol):
    """What is used of smbus2.SMBus."""

    def i2c_rdwr(self, *messages: object) -> None:
        """One I2C_RDWR: all messages with repeated starts between."""


class SmbusI2C(I2CBus):
    """An I2C bus of a Linux machine."""

    def __init__(self, smbus: Transfers, name: str = "i2c-1") -> None:
        super().__init__(name)
        self._smbus = smbus

    def transaction(self, address: int, write: bytes | bytearray | None, read: bytearray | None) -> None:
        """Write, repeated start, read into. Raises: BusError."""
        from smbus2 import i2c_msg  # noqa: PLC0415 (only where Linux buses are used)

        messages = []
        if write is not None:
            messages.append(i2c_msg.write(address, bytes(write)))
        if read is not None:
            messages.append(i2c_msg.read(address, len(read)))
        try:
            self._smbus.i2c_rdwr(*messages)
        except OSError as error:
            raise self._explained(address, error) from error
        if read is not None:
            read[:] = bytes(messages[-1])

    def _explained(self, address: int, error: OSError) -> BusError:
        where = f"at 0x{address:02x} on {self.name}"
        if isinstance(error, _OUR_FAULT):
            return BusError(INTERNAL, f"cannot use the bus {where}: {error.strerror}")
        if error.errno in _NO_ACKNOWLEDGE:
            return BusError(NACK, f"no answer {where}")
        return BusError(TIMEOUT, f"transfer failed {where}: {error.strerror}")
