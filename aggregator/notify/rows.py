"""The tables of messages to people, and of the ways each of them goes."""

import sqlite3
from collections.abc import Iterable

from durable import Migration

from .outbox import MAX_KNOWN, Delivery, Entry

MIGRATION = Migration(
    "messages to people",
    "CREATE TABLE notices(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, channel TEXT NOT NULL,"
    " chain TEXT NOT NULL, kind TEXT NOT NULL, sent_utc_us INTEGER NOT NULL, expires_utc_us INTEGER NOT NULL,"
    " body BLOB NOT NULL, token TEXT NOT NULL, reference TEXT NOT NULL, says TEXT NOT NULL,"
    " ack_by_utc_us INTEGER NOT NULL, acked_utc_us INTEGER, acked_by TEXT NOT NULL)",
    "CREATE TABLE notice_ways(id TEXT NOT NULL, way TEXT NOT NULL, attempts INTEGER NOT NULL,"
    " delivered_utc_us INTEGER, closed TEXT NOT NULL, error TEXT NOT NULL, PRIMARY KEY(id, way))",
)
_ENTRY = "id, channel, chain, kind, sent_utc_us, expires_utc_us, body, token, reference, says, ack_by_utc_us"
_PUT_ENTRY = (
    f"INSERT INTO notices({_ENTRY}, acked_utc_us, acked_by) VALUES ({', '.join('?' * 13)})"
    " ON CONFLICT(id) DO UPDATE SET acked_utc_us = excluded.acked_utc_us, acked_by = excluded.acked_by"
)
_PUT_WAY = "INSERT OR REPLACE INTO notice_ways VALUES (?, ?, ?, ?, ?, ?)"


def put(connection: sqlite3.Connection, changed: Iterable[tuple[Entry, list[Delivery]]]) -> None:
    """Keep messages as they are now; of those that are over no more than the newest."""
    for entry, ways in changed:
        connection.execute(_PUT_ENTRY, entry)
        connection.executemany(_PUT_WAY, ways)
    old = "SELECT id FROM notices ORDER BY number DESC LIMIT -1 OFFSET ?"
    connection.execute(f"DELETE FROM notice_ways WHERE id IN ({old})", (2 * MAX_KNOWN,))
    connection.execute(f"DELETE FROM notices WHERE id IN ({old})", (2 * MAX_KNOWN,))


def newest(connection: sqlite3.Connection) -> tuple[list[Entry], list[Delivery]]:
    """Return the messages that are kept, oldest first, and their ways."""
    query = f"SELECT {_ENTRY}, acked_utc_us, acked_by FROM notices ORDER BY number DESC LIMIT ?"
    entries = [Entry._make(row) for row in connection.execute(query, (MAX_KNOWN,))][::-1]
    known = {entry.id for entry in entries}
    ways = [Delivery._make(row) for row in connection.execute("SELECT * FROM notice_ways ORDER BY id, way")]
    return entries, [way for way in ways if way.id in known]
