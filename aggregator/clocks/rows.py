"""Clock records in store.db, and what they mean for the rows of `latest`."""

import sqlite3
from collections.abc import Iterable

from protocol.city_link import Clock, ClockRecord

_COLUMNS = "thing, boot, number, first_us, end_us, ref_us, ref_utc_us, rate, sigma_us, synced"
_INSERT = f"INSERT OR IGNORE INTO clock_records({_COLUMNS}) VALUES ({', '.join('?' * 10)})"
_SHOWN = (
    "SELECT datastream, stamp_us FROM latest_from WHERE boot = ? AND stamp_us >= ? AND stamp_us < ?"
    " AND substr(datastream, 1, ?) = ?"
)
_MOVE = "UPDATE latest SET t_utc_us = ? WHERE datastream = ?"
PUT_FROM = (
    "INSERT OR REPLACE INTO latest_from(datastream, boot, stamp_us) SELECT ?, ?, ?"
    " WHERE EXISTS (SELECT 1 FROM latest WHERE datastream = ? AND t_utc_us = ?)"
)


def insert(connection: sqlite3.Connection, records: Iterable[ClockRecord]) -> None:
    """Keep records; sealed values that `latest` shows move with them. Inside the caller's transaction."""
    for record in sorted(records, key=lambda r: r.number):
        c = record.clock
        place = record.thing, record.boot, record.number, record.first_us, record.end_us
        connection.execute(_INSERT, (*place, c.ref_us, c.ref_utc_us, c.rate, c.sigma_us, int(c.synced)))
        if c.synced:
            _move_latest(connection, record)


def _move_latest(connection: sqlite3.Connection, record: ClockRecord) -> None:
    prefix, c = f"{record.thing}/", record.clock
    which = record.boot, record.first_us, record.end_us, len(prefix), prefix
    for datastream, stamp_us in connection.execute(_SHOWN, which).fetchall():
        t_utc_us = c.ref_utc_us + round(c.rate * (stamp_us - c.ref_us))
        connection.execute(_MOVE, (t_utc_us, datastream))


def read(connection: sqlite3.Connection) -> list[ClockRecord]:
    """Return all records, oldest number first; none of a store that 0.1.0 left and nobody has opened since."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'clock_records'").fetchone():
        return []
    rows = connection.execute(f"SELECT {_COLUMNS} FROM clock_records ORDER BY thing, boot, number")
    return [
        ClockRecord(thing, boot, number, first_us, end_us, Clock(ref_us, ref_utc_us, rate, sigma_us, bool(synced)))
        for thing, boot, number, first_us, end_us, ref_us, ref_utc_us, rate, sigma_us, synced in rows
    ]
