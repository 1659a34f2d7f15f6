"""After the last cycle: what the city stored, sample by sample, against what the boards made."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from aggregator.clocks.table import ClockTable
from aggregator.store import compactor
from aggregator.store.columns import table
from aggregator.store.reader import stored_manifests
from aggregator.store.sealing import CATALOGUE, SEALED, STAGING
from aggregator.store.snapshot import hot_frames, open_reader
from aggregator.store.store import Store
from protocol import columns

from .boards import RememberingBoard

Sample = tuple[str, str, int, int, float, int]
"""thing, boot, seq, stamp_us, value, quality"""


def problems(city: Path, journal: Path, boards: list[RememberingBoard]) -> list[str]:
    """Return what is wrong with the data folder of a stopped city, and the journal of a stopped edge."""
    store = Store(city)  # as at every start: files of a sealing that was cut short are removed
    compactor.clean(store)
    store.close()
    connection = open_reader(city)
    try:
        samples = list(_samples(city, connection))
        found = _twice(samples) + _files(city, connection)
        for board in boards:
            mine = sorted(s[2:] for s in samples if s[0] == board.thing)
            found += _compared(board, mine)
        found += _empty(connection, "city", ("gaps", "quarantine", "quarantined"))
        found += _sound(connection, "city")
    finally:
        connection.close()
    with sqlite3.connect(f"{journal.resolve().as_uri()}?mode=ro", uri=True) as edge:
        return found + _empty(edge, "edge", ("gaps", "quarantine")) + _sound(edge, "edge")


def _samples(city: Path, connection: sqlite3.Connection) -> Iterator[Sample]:
    parts = [table(hot_frames(connection), stored_manifests(connection), ClockTable())]
    for (name,) in connection.execute("SELECT file FROM sealed"):
        parts.append(pq.read_table(city / SEALED / name))
    names = ("thing", "boot", "seq", "stamp_us", "value", "quality")
    for part in parts:
        yield from zip(*(part[name].to_pylist() for name in names), strict=True)


def _twice(samples: list[Sample]) -> list[str]:
    counted = Counter(sample[:3] for sample in samples)
    twice = [key for key, count in counted.items() if count > 1]
    return [f"{len(twice)} samples are stored twice, such as {twice[0]}"] if twice else []


def _compared(board: RememberingBoard, mine: list[Any]) -> list[str]:
    """Compare (seq, stamp, value, quality) of one board with what it made."""
    rows = columns.decode(b"".join(board.made))
    made = list(zip(columns.stamp_us(rows).tolist(), rows["value"].tolist(), rows["quality"].tolist(), strict=True))
    expected = [(seq, *sample) for seq, sample in enumerate(made)]
    if mine == expected:
        return []
    missing = sorted({s[0] for s in expected} - {s[0] for s in mine})
    other = [pair for pair in zip(mine, expected, strict=False) if pair[0] != pair[1]]
    return [f"{board.thing}: made {len(expected)}, stored {len(mine)}, missing {missing[:5]}, first other {other[:1]}"]


def _files(city: Path, connection: sqlite3.Connection) -> list[str]:
    known = {row[0] for row in connection.execute("SELECT file FROM sealed")}
    there = {path.name for path in (city / SEALED).iterdir()} - {CATALOGUE}
    staged = [path.name for path in (city / STAGING).iterdir()]
    found = [] if there == known else [f"sealed files {sorted(there ^ known)} are not those of the catalogue"]
    return found + ([f"left in staging: {staged}"] if staged else [])


def _empty(connection: sqlite3.Connection, where: str, tables: tuple[str, ...]) -> list[str]:
    found = []
    for name in tables:
        rows = connection.execute(f"SELECT * FROM {name} LIMIT 3").fetchall()
        found += [f"{where}: {name} is not empty: {rows!r:.300}"] if rows else []
    return found


def _sound(connection: sqlite3.Connection, where: str) -> list[str]:
    rows = connection.execute("PRAGMA integrity_check").fetchall()
    return [] if rows == [("ok",)] else [f"{where}: integrity_check: {rows[:3]}"]
