"""The tables of reports, and of the samples that each became."""

import sqlite3
from typing import NamedTuple

from durable import Migration

from .stream import Sample

MIGRATION = Migration(
    "reports of people",
    "CREATE TABLE reports(id TEXT PRIMARY KEY, service TEXT NOT NULL, at_utc_us INTEGER NOT NULL, lat REAL, lon REAL,"
    " address TEXT NOT NULL, description TEXT NOT NULL, value REAL NOT NULL, verdict TEXT NOT NULL,"
    " verdict_by TEXT NOT NULL, verdict_utc_us INTEGER)",
    "CREATE TABLE report_samples(boot TEXT NOT NULL, seq INTEGER NOT NULL, report TEXT NOT NULL,"
    " channel INTEGER NOT NULL, quality INTEGER NOT NULL, stamp_us INTEGER NOT NULL, value REAL NOT NULL,"
    " at_utc_us INTEGER NOT NULL, synced INTEGER NOT NULL, PRIMARY KEY(boot, seq))",
)
MAX_KEPT = 100_000
_PUT_SAMPLE = "INSERT INTO report_samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Report(NamedTuple):
    """What somebody reported; nothing of who it was. `verdict`: "", confirmed or refuted."""

    id: str
    service: str
    at_utc_us: int
    lat: float | None
    lon: float | None
    address: str
    description: str
    value: float
    verdict: str = ""
    verdict_by: str = ""
    verdict_utc_us: int | None = None


def put(connection: sqlite3.Connection, report: Report, boot: str, sample: Sample) -> None:
    """Keep a report as it is now, with the sample that it becomes."""
    connection.execute("INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", report)
    connection.execute(_PUT_SAMPLE, (boot, sample.seq, report.id, *sample[1:]))
    for table in ("reports", "report_samples"):  # strangers fill them, if slowly
        connection.execute(f"DELETE FROM {table} WHERE rowid <= (SELECT max(rowid) FROM {table}) - ?", (MAX_KEPT,))


def find(connection: sqlite3.Connection, number: str) -> Report | None:
    """Return a report by its id."""
    row = connection.execute("SELECT * FROM reports WHERE id = ?", (number,)).fetchone()
    return Report._make(row) if row else None


class Filter(NamedTuple):
    """Which reports are meant; empty: any. Times in event time, half open; `verdicts` as in Report."""

    ids: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    from_utc_us: int | None = None
    to_utc_us: int | None = None


def newest(connection: sqlite3.Connection, wanted: Filter, limit: int, offset: int = 0) -> list[Report]:
    """Return the reports that are meant, newest first."""
    rules: list[str] = []
    values: list[int | str] = []
    for column, among in (("id", wanted.ids), ("service", wanted.services), ("verdict", wanted.verdicts)):
        if among:
            rules.append(f"{column} IN ({', '.join('?' * len(among))})")
            values += among
    for rule, bound in (("at_utc_us >= ?", wanted.from_utc_us), ("at_utc_us < ?", wanted.to_utc_us)):
        if bound is not None:
            rules.append(rule)
            values.append(bound)
    where = f"WHERE {' AND '.join(rules)}" if rules else ""
    query = f"SELECT * FROM reports {where} ORDER BY at_utc_us DESC, id LIMIT ? OFFSET ?"
    return [Report._make(row) for row in connection.execute(query, (*values, limit, offset))]


def samples_of(connection: sqlite3.Connection, boot: str) -> list[Sample]:
    """Return the samples that reports became under a boot, by number."""
    query = "SELECT seq, channel, quality, stamp_us, value, at_utc_us, synced FROM report_samples WHERE boot = ?"
    rows = connection.execute(f"{query} ORDER BY seq", (boot,))
    return [Sample._make((*row[:6], bool(row[6]))) for row in rows]


def boots(connection: sqlite3.Connection) -> list[str]:
    """Return the boots under which there are samples."""
    return [row[0] for row in connection.execute("SELECT DISTINCT boot FROM report_samples ORDER BY boot")]
