"""A small msgpack: packs into a preallocated buffer, unpacks with limits. MicroPython and CPython.

Subset: nil, bool, integers up to 64 bits, float32 and float64 (read only), str, bin, array, map
with str or int keys. No ext types, no timestamps, no duplicate keys, no trailing bytes.
`Packer` allocates nothing for ints below 2**30.

Source: msgpack specification, https://github.com/msgpack/msgpack/blob/master/spec.md (2017).
"""

import struct

from .errors import FrameError, LimitError
from .stamp import put6


class Packer:
    """Writes msgpack to `buf` at `.pos`; a full buffer raises LimitError.

    Example:
        >>> p = Packer(bytearray(16)); p.array(2); p.uint(5); p.str("ok"); bytes(p.buf[:p.pos])
        b'\\x92\\x05\\xa2ok'
    """

    def __init__(self, buf: bytearray) -> None:
        """Write to `buf` from index 0 on."""
        self.buf = buf
        self.pos = 0

    def reset(self, at: int = 0) -> None:
        """Start again at index `at`."""
        self.pos = at

    def _head(self, byte: int, value: int, size: int) -> None:
        """Write one byte and `value` big-endian in `size` bytes."""
        at = self.pos
        if at + size >= len(self.buf):
            raise LimitError("message does not fit its buffer")
        self.buf[at] = byte
        while size:
            self.buf[at + size] = value & 0xFF
            value >>= 8
            size -= 1
            self.pos += 1
        self.pos += 1

    def _sized(self, n: int, fix: int, fix_max: int, first: int) -> None:
        """Write a length: as `fix | n` up to fix_max, else after `first` (2 bytes) or first + 1 (4 bytes)."""
        if n <= fix_max:
            self._head(fix | n, 0, 0)
        elif n <= 0xFFFF:
            self._head(first, n, 2)
        else:
            self._head(first + 1, n, 4)

    def array(self, n: int) -> None:
        """Begin an array of `n` items."""
        self._sized(n, 0x90, 15, 0xDC)

    def map(self, n: int) -> None:
        """Begin a map of `n` pairs."""
        self._sized(n, 0x80, 15, 0xDE)

    def uint(self, v: int) -> None:
        """Write an integer from 0 to 2**64 - 1."""
        if v < 0x80:
            self._head(v, 0, 0)
        elif v <= 0xFF:
            self._head(0xCC, v, 1)
        elif v <= 0xFFFF:
            self._head(0xCD, v, 2)
        elif v >> 16 <= 0xFFFF:
            self._head(0xCE, v, 4)
        else:
            self._head(0xCF, v, 8)

    def f32(self, v: float) -> None:
        """Write a number as float32."""
        self._head(0xCA, 0, 4)
        struct.pack_into(">f", self.buf, self.pos - 4, v)

    def nil(self) -> None:
        """Write nil."""
        self._head(0xC0, 0, 0)

    def bool(self, v: bool) -> None:
        """Write true or false."""
        self._head(0xC3 if v else 0xC2, 0, 0)

    def str(self, s: str) -> None:
        """Write text as UTF-8."""
        data = s.encode()
        n = len(data)
        if 31 < n <= 0xFF:
            self._head(0xD9, n, 1)
        else:
            self._sized(n, 0xA0, 31, 0xDA)
        self.raw(data, n)

    def bin_header(self, n: int) -> None:
        """Begin a bin of `n` bytes; the caller puts them at `.pos` and moves it (or calls `raw`)."""
        if n <= 0xFF:
            self._head(0xC4, n, 1)
        elif n <= 0xFFFF:
            self._head(0xC5, n, 2)
        else:
            self._head(0xC6, n, 4)

    def bin(self, b: bytes | bytearray | memoryview) -> None:
        """Write bytes."""
        n = len(b)
        self.bin_header(n)
        self.raw(b, n)

    def raw(self, data: bytes | bytearray | memoryview, n: int) -> None:
        """Copy `data[:n]` as it is, by hand: a slice would allocate."""
        at = self.pos
        if at + n > len(self.buf):
            raise LimitError("message does not fit its buffer")
        buf = self.buf
        for i in range(n):
            buf[at + i] = data[i]
        self.pos = at + n

    def stamp(self, wrap: int, ticks: int) -> None:
        """Write a board stamp as a bin of 6 bytes."""
        self._head(0xC4, 6, 1)
        if self.pos + 6 > len(self.buf):
            raise LimitError("message does not fit its buffer")
        self.pos = put6(self.buf, self.pos, wrap, ticks)

    def int(self, v: int) -> None:
        """Write an integer from -2**63 to 2**64 - 1."""
        if v >= 0:
            self.uint(v)
        elif v >= -32:
            self._head(v & 0xFF, 0, 0)
        elif v >= -0x80:
            self._head(0xD0, v, 1)
        elif v >= -0x8000:
            self._head(0xD1, v, 2)
        elif v >> 16 >= -0x8000:
            self._head(0xD2, v, 4)
        else:
            self._head(0xD3, v, 8)


