"""The tables of what people did to alarms, and of incidents."""

import sqlite3
from collections.abc import Iterable

import msgpack

from durable import Migration
from processes.alarms.actions import Action

from .acts import MAX_ACTS, Act
from .incidents import MAX_KNOWN, Incident

MIGRATION = Migration(
    "what people did to alarms",
    "CREATE TABLE alarm_acts(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, instance TEXT NOT NULL,"
    " kind TEXT NOT NULL, key TEXT NOT NULL, at_utc_us INTEGER NOT NULL, until_utc_us INTEGER NOT NULL,"
    " who TEXT NOT NULL, reason TEXT NOT NULL)",
)
INCIDENTS = Migration(
    "incidents",
    "CREATE TABLE incidents(id TEXT PRIMARY KEY, kind TEXT NOT NULL, place TEXT NOT NULL, text TEXT NOT NULL,"
    " begin_utc_us INTEGER NOT NULL, end_utc_us INTEGER, members BLOB NOT NULL, times INTEGER NOT NULL)",
)
_COLUMNS = "id, instance, kind, key, at_utc_us, until_utc_us, who, reason"


def put(connection: sqlite3.Connection, act: Act) -> None:
    """Keep an act, and no more than the newest MAX_ACTS."""
    row = (act.action.id, act.instance, *act.action[1:])
    connection.execute(f"INSERT OR IGNORE INTO alarm_acts({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    newest = "SELECT number FROM alarm_acts ORDER BY number DESC LIMIT ?"
    connection.execute(f"DELETE FROM alarm_acts WHERE number NOT IN ({newest})", (MAX_ACTS,))


def newest(connection: sqlite3.Connection) -> list[Act]:
    """Return the acts that are kept, oldest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM alarm_acts ORDER BY number")
    return [Act(instance, Action(number, *rest)) for number, instance, *rest in rows]


def put_incidents(connection: sqlite3.Connection, changed: Iterable[Incident]) -> None:
    """Keep incidents as they are now, and no more than the newest MAX_KNOWN that ended."""
    rows = [(*i[:6], msgpack.packb(i.members), i.times) for i in changed]
    connection.executemany("INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    ended = "SELECT id FROM incidents WHERE end_utc_us IS NOT NULL ORDER BY end_utc_us DESC LIMIT -1 OFFSET ?"
    connection.execute(f"DELETE FROM incidents WHERE id IN ({ended})", (MAX_KNOWN,))


def incidents(connection: sqlite3.Connection) -> list[Incident]:
    """Return the incidents that are kept, oldest first."""
    rows = connection.execute("SELECT * FROM incidents ORDER BY begin_utc_us, id")
    return [Incident._make((*row[:6], tuple(msgpack.unpackb(row[6])), row[7])) for row in rows]
