"""What the ledger keeps on disk beside samples: when losses became known, contradictions, since when it is at odds."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from durable import Migration

from ..ingest import Frame, Key
from ..store.conflicts import MAX_OPEN, Conflict

CONFLICT = "conflict"
MAX_CONFLICTS = 100_000  # an admitted node that goes mad must not fill the disk


def _carry_over(connection: sqlite3.Connection) -> None:
    """Contradictions that 0.1.0 set aside: their place is in the key of the quarantine."""
    query = "SELECT key FROM quarantine WHERE reason = ? AND source = 'batches'"
    for (key,) in connection.execute(query, (CONFLICT,)).fetchall():
        thing, boot, place = key.rsplit("/", 2)
        first, n = (int(part) for part in place.split("+"))
        connection.execute(_PUT_CONFLICT, (thing, boot, first, first + n, 0))


_PUT_CONFLICT = "INSERT OR IGNORE INTO conflicts(thing, boot, first, end, known_utc_us) VALUES (?, ?, ?, ?, ?)"
MIGRATION = Migration(
    "when losses became known, contradictions, since when samples are unexplained",
    "CREATE TABLE gap_known(thing TEXT NOT NULL, boot TEXT NOT NULL, gap_id INTEGER NOT NULL,"
    " known_utc_us INTEGER NOT NULL, PRIMARY KEY(thing, boot, gap_id))",
    "CREATE TABLE conflicts(id INTEGER PRIMARY KEY, thing TEXT NOT NULL, boot TEXT NOT NULL, first INTEGER NOT NULL,"
    " end INTEGER NOT NULL, known_utc_us INTEGER NOT NULL, seen_utc_us INTEGER, seen_reason TEXT,"
    " UNIQUE(thing, boot, first, end))",
    "CREATE TABLE unexplained_since(thing TEXT NOT NULL, boot TEXT NOT NULL, since_utc_us INTEGER NOT NULL,"
    " PRIMARY KEY(thing, boot))",
    _carry_over,
)


def put(
    connection: sqlite3.Connection, gaps: Iterable[Any], rejected: Iterable[Frame],
    since: Mapping[Key, int | None], now_utc_us: int,
) -> None:  # fmt: skip
    """Note what a commit brings, inside the caller's transaction."""
    connection.executemany(
        "INSERT OR IGNORE INTO gap_known(thing, boot, gap_id, known_utc_us) VALUES (?, ?, ?, ?)",
        [(gap.thing, gap.boot, gap.gap_id, now_utc_us) for gap in gaps],
    )
    found = [(f.thing, f.boot, f.first, f.first + f.n, now_utc_us) for f in rejected]
    if found and connection.execute("SELECT count(*) FROM conflicts").fetchone()[0] < MAX_CONFLICTS:
        connection.executemany(_PUT_CONFLICT, found)
    for (thing, boot), since_utc_us in since.items():
        connection.execute("DELETE FROM unexplained_since WHERE thing = ? AND boot = ?", (thing, boot))
        if since_utc_us is not None:
            query = "INSERT INTO unexplained_since(thing, boot, since_utc_us) VALUES (?, ?, ?)"
            connection.execute(query, (thing, boot, since_utc_us))


def unseen(connection: sqlite3.Connection) -> list[Conflict]:
    """Return contradictions that nobody has acknowledged, oldest first."""
    query = "SELECT thing, boot, first, end, known_utc_us FROM conflicts WHERE seen_utc_us IS NULL ORDER BY id LIMIT ?"
    return [Conflict(*row) for row in connection.execute(query, (MAX_OPEN,))]


def see(connection: sqlite3.Connection, reason: str, now_utc_us: int) -> None:
    """A person has seen all contradictions, and says why they are no trouble any more."""
    connection.execute(
        "UPDATE conflicts SET seen_utc_us = ?, seen_reason = ? WHERE seen_utc_us IS NULL", (now_utc_us, reason)
    )


def conflicts_of(connection: sqlite3.Connection, thing: str, most: int) -> list[dict[str, Any]]:
    """Return the contradictions of a Thing, seen or not, newest first."""
    names = "boot", "first", "end", "known_utc_us", "seen_utc_us", "seen_reason"
    query = f"SELECT {', '.join(names)} FROM conflicts WHERE thing = ? ORDER BY id DESC LIMIT ?"
    return [dict(zip(names, row, strict=True)) for row in connection.execute(query, (thing, most))]


def gaps_of(connection: sqlite3.Connection, thing: str, most: int) -> list[dict[str, Any]]:
    """Return the declared losses of a Thing, newest first; `known_utc_us` None: an earlier release took it."""
    names = "boot", "gap_id", "first", "end", "cause", "declared_by", "known_utc_us"
    query = (
        "SELECT boot, gap_id, first, last, cause, declared_by, known_utc_us FROM gaps"
        " LEFT JOIN gap_known USING(thing, boot, gap_id) WHERE thing = ?"
        " ORDER BY known_utc_us DESC, boot DESC, first DESC LIMIT ?"
    )
    return [dict(zip(names, row, strict=True)) for row in connection.execute(query, (thing, most))]


def quarantined_of(connection: sqlite3.Connection, thing: str) -> list[tuple[str, int, int]]:
    """Return (boot, first, end) of stored samples that could not be read any more."""
    query = "SELECT boot, first, last FROM quarantined WHERE thing = ? ORDER BY boot, first"
    return [(boot, first, end) for boot, first, end in connection.execute(query, (thing,))]


def unexplained_since(connection: sqlite3.Connection) -> dict[Key, int]:
    """Return since when streams are unexplained, as last saved."""
    rows = connection.execute("SELECT thing, boot, since_utc_us FROM unexplained_since")
    return {(thing, boot): since_utc_us for thing, boot, since_utc_us in rows}
