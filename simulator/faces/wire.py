"""What all faces stand on: transfers that take time, and writes that a read goes on from without a stop."""

from collections.abc import Callable

from simulator.bus import VirtualI2C

ADDRESSES = range(0x08, 0x78)  # UM10204 3.1.12: the others are reserved


class Wire:
    """A virtual bus as one master sees it."""

    def __init__(self, bus: VirtualI2C, on_transfer: Callable[[int], None] | None = None) -> None:
        """`on_transfer(bytes)` is called before each transfer, e.g. to let time pass."""
        self._bus = bus
        self._on_transfer = on_transfer
        self._open = -1

    def write(self, address: int, data: bytes, stop: bool = True) -> None:
        """Write; without stop a read of this chip goes on with a repeated start. Raises: Nack, Stuck."""
        self._open = -1
        if data or stop:
            self._pass(len(data) + (2 if stop else 1))
            self._bus.transfer(address, data, 0)
        else:
            self._bus.check_answers(address)
        if not stop:
            self._open = address

    def read(self, address: int, count: int) -> bytes:
        """What the chip sends. Raises: Nack, Stuck."""
        goes_on, self._open = self._open == address, -1
        self._pass(count + (1 if goes_on else 2))
        return self._bus.transfer(address, b"", count, goes_on)

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

    def _pass(self, count: int) -> None:
        if self._on_transfer is not None:
            self._on_transfer(count)
