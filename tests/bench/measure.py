"""Measures the paths every sample takes: `make bench`. Prints samples per second; asserts nothing."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgpack
import numpy as np

from durable import Committer, sealed
from models.kalman import fuse, new_bank
from protocol import board_link, columns, frames
from protocol.host_decoder import HostDecoder
from protocol.ranges import Ranges

N = 64
BOOT = "00000001-1"


def per_second(samples: int, work: Callable[[], object], rounds: int = 7) -> float:
    """Return the best rate of several rounds; the first one warms up."""
    work()
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return samples / best


def records(n: int) -> bytes:
    """Return n packed records of four channels, 25 ms apart."""
    i = np.arange(n)
    return columns.encode(i % 4, np.ones(n), 25_000 * i, 1.0 + 0.01 * i)


def link() -> float:
    """Frames of 64 samples through COBS, CRC and msgpack on the host."""
    packed = records(N)
    body = msgpack.packb([frames.SAMPLES, frames.boot_bytes(BOOT), 0, packed])
    line = board_link.build_frame(body) * 200

    def work() -> None:
        for found in HostDecoder().feed(line):
            board_link.decode_board(found)

    return per_second(200 * N, work)


def fusion() -> float:
    """Batches of 64 samples of four filters."""
    bank, index = new_bank(4, 1e-11), np.arange(N, dtype=np.int64) % 4
    value, sigma, quality = np.ones(N), np.full(N, 0.01), np.ones(N, np.uint8)
    at = np.arange(N, dtype=np.int64) * 25_000

    def work() -> None:
        nonlocal at
        for _ in range(500):
            at = at + N * 25_000
            fuse(bank, index, at, value, sigma, quality)

    return per_second(500 * N, work)


def commits() -> float:
    """Durable commits of 64 samples each, queued: the thread groups them."""
    blob = records(N)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # a real disk: tmpfs ignores fsync
        committer = Committer(Path(folder) / "bench.db", schema="CREATE TABLE IF NOT EXISTS b (blob BLOB)")

        def work() -> None:
            for _ in range(2000):
                committer.submit(lambda c: c.execute("INSERT INTO b VALUES (?)", (sealed(blob),)))
            committer.run(lambda c: None)

        rate = per_second(2000 * N, work, rounds=3)
        committer.close()
        return rate


def ranges() -> float:
    """Batches of 64 into a set of ranges, one hole in ten."""

    def work() -> None:
        known = Ranges()
        for i in range(2000):
            if i % 10:
                known.add(N * i, N * i + N)

    return per_second(2000 * N, work)


def main() -> None:
    """Measure all and print a table."""
    for name, measure in (("board link", link), ("fusion", fusion), ("durable", commits), ("ranges", ranges)):
        print(f"{name:<12} {measure() / 1e6:8.2f} M samples/s")


if __name__ == "__main__":
    main()
