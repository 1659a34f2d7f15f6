"""What all faces stand on: transfers that take time, and bytes that wait for a repeated start."""

from collections.abc import Callable

from simulator.bus import VirtualI2C

ADDRESSES = range(0x08, 0x78)  # UM10204 3.1.12: the others are reserved


class Wire:
    """A virtual bus as one master sees it."""

    def __init__(self, bus: VirtualI2C, on_transfer: Callable[[int], None] | None = None) -> None:
        """`on_transfer(bytes)` is called before each transfer, e.g. to let time pass."""
        self._bus = bus
        self._on_transfer = on_transfer
        self._pending = b""
        self._address = -1

    def write(self, address: int, data: bytes, stop: bool = True) -> None:
        """Write; without stop the bytes wait for a read at this address. Raises: Nack, Stuck."""
        self._end_pending()
        if stop:
            self._transfer(address, data, 0)
            return
        self._bus.check_answers(address)
        self._pending = data
        self._address = address

    def read(self, address: int, count: int) -> bytes:
        """What the chip sends after the bytes that wait for it. Raises: Nack, Stuck."""
        if address != self._address:
            self._end_pending()
        return self._transfer(address, b"", count)

    def acknowledged(self, address: int) -> bool:
        """Whether a write of nothing is acknowledged."""
        try:
            self.write(address, b"")
        except OSError:
            return False
        return True

    def scan(self) -> list[int]:
        """Addresses that are acknowledged. Raises: Stuck."""
        self._bus.check_lines()
        return [address for address in ADDRESSES if self.acknowledged(address)]

    def _end_pending(self) -> None:
        """A repeated start that is no read of the same chip ends the write that waited for one."""
        if self._pending:
            self._transfer(self._address, b"", 0)

    def _transfer(self, address: int, write: bytes, count: int) -> bytes:
        write, self._pending = self._pending + write, b""
        if self._on_transfer is not None:
            self._on_transfer(len(write) + count + 2)
        return self._bus.transfer(address, write, count)