class Reader:
    """Reads one value after the other from `buf[at:end]`, counting items against the limit."""

    def __init__(self, buf: bytes | bytearray | memoryview, at: int, end: int, max_items: int) -> None:
        self.buf = buf
        self.at = at
        self.end = end
        self.items_left = max_items

    def uint(self, size: int) -> int:
        """Return the next `size` bytes as a big-endian unsigned integer."""
        at = self.at
        self.skip(size)
        value = 0
        for i in range(at, at + size):
            value = value << 8 | self.buf[i]
        return value

    def sint(self, size: int) -> int:
        """Return the next `size` bytes as a big-endian two's complement integer."""
        value = self.uint(size)
        half = 1 << (8 * size - 1)
        return value - 2 * half if value >= half else value

    def skip(self, n: int) -> None:
        """Move on by `n` bytes that must be there."""
        if n > self.end - self.at:
            raise FrameError("msgpack: value is cut short")
        self.at += n

    def bytes(self, n: int) -> bytes:
        """Return the next `n` bytes."""
        at = self.at
        self.skip(n)
        return bytes(self.buf[at : self.at])

    def text(self, n: int) -> str:
        """Return the next `n` bytes as text."""
        try:
            return self.bytes(n).decode()
        except UnicodeError:
            raise FrameError("msgpack: text is not UTF-8")  # noqa: B904 - MicroPython does not chain

    def real(self, size: int) -> float:
        """Return the next 4 or 8 bytes as a float."""
        value = struct.unpack(">f" if size == 4 else ">d", self.bytes(size))[0]
        return value  # type: ignore[no-any-return]

    def array(self, n: int, depth: int) -> list:  # type: ignore[type-arg]
        """Return the next `n` values."""
        self.open(n, depth)
        return [self.value(depth - 1) for _ in range(n)]

    def map(self, n: int, depth: int) -> dict:  # type: ignore[type-arg]
        """Return the next `n` pairs."""
        self.open(2 * n, depth)
        pairs = {}
        for _ in range(n):
            key = self.value(0)
            if not isinstance(key, (int, str)) or isinstance(key, bool):
                raise FrameError("msgpack: a map key is neither text nor integer")
            if key in pairs:
                raise FrameError("msgpack: duplicate map key")
            pairs[key] = self.value(depth - 1)
        return pairs

    def open(self, n: int, depth: int) -> None:
        """Count a container of `n` values against the limits before anything is made."""
        if depth <= 0:
            raise LimitError("msgpack: nested too deep")
        if n > self.items_left:
            raise LimitError("msgpack: too many items")
        self.items_left -= n

    def value(self, depth: int):  # type: ignore[no-untyped-def]
        """Return the next value; containers may nest `depth` deep."""
        head = self.uint(1)
        if head < 0x80:
            return head
        if head < 0x90:
            return self.map(head & 15, depth)
        if head < 0xA0:
            return self.array(head & 15, depth)
        if head < 0xC0:
            return self.text(head & 31)
        if head >= 0xE0:
            return head - 256
        return self.tagged(head, depth)

    def tagged(self, head: int, depth: int):  # type: ignore[no-untyped-def]  # noqa: PLR0911
        """Return the value of a type byte from 0xC0 to 0xDF; sizes double along each group."""
        if head == 0xC0:
            return None
        if 0xC2 <= head <= 0xC3:
            return head == 0xC3
        if 0xC4 <= head <= 0xC6:
            return self.bytes(self.uint(1 << head - 0xC4))
        if 0xCA <= head <= 0xCB:
            return self.real(4 << head - 0xCA)
        if 0xCC <= head <= 0xCF:
            return self.uint(1 << head - 0xCC)
        if 0xD0 <= head <= 0xD3:
            return self.sint(1 << head - 0xD0)
        if 0xD9 <= head <= 0xDB:
            return self.text(self.uint(1 << head - 0xD9))
        if 0xDC <= head <= 0xDD:
            return self.array(self.uint(2 << head - 0xDC), depth)
        if head >= 0xDE:
            return self.map(self.uint(2 << head - 0xDE), depth)
        raise FrameError(f"msgpack: type byte 0x{head:02x} is not in our subset")


def unpack(  # type: ignore[no-untyped-def]
    buf: bytes | bytearray | memoryview, start: int, end: int, max_depth: int = 6, max_items: int = 256
):
    """Return the one value in `buf[start:end]`.

    Raises:
        LimitError: nested deeper than `max_depth` containers, or more than `max_items` values.
        FrameError: cut short, trailing bytes, duplicate key, ext type, bad UTF-8.
    """
    reader = Reader(buf, start, end, max_items)
    value = reader.value(max_depth)
    if reader.at != end:
        raise FrameError("msgpack: trailing bytes")
    return value
