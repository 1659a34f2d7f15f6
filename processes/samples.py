"""What one port has been told: samples in event-time order, whatever order they arrived in."""

from typing import Any

import numpy as np
import numpy.typing as npt

from processes.contract import F64, I64, U8, Series

ROW = np.dtype([("t", "<i8"), ("value", "<f8"), ("sigma", "<f8"), ("source", "u1"), ("quality", "u1")])
MAX_ROWS = 65_536
Rows = npt.NDArray[Any]


class Track:
    """Samples of one port, sorted by (time, source, value); equal rows count once; the oldest drop.

    Of several sources the one with most rows drops first: one that floods, or lies about its times, silences no other.
    """

    def __init__(self) -> None:
        self.rows: Rows = np.empty(0, ROW)
        self.dropped = 0
        self._pending: list[Rows] = []

    def add(self, t_utc_us: I64, value: F64, sigma: F64, quality: U8, source: int) -> None:
        """Take samples in, arrays (n,), any order."""
        rows = np.empty(len(t_utc_us), ROW)
        rows["t"], rows["value"], rows["sigma"], rows["quality"] = t_utc_us, value, sigma, quality
        rows["source"] = source
        if rows.size:
            self._pending.append(rows)

    def between(self, after_utc_us: int, upto_utc_us: int) -> Series:
        """Return the samples with after < t <= upto, as copies: what a step writes into them is its own business."""
        rows = self._span(after_utc_us, upto_utc_us)
        return Series(*(rows[f].copy() for f in ("t", "value", "sigma", "quality", "source")))

    def times(self, after_utc_us: int, upto_utc_us: int) -> I64:
        """Return the sample times with after < t <= upto; may repeat."""
        times: I64 = self._span(after_utc_us, upto_utc_us)["t"]
        return times

    def holds(self, after_utc_us: int, upto_utc_us: int) -> bool:
        """Return whether there are samples with after < t <= upto."""
        self._merge()
        if not self.rows.size or self.rows["t"][-1] <= after_utc_us:
            return False
        return bool(self._span(after_utc_us, upto_utc_us).size)

    def forget(self, upto_utc_us: int) -> int:
        """Drop samples with t <= upto; return how many."""
        self._merge()
        n = int(np.searchsorted(self.rows["t"], upto_utc_us, side="right"))
        self.rows = self.rows[n:]
        return n

    def remove(self, t_utc_us: I64, source: int) -> int | None:
        """Drop the samples of a source at these times; return the first time that was there, None: none was."""
        self._merge()
        gone = (self.rows["source"] == source) & np.isin(self.rows["t"], t_utc_us)
        if not gone.any():
            return None
        first = int(self.rows["t"][gone].min())
        self.rows = self.rows[~gone]
        return first

    def all_rows(self) -> Rows:
        """Return every row kept, sorted."""
        self._merge()
        return self.rows

    def _span(self, after_utc_us: int, upto_utc_us: int) -> Rows:
        self._merge()
        first, end = np.searchsorted(self.rows["t"], [after_utc_us, upto_utc_us], side="right")
        return self.rows[first:end]

    def _merge(self) -> None:
        if not self._pending:
            return
        first = min(int(rows["t"].min()) for rows in self._pending)
        cut = int(np.searchsorted(self.rows["t"], first))  # what is older is in order already
        tail = _sorted(np.concatenate([self.rows[cut:], *self._pending]))
        self._pending = []
        rows = np.concatenate([self.rows[:cut], tail])
        self.rows = _newest(rows, MAX_ROWS)
        self.dropped += rows.size - self.rows.size


def _newest(rows: Rows, most: int) -> Rows:
    """Return at most `most` rows, each source's newest."""
    if rows.size <= most:
        return rows
    counts = np.bincount(rows["source"])
    share = _share(sorted(counts[counts > 0].tolist()), most)
    keep = np.ones(rows.size, np.bool_)
    for source in np.flatnonzero(counts > share):
        mine = np.flatnonzero(rows["source"] == source)
        keep[mine[: mine.size - share]] = False
    return rows[keep]


def _share(counts: list[int], most: int) -> int:
    """Return how many each may have at most, so that all together have no more than `most`; counts rise."""
    for at, count in enumerate(counts):
        left = len(counts) - at
        if count * left > most:
            return most // left
        most -= count
    return counts[-1]


def _sorted(rows: Rows) -> Rows:
    """Return the rows in an order that arrival has no part in (NaN by their bits), equal ones once."""
    bits = [rows[name].copy().view("<i8") for name in ("sigma", "value")]
    rows = rows[np.lexsort((rows["quality"], *bits, rows["source"], rows["t"]))]
    return rows[_first_of_equals(rows)]


def _first_of_equals(rows: Rows) -> npt.NDArray[np.bool_]:
    raw = np.frombuffer(rows.tobytes(), np.uint8).reshape(rows.size, ROW.itemsize)
    keep = np.ones(rows.size, np.bool_)
    keep[1:] = (raw[1:] != raw[:-1]).any(axis=1)
    return keep
