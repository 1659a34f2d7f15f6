"""Latency per hop, in windows of the last samples. Sans-IO; times are given in one clock, µs."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

HOPS = (
    "acquire_to_edge",
    "edge_to_journal",
    "edge_to_city",
    "city_to_store",
    "city_decide",
    "city_to_edge",
    "edge_guard",
    "board_act",
    "sample_to_act",
)
WINDOW = 4096
_TOO_LONG_US = 600_000_000


class Hops:
    """The city's own measurements; the edges report theirs in their health."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[int]] = {hop: deque(maxlen=WINDOW) for hop in HOPS}

    def add(self, hop: str, start_us: int | None, end_us: int | None) -> None:
        """Count one passage; unknown ends and impossible spans (a clock moved) are left out.

        Spans up to a round trip's error below zero count as zero.
        """
        if start_us is None or end_us is None:
            return
        span = end_us - start_us
        if -100_000 <= span < _TOO_LONG_US:
            self._samples[hop].append(max(0, span))

    def summary(self) -> dict[str, dict[str, float]]:
        """Return {hop: {n, p50_ms, p99_ms}} of hops that were measured."""
        return {hop: _summary(samples) for hop, samples in self._samples.items() if samples}


def _summary(samples: deque[int]) -> dict[str, float]:
    p50, p99 = np.percentile(np.fromiter(samples, np.float64, len(samples)), (50, 99)) / 1e3
    return {"n": len(samples), "p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}


def merged(city: Mapping[str, Any], edges: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one table: what the city measured, and for other hops the edge with most samples."""
    table: dict[str, Any] = {}
    for part in edges:
        for hop, row in part.items():
            n = row.get("n") if isinstance(row, dict) else None
            if isinstance(n, int) and n > table.get(hop, {}).get("n", 0):
                table[hop] = dict(row)
    table.update(city)
    return {hop: table[hop] for hop in (*HOPS, *sorted(set(table) - set(HOPS))) if hop in table}


def task_hops(hops: Hops, stamps: Mapping[str, int], offset_us: int | None) -> None:
    """Count the hops of a task that was acted on, from its stamps (ns; edge_ and board_ in edge boottime).

    `offset_us` is edge boottime minus city boottime; without it the hops across the link are left out.
    """
    at = {name: ns // 1000 for name, ns in stamps.items()}
    hops.add("city_decide", at.get("city_store"), at.get("city_tx"))
    hops.add("edge_guard", at.get("edge_rx"), at.get("edge_tx"))
    hops.add("board_act", at.get("edge_tx"), at.get("board_act"))
    hops.add("sample_to_act", at.get("sample"), at.get("board_act"))
    if offset_us is not None and "city_tx" in at:
        hops.add("city_to_edge", at["city_tx"] + offset_us, at.get("edge_rx"))
