"""CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320), equal to `zlib.crc32`.

`binascii.crc32` returns an int above 2**30, which a 32-bit MicroPython must put on the
heap. Here the register is kept as two 16-bit halves, so nothing is allocated.
Runs on MicroPython and CPython.

Source: IEEE 802.3-2018, 3.2.9; check value of b"123456789" is 0xCBF43926.
"""

from array import array

_POLY_HI = 0xEDB8
_POLY_LO = 0x8320


def _tables() -> tuple:  # type: ignore[type-arg]
    """Return the high and low halves of the 256-entry table as two arrays of u16."""
    high = array("H", bytes(512))
    low = array("H", bytes(512))
    for index in range(256):
        hi, lo = 0, index
        for _ in range(8):
            odd = lo & 1
            lo = (lo >> 1) | ((hi & 1) << 15)
            hi >>= 1
            if odd:
                hi ^= _POLY_HI
                lo ^= _POLY_LO
        high[index] = hi
        low[index] = lo
    return high, low


_HI, _LO = _tables()


def append(buf: bytearray | memoryview, n: int) -> int:
    """Write the CRC of `buf[:n]` little-endian to `buf[n:n+4]`; return n + 4. Allocates nothing."""
    table_hi = _HI
    table_lo = _LO
    hi = lo = 0xFFFF
    for i in range(n):
        index = (lo ^ buf[i]) & 0xFF
        lo = (lo >> 8 | (hi & 0xFF) << 8) ^ table_lo[index]
        hi = hi >> 8 ^ table_hi[index]
    lo ^= 0xFFFF
    hi ^= 0xFFFF
    buf[n] = lo & 0xFF
    buf[n + 1] = lo >> 8
    buf[n + 2] = hi & 0xFF
    buf[n + 3] = hi >> 8
    return n + 4


def check(buf: bytes | bytearray | memoryview, n: int) -> bool:
    """Return whether `buf[n-4:n]` is the CRC of `buf[:n-4]`. Allocates nothing."""
    if n < 4:
        return False
    table_hi = _HI
    table_lo = _LO
    hi = lo = 0xFFFF
    for i in range(n):
        index = (lo ^ buf[i]) & 0xFF
        lo = (lo >> 8 | (hi & 0xFF) << 8) ^ table_lo[index]
        hi = hi >> 8 ^ table_hi[index]
    return lo == 0x20E3 and hi == 0xDEBB
