"""The engine's log in store.db. How it lies on disk is durable/chained_log.py; what it holds, processes/log.py."""

import sqlite3
from collections.abc import Sequence

from durable import chained_log
from processes import log

MIGRATION = chained_log.MIGRATION


def append(connection: sqlite3.Connection, entries: Sequence[log.Entry], at_utc_us: int) -> None:
    """Store entries, inside the caller's transaction. `at_utc_us`: event time, where they name none; 0: unknown."""
    if entries:
        chained_log.append(connection, log.rows(entries, at_utc_us or chained_log.last_utc_us(connection)))


def last_day(connection: sqlite3.Connection) -> int | None:
    """Return the day, in event time, of the last row that a replay can begin with; None: there is none."""
    at_utc_us = chained_log.last_utc_us(connection, base=True)
    return at_utc_us // log.DAY_US if at_utc_us else None
