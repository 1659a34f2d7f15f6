"""The engine's log in journal.db. How it lies on disk is durable/chained_log.py; what it holds, processes/log.py."""

import sqlite3
from collections.abc import Sequence

from durable import chained_log
from processes import log


def append(connection: sqlite3.Connection, entries: Sequence[log.Entry], at_utc_us: int, most_bytes: int) -> None:
    """Store entries in the caller's transaction; now and then many small rows become one, and the oldest days go."""
    if entries:
        chained_log.append(connection, log.rows(entries, at_utc_us or chained_log.last_utc_us(connection)))
    if any(entry[0] == "frozen" for entry in entries):
        chained_log.keep(connection, most_bytes)


def last_day(connection: sqlite3.Connection) -> int | None:
    """Return the day, in event time, of the last row that a replay can begin with; None: there is none."""
    at_utc_us = chained_log.last_utc_us(connection, base=True)
    return at_utc_us // log.DAY_US if at_utc_us else None
