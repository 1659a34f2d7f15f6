"""Clock records in the journal: numbered, kept until the city has them, and what has no event time yet.

Same thread and committer as the journal; `ClockLog` is to clock records what `Journal` is to gaps.
"""

import sqlite3
from collections.abc import Iterable
from functools import partial

from protocol.city_link import ClockRecord

from ..journal.journal import Journal
from ..journal.rows import pack_clock, unpack_clock
from ..journal.streams import Key
from .book import ClockBook, Use

KEEP = 4096
AHEAD_US = 60_000_000
Name = tuple[str, str, int]


class ClockLog:
    """What the city does not have yet (`unacked`), and the book's memory over a restart."""

    def __init__(self, journal: Journal, book: ClockBook) -> None:
        """Read what earlier runs left."""
        self._journal, self._book = journal, book
        self.unacked: dict[Name, ClockRecord] = {r_name(r): r for r in journal.run(_unacked)}
        self._saved: dict[tuple[str, str, int], int] = {}
        if journal.run(_epoch) < journal.streams.epoch:
            self.city_lost(journal.streams.epoch)
        for thing, boot, last in journal.run(_numbers):
            book.numbered((thing, boot), last)
        for thing, boot, first_us, end_us in journal.run(_unsynced):
            book.unsettled((thing, boot), first_us, end_us)
            self._saved[thing, boot, first_us] = end_us

    def used(self, key: Key, use: Use) -> None:
        """Keep that stamps wait for their event time; written a minute ahead, so once a minute."""
        if use.clock.synced or self._saved.get((*key, use.first_us), 0) >= use.end_us:
            return
        end_us = self._saved[*key, use.first_us] = use.end_us + AHEAD_US
        self._journal.submit(partial(_put_unsynced, row=(*key, use.first_us, end_us)))

    def add(self, records: list[ClockRecord]) -> None:
        """Make records durable; what they cover waits no more. They are `unacked` once they are on disk."""
        if not records:
            return
        waiting = {(*key, use.first_us): use.end_us for key, use in self._book.unsynced()}
        gone = [name for name in self._saved if name not in waiting]
        self._saved = {name: end_us for name, end_us in self._saved.items() if name in waiting}
        self._journal.submit(
            partial(_insert, records=records, gone=gone, waiting=waiting),
            lambda _: self.unacked.update({r_name(r): r for r in records}),
        )

    def city_has(self, thing: str, boot: str, numbers: Iterable[int]) -> None:
        """The city acked these records."""
        known = [number for number in numbers if self.unacked.pop((thing, boot, number), None)]
        if known:
            self._journal.submit(partial(_set_acked, rows=[(thing, boot, number) for number in known]))

    def city_lost(self, epoch: int) -> None:
        """The city was restored from a backup, which began `epoch`: it may lack any record, so all are sent again."""
        self._journal.submit(
            partial(_set_unacked, epoch=epoch), lambda found: self.unacked.update({r_name(r): r for r in found})
        )


def r_name(record: ClockRecord) -> Name:
    """Return what identifies a record."""
    return record.thing, record.boot, record.number


def _unacked(c: sqlite3.Connection) -> list[ClockRecord]:
    rows = c.execute("SELECT thing, boot, number, first_us, end_us, clock FROM clock_records WHERE acked = 0")
    return [
        ClockRecord(thing, boot, number, first_us, end_us, unpack_clock(clock))
        for thing, boot, number, first_us, end_us, clock in rows
    ]


def _numbers(c: sqlite3.Connection) -> list[tuple[str, str, int]]:
    return c.execute("SELECT thing, boot, max(number) FROM clock_records GROUP BY thing, boot").fetchall()


def _unsynced(c: sqlite3.Connection) -> list[tuple[str, str, int, int]]:
    return c.execute("SELECT thing, boot, first_us, end_us FROM unsynced_stamps").fetchall()


def _put_unsynced(c: sqlite3.Connection, row: tuple[str, str, int, int]) -> None:
    c.execute("INSERT OR REPLACE INTO unsynced_stamps (thing, boot, first_us, end_us) VALUES (?, ?, ?, ?)", row)


def _insert(
    c: sqlite3.Connection, records: list[ClockRecord], gone: list[Name], waiting: dict[Name, int]
) -> None:  # fmt: skip
    c.executemany(
        "INSERT OR IGNORE INTO clock_records (thing, boot, number, first_us, end_us, clock) VALUES (?, ?, ?, ?, ?, ?)",
        [(*r_name(r), r.first_us, r.end_us, pack_clock(r.clock)) for r in records],
    )
    c.executemany("DELETE FROM unsynced_stamps WHERE thing = ? AND boot = ? AND first_us = ?", gone)
    for name, end_us in waiting.items():
        _put_unsynced(c, (*name, end_us))
    c.execute(
        "DELETE FROM clock_records AS old WHERE acked = 1 AND id <= (SELECT max(id) FROM clock_records) - ? AND"
        " number < (SELECT max(number) FROM clock_records AS r WHERE r.thing = old.thing AND r.boot = old.boot)",
        (KEEP,),  # a stream's last number stays: it is never given again
    )


def _set_acked(c: sqlite3.Connection, rows: list[Name]) -> None:
    c.executemany("UPDATE clock_records SET acked = 1 WHERE thing = ? AND boot = ? AND number = ?", rows)


def _set_unacked(c: sqlite3.Connection, epoch: int) -> list[ClockRecord]:
    c.execute("UPDATE clock_records SET acked = 0")
    c.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('clocks_epoch', ?)", (str(epoch),))
    return _unacked(c)


def _epoch(c: sqlite3.Connection) -> int:
    """Return the restore epoch in which `acked` is true."""
    row = c.execute("SELECT value FROM meta WHERE key = 'clocks_epoch'").fetchone()
    return int(row[0]) if row else 0
