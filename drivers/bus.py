"""The bus contract: an adapter implements `transaction`, everything else derives from it."""

from .errors import BusError


class I2CBus:
    """An I2C bus. `name` is the one of the board file, e.g. `i2c0`."""

    def __init__(self, name: str = "i2c") -> None:
        self.name = name
        self._one = bytearray(1)
        self._two = bytearray(2)

    def transaction(self, address: int, write: bytes | bytearray | None, read: bytearray | None) -> None:
        """Write bytes, then, after a repeated start, fill `read`; either may be None. Raises: BusError."""
        raise NotImplementedError

    def write(self, address: int, data: bytes | bytearray) -> None:
        """Write bytes. Raises: BusError."""
        self.transaction(address, data, None)

    def read_into(self, address: int, buf: bytearray) -> None:
        """Fill `buf` with what the chip sends. Raises: BusError."""
        self.transaction(address, None, buf)

    def write_then_read_into(self, address: int, data: bytes | bytearray, buf: bytearray) -> None:
        """Write, repeated start, fill `buf`. Raises: BusError."""
        self.transaction(address, data, buf)

    def read_register_into(self, address: int, register: int, buf: bytearray) -> None:
        """Fill `buf` from an 8-bit register onwards. Raises: BusError."""
        self._one[0] = register
        self.transaction(address, self._one, buf)

    def write_register(self, address: int, register: int, value: int) -> None:
        """Write one byte to an 8-bit register. Raises: BusError."""
        self._two[0] = register
        self._two[1] = value
        self.transaction(address, self._two, None)

    def probe(self, address: int) -> bool:
        """Whether a chip acknowledges this address."""
        try:
            self.transaction(address, b"", None)
        except BusError:
            return False
        return True

    def scan(self) -> list[int]:
        """Addresses from 0x08 to 0x77 that are acknowledged."""
        return [address for address in range(0x08, 0x78) if self.probe(address)]
