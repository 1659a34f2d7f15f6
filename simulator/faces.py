"""Faces of a virtual bus for programs on CPython: `machine.I2C`, `smbus2.SMBus` and `busio.I2C`.

Unmodified drivers and third-party libraries meet virtual chips through these.
"""

from collections.abc import Callable, Iterable
from errno import EREMOTEIO
from typing import Any

from simulator.bus import Nack, VirtualI2C

READ_FLAG = 1


class MachineI2C:
    """`machine.I2C` over a virtual bus: a write without stop is joined with what follows."""

    def __init__(self, bus: VirtualI2C, on_transfer: Callable[[int], None] | None = None) -> None:
        """`on_transfer(bytes)` is called before each transfer, e.g. to let time pass."""
        self._bus = bus
        self._on_transfer = on_transfer
        self._pending = b""

    def writeto(self, addr: int, buf: bytes | bytearray, stop: bool = True) -> int:
        """Write; without stop the bytes wait for the next call. Raises: OSError."""
        if not stop:
            self._pending += bytes(buf)
        else:
            self._transfer(addr, bytes(buf), 0)
        return len(buf)

    def readfrom_into(self, addr: int, buf: bytearray, stop: bool = True) -> None:
        """Fill `buf`. Raises: OSError."""
        buf[:] = self._transfer(addr, b"", len(buf))

    def _transfer(self, address: int, write: bytes, count: int) -> bytes:
        write, self._pending = self._pending + write, b""
        if self._on_transfer is not None:
            self._on_transfer(len(write) + count + 2)
        return self._bus.transfer(address, write, count)


class LinePin:
    """`machine.Pin` on a line of a virtual bus; clocking SCL moves the chips on."""

    IN, OUT, OPEN_DRAIN = 0, 1, 2

    def __init__(self, bus: VirtualI2C, line: str) -> None:
        self._bus = bus
        self._line = line
        self._out = 1

    def init(self, mode: int, value: int | None = None) -> None:
        """Set the mode and, with an output, the level."""
        self._out = 1 if value is None else value

    def value(self, level: int | None = None) -> int | None:
        """The line's level, or set what the pin drives."""
        if level is not None:
            if self._line == "scl" and level and not self._out:
                self._bus.clock()
            self._out = level
            return None
        stuck = self._bus.scl_stuck if self._line == "scl" else self._bus.sda_stuck
        return int(self._out and not stuck)


class SMBus:
    """`smbus2.SMBus` over a virtual bus, as far as `i2c_rdwr`; errors as Linux gives them."""

    def __init__(self, bus: VirtualI2C, on_transfer: Callable[[int], None] | None = None) -> None:
        self._face = MachineI2C(bus, on_transfer)

    def i2c_rdwr(self, *messages: Any) -> None:
        """Carry out `smbus2.i2c_msg` messages; a write and the read after it are one transfer."""
        for place, message in enumerate(messages):
            last = place == len(messages) - 1
            try:
                self._carry_out(message, last)
            except Nack as error:
                raise OSError(EREMOTEIO, "Remote I/O error") from error

    def _carry_out(self, message: Any, last: bool) -> None:
        if message.flags & READ_FLAG:
            data = bytearray(message.len)
            self._face.readfrom_into(message.addr, data)
            for index, byte in enumerate(data):
                message.buf[index] = byte
        else:
            self._face.writeto(message.addr, bytes(message), last)


class BusioI2C:
    """`busio.I2C` over a virtual bus, for libraries made for CircuitPython."""

    def __init__(self, bus: VirtualI2C, on_transfer: Callable[[int], None] | None = None) -> None:
        self._face = MachineI2C(bus, on_transfer)
        self._bus = bus
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
        """Addresses that are acknowledged."""
        return [address for address in range(0x08, 0x78) if self._acknowledged(address)]

    def writeto(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        """Write a slice; an empty one is a probe. Raises: OSError."""
        self._face.writeto(address, bytes(buffer[start:end]))

    def readfrom_into(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        """Fill a slice. Raises: OSError."""
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
        """Write a slice, repeated start, fill a slice. Raises: OSError."""
        self._face.writeto(address, bytes(out_buffer[out_start:out_end]), False)
        self._fill(address, in_buffer, range(len(in_buffer))[in_start:in_end])

    def _fill(self, address: int, buffer: Any, places: Iterable[int]) -> None:
        spots = list(places)
        data = bytearray(len(spots))
        self._face.readfrom_into(address, data)
        for spot, byte in zip(spots, data, strict=True):
            buffer[spot] = byte

    def _acknowledged(self, address: int) -> bool:
        try:
            self._face.writeto(address, b"")
        except OSError:
            return False
        return True
