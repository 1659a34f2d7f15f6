"""The kernels that every sample passes, each beside a peer in the same run. Used by measure.py.

Ours and peer run in turn, A B A B ..., and the ratio is the median of the pairs, so that it holds when the
machine's speed drifts.
"""

import os
import sqlite3
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from durable import Committer, sealed
from models.kalman import fuse, new_bank
from protocol import board_link, columns, frames
from protocol.host_decoder import HostDecoder

N = 64
BOOT = "00000001-1"
FILTERS = 100_000
COMMITS = 1000
ROUNDS = 7
Work = Callable[[], object]


def records(n: int) -> bytes:
    """Return n packed records of four channels, 25 ms apart."""
    i = np.arange(n)
    return columns.encode(i % 4, np.ones(n), 25_000 * i, 1.0 + 0.01 * i)


def board_frames() -> tuple[int, Work, Work]:
    """200 frames of 64 samples: COBS, CRC and our checks, beside msgpack alone on the bare bodies."""
    body = msgpack.packb([frames.SAMPLES, frames.boot_bytes(BOOT), 0, records(N)])
    line = board_link.build_frame(body) * 200

    def ours() -> None:
        for found in HostDecoder().feed(line):
            board_link.decode_board(found)

    def peer() -> None:
        for _ in range(200):
            msgpack.unpackb(body)

    return 200 * N, ours, peer


def fusion() -> tuple[int, Work, Work]:
    """One update of each of 100,000 two-state filters, beside the same equations in NumPy."""
    bank, index = new_bank(FILTERS, 1e-11), np.arange(FILTERS, dtype=np.int64)
    value, sigma, quality = np.ones(FILTERS), np.full(FILTERS, 0.01), np.ones(FILTERS, np.uint8)
    at = np.zeros(FILTERS, dtype=np.int64)
    state = [np.ones(FILTERS), np.zeros(FILTERS), np.full(FILTERS, 1e-4), np.zeros(FILTERS), np.full(FILTERS, 1e-6)]

    def ours() -> None:
        nonlocal at
        at = at + 1_000_000
        fuse(bank, index, at, value, sigma, quality)

    return FILTERS, ours, lambda: numpy_update(state, 1.0, 1e-11, value, sigma**2)


def numpy_update(state: list[Any], dt: float, q: float, z: Any, r: Any) -> None:
    """Update level, trend and their covariance in place: local linear trend, struct of arrays."""
    level, trend, p00, p01, p11 = state
    level = level + dt * trend
    p00 = p00 + dt * (2.0 * p01 + dt * p11) + q * dt**3 / 3.0
    p01 = p01 + dt * p11 + q * dt**2 / 2.0
    p11 = p11 + q * dt
    total = p00 + r
    k0, k1, error = p00 / total, p01 / total, z - level
    state[:] = (level + k0 * error, trend + k1 * error, (1 - k0) * p00, (1 - k0) * p01, p11 - k1 * p01)


def commits(folder: Path) -> tuple[int, Work, Work]:
    """1,000 blobs of 64 samples through the committer, beside one append and fdatasync for all of them."""
    blob = records(N)
    committer = Committer(folder / "ours.db", schema="CREATE TABLE IF NOT EXISTS b (blob BLOB)")
    raw = os.open(folder / "raw.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def ours() -> None:
        for _ in range(COMMITS):
            committer.submit(lambda c: c.execute("INSERT INTO b VALUES (?)", (sealed(blob),)))
        committer.run(lambda c: None)

    def peer() -> None:
        for _ in range(COMMITS):
            os.write(raw, blob)
        os.fdatasync(raw)

    return COMMITS * N, ours, peer


def rows(folder: Path) -> tuple[int, Work, Work]:
    """The same through the committer, beside SQLite with a row per sample in one FULL transaction."""
    samples, ours, _ = commits(folder / "..")
    other = sqlite3.connect(folder / "rows.db", isolation_level=None)
    other.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE s (c, q, t, v);")
    data = [(int(r["channel"]), int(r["quality"]), 0, float(r["value"])) for r in columns.decode(records(N))]

    def peer() -> None:
        with closing(other.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            for _ in range(COMMITS):
                cursor.executemany("INSERT INTO s VALUES (?, ?, ?, ?)", data)
            cursor.execute("COMMIT")

    return samples, ours, peer


def seconds(work: Work) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(name: str, peer_name: str, case: tuple[int, Work, Work]) -> dict[str, Any]:
    """Return the medians of both and of their ratio, in samples per second; more than 1: ours is faster."""
    samples, ours, peer = case
    ours(), peer()
    pairs = [(samples / seconds(ours), samples / seconds(peer)) for _ in range(ROUNDS)]
    return {
        "work": name,
        "peer": peer_name,
        "ours_per_s": statistics.median(a for a, _ in pairs),
        "peer_per_s": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
    }


def run(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of all kernels; files go into `folder`."""
    (folder / "rows").mkdir()
    return [
        compare("board frames decoded", "msgpack alone", board_frames()),
        compare("Kalman, 1e5 filters", "NumPy", fusion()),
        compare("durable commits", "raw append + fdatasync", commits(folder / "rows")),
        compare("durable commits", "SQLite, row per sample", rows(folder / "rows")),
    ]
