"""`machine.I2C` and `machine.Pin` over a virtual bus, as MicroPython's documentation has them."""

from collections.abc import Callable, Iterable

from simulator.bus import VirtualI2C

from .wire import Wire


class MachineI2C:
    """`machine.I2C`: what is not acknowledged is EIO, a line that is held low ETIMEDOUT."""

    def __init__(self, bus: VirtualI2C, on_transfer: Callable[[int], None] | None = None) -> None:
        """`on_transfer(bytes)` is called before each transfer, e.g. to let time pass."""
        self._wire = Wire(bus, on_transfer)

    def scan(self) -> list[int]:
        """Addresses that are acknowledged. Raises: OSError."""
        return self._wire.scan()

    def writeto(self, addr: int, buf: bytes | bytearray, stop: bool = True) -> int:
        """Number of bytes written; without stop a read of the same chip goes on. Raises: OSError."""
        self._wire.write(addr, bytes(buf), stop)
        return len(buf)

    def writevto(self, addr: int, vector: Iterable[bytes | bytearray], stop: bool = True) -> int:
        """Number of bytes written, one buffer after the other. Raises: OSError."""
        return self.writeto(addr, b"".join(bytes(part) for part in vector), stop)

    def readfrom(self, addr: int, nbytes: int, stop: bool = True) -> bytes:
        """What the chip sends. Raises: OSError."""
        return self._wire.read(addr, nbytes)

    def readfrom_into(self, addr: int, buf: bytearray, stop: bool = True) -> None:
        """Fill `buf`. Raises: OSError."""
        buf[:] = self._wire.read(addr, len(buf))

    def readfrom_mem(self, addr: int, memaddr: int, nbytes: int, *, addrsize: int = 8) -> bytes:
        """What the chip sends from a register on. Raises: OSError."""
        self._wire.write(addr, memaddr.to_bytes(addrsize // 8, "big"), False)
        return self._wire.read(addr, nbytes)

    def readfrom_mem_into(self, addr: int, memaddr: int, buf: bytearray, *, addrsize: int = 8) -> None:
        """Fill `buf` from a register on. Raises: OSError."""
        buf[:] = self.readfrom_mem(addr, memaddr, len(buf), addrsize=addrsize)

    def writeto_mem(self, addr: int, memaddr: int, buf: bytes | bytearray, *, addrsize: int = 8) -> None:
        """Write from a register on. Raises: OSError."""
        self._wire.write(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf))


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
