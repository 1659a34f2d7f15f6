"""Making room in the journal, a little per transaction so that no commit waits for it. Runs on a committer."""

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from protocol.city_link import GapRecord
from protocol.ranges import Ranges

from . import rows
from .city import declare
from .quota import DROP, RELEASE, Measured
from .streams import Key

BATCHES = 256
RUN = "ran_s"


class Order(NamedTuple):
    """What to do: `step` of quota.py; delete what was acked before `expired_s`; `ran_s`: seconds this node ran.

    `pinned` rows are under way to the city and are not dropped; `growing`: gaps that nobody was told of, so they
    may still be extended; `note`: keep `ran_s`, which costs a write.
    """

    step: str
    edge: str
    ran_s: int
    expired_s: int | None
    pinned: Collection[int] = ()
    growing: Mapping[Key, GapRecord] = {}
    note: bool = False


@dataclass
class Swept:
    """What was done: retained batches deleted, rows dropped, gaps declared for them (new or longer than before)."""

    measured: Measured
    released: int = 0
    rows: list[int] = field(default_factory=list)
    gaps: list[GapRecord] = field(default_factory=list)
    more: bool = False


def sweep(c: sqlite3.Connection, order: Order) -> Swept:
    """Carry out an order in one transaction, at most BATCHES batches of each kind."""
    swept = Swept(Measured(0, 0, False))
    if order.expired_s is not None:
        swept.released += _release(c, order.expired_s)
        swept.more = swept.released >= BATCHES
    if order.step == RELEASE:
        swept.released += _release(c, order.ran_s + 1)
    elif order.step == DROP:
        _drop(c, order, swept)
    if order.note:
        c.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (RUN, str(order.ran_s)))
    swept.measured = measure(c)
    return swept


def measure(c: sqlite3.Connection) -> Measured:
    """Return how full the database is."""
    size, pages, free = (int(c.execute(f"PRAGMA {name}").fetchone()[0]) for name in
                         ("page_size", "page_count", "freelist_count"))  # fmt: skip
    query = "SELECT 1 FROM batches INDEXED BY batches_retained WHERE acked_s IS NOT NULL LIMIT 1"
    return Measured((pages - free) * size, free * size, c.execute(query).fetchone() is not None)


def read_ran(c: sqlite3.Connection) -> int:
    """Return the seconds that this node had run when it last noted them."""
    row = c.execute("SELECT value FROM meta WHERE key = ?", (RUN,)).fetchone()
    return int(row[0]) if row else 0


def _release(c: sqlite3.Connection, before_s: int) -> int:
    """Delete the batches that the city has had for longest, if they were acked before `before_s`."""
    done = c.execute(
        "DELETE FROM batches WHERE id IN (SELECT id FROM batches INDEXED BY batches_retained"
        " WHERE acked_s < ? ORDER BY acked_s, id LIMIT ?)",
        (before_s, BATCHES),
    )
    return done.rowcount


def _drop(c: sqlite3.Connection, order: Order, swept: Swept) -> None:
    """Delete the oldest unacked batches and declare them lost, both or none."""
    oldest = c.execute(
        "SELECT id, thing, boot, first, n FROM batches INDEXED BY batches_pending WHERE acked_s IS NULL"
        " ORDER BY id LIMIT ?",
        (BATCHES + len(order.pinned),),
    ).fetchall()
    spans: dict[Key, Ranges] = {}
    for row, thing, boot, first, n in [found for found in oldest if found[0] not in order.pinned][:BATCHES]:
        spans.setdefault((thing, boot), Ranges()).add(first, first + n)
        swept.rows.append(row)
    c.executemany("DELETE FROM batches WHERE id = ?", [(row,) for row in swept.rows])
    for key, dropped in spans.items():
        lost = dropped.difference(rows.stream_ranges(c, "acked", *key)).to_list()
        grown = _extended(c, order.growing.get(key), lost)
        swept.gaps += grown + declare(c, order.edge, key, lost[len(grown) :], "quota")


def _extended(c: sqlite3.Connection, gap: GapRecord | None, lost: list[tuple[int, int]]) -> list[GapRecord]:
    """Make an untold gap longer if the first span follows it: one gap for a long outage, not thousands."""
    if gap is None or not lost or lost[0][0] != gap.end:
        return []
    longer = GapRecord(gap.thing, gap.boot, gap.gap_id, gap.first, lost[0][1], gap.cause, gap.declared_by)
    c.execute(
        "UPDATE gaps SET end = ? WHERE thing = ? AND boot = ? AND gap_id = ?",
        (longer.end, gap.thing, gap.boot, gap.gap_id),
    )
    return [longer]
