"""`busio.I2C` over a virtual bus, for libraries made for CircuitPython."""

from collections.abc import Callable
from errno import ENODEV
from typing import Any

from simulator.bus import Nack, VirtualI2C

from .wire import Wire


class BusioI2C:
    """`busio.I2C`: every call needs the lock, what is not acknowledged is ENODEV, a line held low ETIMEDOUT."""

    def __init__(self, bus: VirtualI2C, on_transfer: Callable[[int], None] | None = None) -> None:
        """`on_transfer(bytes)` is called before each transfer, e.g. to let time pass."""
        self._wire = Wire(bus, on_transfer)
        self._locked = False

    def __enter__(self) -> "BusioI2C":
        return self

    def __exit__(self, *_: object) -> None:
        self.deinit()

    def deinit(self) -> None:
        """Give the bus back."""
        self._locked = False

    def try_lock(self) -> bool:
        """Take the bus if it is free."""
        taken = not self._locked
        self._locked = True
        return taken

    def unlock(self) -> None:
        """Give the bus back."""
        self._locked = False

    def scan(self) -> list[int]:
        """Addresses that are acknowledged. Raises: OSError, RuntimeError without the lock."""
        self._check_lock()
        return self._wire.scan()

    def writeto(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        """Write a slice; an empty one is a probe. Raises: OSError, RuntimeError without the lock."""
        self._write(address, bytes(buffer[start:end]), True)

    def readfrom_into(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        """Fill a slice. Raises: OSError, RuntimeError without the lock, ValueError for an empty slice."""
        self._fill(address, buffer, range(len(buffer))[start:end])

    def writeto_then_readfrom(
        self,
        address: int,
        out_buffer: Any,
        in_buffer: Any,
        *,
        out_start: int = 0,
        out_end: int | None = None,
        in_start: int = 0,
        in_end: int | None = None,
    ) -> None:
        """Write a slice, repeated start, fill a slice. Raises: OSError, RuntimeError, ValueError."""
        self._write(address, bytes(out_buffer[out_start:out_end]), False)
        self._fill(address, in_buffer, range(len(in_buffer))[in_start:in_end])

    def _write(self, address: int, data: bytes, stop: bool) -> None:
        self._check_lock()
        try:
            self._wire.write(address, data, stop)
        except Nack as error:
            raise OSError(ENODEV, "No such device") from error

    def _fill(self, address: int, buffer: Any, places: range) -> None:
        self._check_lock()
        if not places:
            raise ValueError("Buffer must be at least length 1")
        try:
            data = self._wire.read(address, len(places))
        except Nack as error:
            raise OSError(ENODEV, "No such device") from error
        for place, byte in zip(places, data, strict=True):
            buffer[place] = byte

    def _check_lock(self) -> None:
        if not self._locked:
            raise RuntimeError("Function requires lock")
