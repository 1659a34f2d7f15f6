"""One sample on the wire: 12 bytes, little-endian, packed. Runs on MicroPython and CPython.

| offset | size | field |
|---|---|---|
| 0 | u8 | channel index of the board's manifest |
| 1 | u8 | quality (QARTOD) |
| 2 | u48 | stamp, microseconds since board boot |
| 8 | f32 | value in the channel's unit, NaN if nothing usable was read |

Quality is never left out: a reading does not silently become NaN or the last value.
Source: QARTOD, "Manual for Real-Time Oceanographic Data Quality Control Flags" 1.2, 2020.
"""

import struct

from .stamp import put6

SIZE = 12

GOOD = 1
NOT_EVALUATED = 2
SUSPECT = 3
FAIL = 4
MISSING = 9
QUALITIES = (GOOD, NOT_EVALUATED, SUSPECT, FAIL, MISSING)


def put(
    buf: bytearray | memoryview, at: int, channel: int, quality: int, wrap: int, ticks: int, value: float
) -> int:
    """Write one record to `buf[at:at+12]`; return at + 12. Allocates nothing."""
    buf[at] = channel
    buf[at + 1] = quality
    put6(buf, at + 2, wrap, ticks)
    struct.pack_into("<f", buf, at + 8, value)
    return at + SIZE
