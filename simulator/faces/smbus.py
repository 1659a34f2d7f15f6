"""`smbus2.SMBus` over a virtual bus, with the errors of Linux."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import EREMOTEIO
from typing import Any

from simulator.bus import Nack, VirtualI2C

from .wire import Wire

READ_FLAG = 1
BLOCK_MAX = 32


class SMBus:
    """`smbus2.SMBus`: what is not acknowledged is EREMOTEIO, a line that is held low ETIMEDOUT.

    Not there: packet error checking, and blocks whose length the chip sends (`read_block_data`,
    `block_process_call`).
    """

    def __init__(self, bus: VirtualI2C, on_transfer: Callable[[int], None] | None = None) -> None:
        """`on_transfer(bytes)` is called before each transfer, e.g. to let time pass."""
        self._wire = Wire(bus, on_transfer)

    def __enter__(self) -> "SMBus":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing: there is no device file."""

    def write_quick(self, i2c_addr: int, force: bool | None = None) -> None:
        """Only the address. Raises: OSError."""
        self._write(i2c_addr)

    def read_byte(self, i2c_addr: int, force: bool | None = None) -> int:
        """A byte from where the chip's pointer is. Raises: OSError."""
        return self._read(i2c_addr, b"", 1)[0]

    def write_byte(self, i2c_addr: int, value: int, force: bool | None = None) -> None:
        """One byte: a command or a pointer. Raises: OSError."""
        self._write(i2c_addr, value)

    def read_byte_data(self, i2c_addr: int, register: int, force: bool | None = None) -> int:
        """A byte of a register. Raises: OSError."""
        return self._read(i2c_addr, bytes((register,)), 1)[0]

    def write_byte_data(self, i2c_addr: int, register: int, value: int, force: bool | None = None) -> None:
        """Write a byte to a register. Raises: OSError."""
        self._write(i2c_addr, register, value)

    def read_word_data(self, i2c_addr: int, register: int, force: bool | None = None) -> int:
        """Two bytes of a register, low byte first. Raises: OSError."""
        return int.from_bytes(self._read(i2c_addr, bytes((register,)), 2), "little")

    def write_word_data(self, i2c_addr: int, register: int, value: int, force: bool | None = None) -> None:
        """Write two bytes to a register, low byte first. Raises: OSError."""
        self._write(i2c_addr, register, *value.to_bytes(2, "little"))

    def process_call(self, i2c_addr: int, register: int, value: int, force: bool | None = None) -> int:
        """Write two bytes to a register, repeated start, read two; low bytes first. Raises: OSError."""
        command = bytes((register,)) + value.to_bytes(2, "little")
        return int.from_bytes(self._read(i2c_addr, command, 2), "little")

    def write_block_data(self, i2c_addr: int, register: int, data: Sequence[int], force: bool | None = None) -> None:
        """Write the number of bytes, then the bytes, to a register. Raises: OSError, ValueError over 32."""
        self._write(i2c_addr, register, _allowed(len(data)), *data)

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int, force: bool | None = None) -> list[int]:
        """Bytes from a register on. Raises: OSError, ValueError over 32."""
        return list(self._read(i2c_addr, bytes((register,)), _allowed(length)))

    def write_i2c_block_data(
        self, i2c_addr: int, register: int, data: Sequence[int], force: bool | None = None
    ) -> None:
        """Write bytes from a register on. Raises: OSError, ValueError over 32."""
        _allowed(len(data))
        self._write(i2c_addr, register, *data)

    def i2c_rdwr(self, *i2c_msgs: Any) -> None:
        """Carry out `smbus2.i2c_msg` messages; a write and the read after it are one transfer. Raises: OSError."""
        for place, message in enumerate(i2c_msgs):
            with _as_linux():
                self._carry_out(message, place == len(i2c_msgs) - 1)

    def _carry_out(self, message: Any, last: bool) -> None:
        if message.flags & READ_FLAG:
            for index, byte in enumerate(self._wire.read(message.addr, message.len)):
                message.buf[index] = byte
        else:
            self._wire.write(message.addr, bytes(message), last)

    def _write(self, address: int, *data: int) -> None:
        with _as_linux():
            self._wire.write(address, bytes(data))

    def _read(self, address: int, command: bytes, count: int) -> bytes:
        with _as_linux():
            if command:
                self._wire.write(address, command, False)
            return self._wire.read(address, count)


@contextmanager
def _as_linux() -> Iterator[None]:
    try:
        yield
    except Nack as error:
        raise OSError(EREMOTEIO, "Remote I/O error") from error


def _allowed(length: int) -> int:
    if not 0 < length <= BLOCK_MAX:
        raise ValueError(f"Desired block length over {BLOCK_MAX} bytes" if length else "expected at least one byte")
    return length
