"""Tables of store.db. A commit's samples are one blob (with durable's checksum); `at` is a byte offset."""

import sqlite3

import msgpack

from durable import Migration

from ..alarms import rows as alarm_rows
from ..ledger import rows as ledger_rows
from ..notify import rows as notice_rows
from ..reports import rows as report_rows
from . import log_rows

FILE = "store.db"
SEALED = "sealed"
FRAME_COLUMNS = (
    "thing, boot, first, n, commit_no, at, ref_us, ref_utc_us, rate, sigma_us, synced, rx_us, tx_us, city_rx_us"
)
INSERT_FRAME = f"INSERT INTO frames({FRAME_COLUMNS}) VALUES ({', '.join('?' * 14)})"
SELECT_FRAMES = f"SELECT {FRAME_COLUMNS} FROM frames"

SCHEMA = """
CREATE TABLE IF NOT EXISTS blobs(
    commit_no INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS frames(
    thing TEXT NOT NULL, boot TEXT NOT NULL, first INTEGER NOT NULL, n INTEGER NOT NULL,
    commit_no INTEGER NOT NULL, at INTEGER NOT NULL,
    ref_us INTEGER NOT NULL, ref_utc_us INTEGER NOT NULL, rate REAL NOT NULL, sigma_us REAL NOT NULL,
    synced INTEGER NOT NULL,
    rx_us INTEGER NOT NULL, tx_us INTEGER NOT NULL, city_rx_us INTEGER NOT NULL,
    PRIMARY KEY(thing, boot, first)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS frames_by_commit ON frames(commit_no, at);
CREATE TABLE IF NOT EXISTS gaps(
    thing TEXT NOT NULL, boot TEXT NOT NULL, gap_id INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    cause TEXT NOT NULL, declared_by TEXT NOT NULL,
    PRIMARY KEY(thing, boot, gap_id, first, last)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS things(
    thing TEXT NOT NULL, boot TEXT NOT NULL, edge TEXT NOT NULL, info BLOB NOT NULL,
    seen_utc_us INTEGER NOT NULL,
    PRIMARY KEY(thing, boot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts(
    thing TEXT NOT NULL, boot TEXT NOT NULL, edge TEXT NOT NULL, sent INTEGER NOT NULL,
    spans BLOB NOT NULL, at_utc_us INTEGER NOT NULL,
    PRIMARY KEY(thing, boot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tasks(
    number INTEGER PRIMARY KEY,
    task_id BLOB NOT NULL UNIQUE, task BLOB NOT NULL, record BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS engine(
    one INTEGER PRIMARY KEY CHECK(one = 1), commit_no INTEGER NOT NULL, frozen BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS sealed(
    file TEXT PRIMARY KEY, last_commit INTEGER NOT NULL, samples INTEGER NOT NULL, bytes INTEGER NOT NULL,
    ranges BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS quarantined(
    thing TEXT NOT NULL, boot TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS latest(
    datastream TEXT PRIMARY KEY, t_utc_us INTEGER NOT NULL, value REAL, sigma REAL, quality INTEGER NOT NULL
);
"""
INSERT_SPAN = "INSERT OR IGNORE INTO sealed_spans(thing, boot, first, last, file) VALUES (?, ?, ?, ?, ?)"


def _fill_spans(connection: sqlite3.Connection) -> None:
    """Know where the samples are that an earlier release sealed."""
    for file, packed in connection.execute("SELECT file, ranges FROM sealed").fetchall():
        for thing, boot, spans in msgpack.unpackb(packed):
            connection.executemany(INSERT_SPAN, [(thing, boot, first, end, file) for first, end in spans])


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        "the restore epoch, and checksums of sealed files",
        "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE sealed_sums(file TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID",
    ),
    Migration(
        "which sealed file holds a sample",
        # all columns in the key, in its order: the quick_check of SQLite 3.40 misreads a table without rowid otherwise
        "CREATE TABLE sealed_spans(thing TEXT NOT NULL, boot TEXT NOT NULL, first INTEGER NOT NULL,"
        " last INTEGER NOT NULL, file TEXT NOT NULL, PRIMARY KEY(thing, boot, first, last, file)) WITHOUT ROWID",
        lambda connection: _fill_spans(connection),
    ),
    Migration(
        "clock records, and which sample `latest` shows",
        "CREATE TABLE clock_records(thing TEXT NOT NULL, boot TEXT NOT NULL, number INTEGER NOT NULL,"
        " first_us INTEGER NOT NULL, end_us INTEGER NOT NULL, ref_us INTEGER NOT NULL, ref_utc_us INTEGER NOT NULL,"
        " rate REAL NOT NULL, sigma_us REAL NOT NULL, synced INTEGER NOT NULL, PRIMARY KEY(thing, boot, number))",
        "CREATE TABLE latest_from(datastream TEXT PRIMARY KEY, boot TEXT NOT NULL, stamp_us INTEGER NOT NULL)",
    ),
    ledger_rows.MIGRATION,
    alarm_rows.MIGRATION,
    alarm_rows.INCIDENTS,
    notice_rows.MIGRATION,
    report_rows.MIGRATION,
    log_rows.MIGRATION,
    Migration(
        "tasks that 0.1.0 cannot read: of people, and of actuators that want approval or selection",
        "CREATE TABLE orders(number INTEGER PRIMARY KEY, task_id BLOB NOT NULL UNIQUE, task BLOB NOT NULL,"
        " record BLOB NOT NULL)",
    ),
)
"""What changed since 0.1.0, whose tables SCHEMA has; see docs/upgrade.md before adding one."""
