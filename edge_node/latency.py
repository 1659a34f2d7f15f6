"""Latency per hop: a histogram with logarithmic bins, so it never grows. Sans-IO; spans in microseconds."""

import bisect
from typing import Any

_PER_DECADE = 20
_EDGES_US = [10 ** (i / _PER_DECADE) for i in range(9 * _PER_DECADE + 1)]
TOO_LONG_US = 600_000_000


class Histogram:
    """Counts spans from 1 us to 1000 s in bins 12 % wide."""

    def __init__(self) -> None:
        self.counts = [0] * (len(_EDGES_US) + 1)
        self.n = 0

    def add(self, span_us: float) -> None:
        """Count one span."""
        self.counts[bisect.bisect_left(_EDGES_US, span_us)] += 1
        self.n += 1

    def quantile_us(self, share: float) -> float:
        """Return the upper edge of the bin that holds the quantile, 0 if nothing was counted."""
        left = share * self.n
        for at, count in enumerate(self.counts):
            left -= count
            if count and left <= 0:
                return _EDGES_US[min(at, len(_EDGES_US) - 1)]
        return 0.0


class Hops:
    """A histogram per hop name."""

    def __init__(self) -> None:
        self._hops: dict[str, Histogram] = {}

    def add(self, hop: str, start_us: int, end_us: int) -> None:
        """Count a passage; a little below zero (clock error) counts as zero, the impossible not."""
        span_us = end_us - start_us
        if start_us > 0 and -100_000 <= span_us < TOO_LONG_US:
            self._hops.setdefault(hop, Histogram()).add(max(0, span_us))

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return {hop: {n, p50_ms, p99_ms}}."""
        return {hop: _summary(histogram) for hop, histogram in self._hops.items()}


def _summary(histogram: Histogram) -> dict[str, Any]:
    p50, p99 = histogram.quantile_us(0.5), histogram.quantile_us(0.99)
    return {"n": histogram.n, "p50_ms": round(p50 / 1e3, 3), "p99_ms": round(p99 / 1e3, 3)}
