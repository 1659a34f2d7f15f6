"""The table of what people did to alarms."""

import sqlite3

from durable import Migration
from processes.alarms.actions import Action

from .acts import MAX_ACTS, Act

MIGRATION = Migration(
    "what people did to alarms",
    "CREATE TABLE alarm_acts(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, instance TEXT NOT NULL,"
    " kind TEXT NOT NULL, key TEXT NOT NULL, at_utc_us INTEGER NOT NULL, until_utc_us INTEGER NOT NULL,"
    " who TEXT NOT NULL, reason TEXT NOT NULL)",
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
