"""Sample records as NumPy columns. CPython. The layout is `record.py`'s."""

from typing import Any

import numpy as np
import numpy.typing as npt

from . import record
from .errors import FrameError

RECORD = np.dtype(
    [("channel", "u1"), ("quality", "u1"), ("t_lo", "<u4"), ("t_hi", "<u2"), ("value", "<f4")]
)
assert RECORD.itemsize == record.SIZE


def decode(records: bytes | bytearray | memoryview) -> npt.NDArray[Any]:
    """Return the records as a structured array (n,) of dtype RECORD, a read-only view of `records`.

    Raises:
        FrameError: the length is no multiple of 12 bytes.
    """
    if len(records) % record.SIZE:
        raise FrameError(f"records: {len(records)} bytes are no multiple of {record.SIZE}")
    columns = np.frombuffer(records, RECORD)
    columns.flags.writeable = False
    return columns


def stamp_us(columns: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the stamps (n,) in microseconds since board boot, int64."""
    high = columns["t_hi"].astype(np.int64)
    return np.asarray(columns["t_lo"] + (high << np.int64(32)), np.int64)


def encode(
    channel: npt.ArrayLike, quality: npt.ArrayLike, t_us: npt.NDArray[np.int64], value: npt.ArrayLike
) -> bytes:
    """Return the records of equally long columns; `t_us` in [0, 2**48) microseconds since boot."""
    columns = np.empty(len(t_us), RECORD)
    columns["channel"] = channel
    columns["quality"] = quality
    columns["t_lo"] = t_us & 0xFFFFFFFF
    columns["t_hi"] = t_us >> 32
    columns["value"] = value
    return columns.tobytes()
