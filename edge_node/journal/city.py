"""What the city has of the journal, on disk: acks, a restored city's answers, declared losses. Runs on a committer."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol.city_link import GapRecord
from protocol.ranges import Ranges, Span

from ..city.reconcile import plan
from . import rows
from .streams import Key

GAP_BITS = 32
INCARNATION_BITS = 30


@dataclass
class Reconciled:
    """What a stream is after the city told what it has. `again`: samples to resend from row `first_row` on.

    `pending`, `retained`: by how many the counts of batches changed; `gaps` are to be told (again).
    """

    acked: Ranges
    recall: Ranges
    again: Ranges
    gaps: list[GapRecord] = field(default_factory=list)
    declared: list[GapRecord] = field(default_factory=list)
    first_row: int | None = None
    pending: int = 0
    retained: int = 0


def city_has(c: sqlite3.Connection, key: Key, spans: list[Span], gaps: list[int], acked_s: int | None) -> int:
    """The city stored these: remember the ranges, retain the batches (None: delete); return how many."""
    acked = rows.grow(c, "acked", *key, spans)
    c.executemany(
        "UPDATE gaps SET acked = 1 WHERE thing = ? AND boot = ? AND gap_id = ?", [(*key, gap) for gap in gaps]
    )
    return _settle(c, key, spans, acked, acked_s)


def _settle(c: sqlite3.Connection, key: Key, spans: list[Span], acked: Ranges, acked_s: int | None) -> int:
    """Retain or delete the pending batches that the city now has in full; return how many."""
    found = {held.row: held for span in spans for held in rows.overlapping(c, *key, *span)}
    done = [h.row for h in found.values() if h.acked_s is None and acked.covers(h.first, h.end)]
    if acked_s is None:
        c.executemany("DELETE FROM batches WHERE id = ?", [(row,) for row in done])
    else:
        c.executemany("UPDATE batches SET acked_s = ? WHERE id = ?", [(acked_s, row) for row in done])
    return len(done)


def raise_epoch(c: sqlite3.Connection, epoch: int) -> list[Key]:
    """Keep the city's new restore epoch; return the streams whose acks are to be asked about."""
    c.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (rows.EPOCH, str(epoch)))
    c.execute(
        "UPDATE streams SET epoch = ? WHERE acked = '[]' AND NOT EXISTS"
        " (SELECT 1 FROM gaps WHERE gaps.thing = streams.thing AND gaps.boot = streams.boot AND acked = 1)",
        (epoch,),
    )
    return list(c.execute("SELECT thing, boot FROM streams WHERE epoch < ? ORDER BY id", (epoch,)))


def declare(c: sqlite3.Connection, edge: str, key: Key, spans: list[Span], cause: str) -> list[GapRecord]:
    """Declare samples lost that this node dropped; the ids are no board's and no other node's."""
    if not spans:
        return []
    incarnation = int(rows.fixed(c, "incarnation", "0"))
    base = rows.OWN_GAPS | (incarnation % (1 << INCARNATION_BITS)) << GAP_BITS
    first = rows.reserve(c, "gaps", len(spans))
    found = [GapRecord(*key, base + first + at, *span, cause, edge) for at, span in enumerate(spans)]
    for gap in found:
        rows.insert_gap(c, gap)
    return found


def reconcile(
    c: sqlite3.Connection, edge: str, key: Key, epoch: int, answer: tuple[Ranges, set[int]], ring: Ranges,
    acked_s: int | None,
) -> Reconciled:  # fmt: skip
    """Bring a stream in line with what the restored city has, all or nothing."""
    have, known_gaps = answer
    received, acked, recall = (rows.stream_ranges(c, name, *key) for name in ("received", "acked", "recall"))
    explained = rows.stream_ranges(c, "quarantined", *key).union(_dropped(c, key))
    lacks = acked.difference(have).difference(explained)
    held = {h.row: h for span in lacks.to_list() for h in rows.overlapping(c, *key, *span)}
    made = plan(acked, have, received, explained, Ranges((h.first, h.end) for h in held.values()), ring)
    again = [h.row for h in held.values() if h.acked_s is not None]
    c.executemany("UPDATE batches SET acked_s = NULL WHERE id = ?", [(row,) for row in again])
    rows.set_ranges(c, "acked", *key, made.acked)
    rows.set_ranges(c, "received", *key, received.difference(made.recall))
    rows.set_ranges(c, "recall", *key, recall.union(made.recall))
    c.execute("UPDATE streams SET epoch = ? WHERE thing = ? AND boot = ?", (epoch, *key))
    done = _settle(c, key, made.acked.to_list(), made.acked, acked_s)
    declared = declare(c, edge, key, made.declare.to_list(), "restore")
    return Reconciled(
        made.acked, made.recall, made.again, _gaps_to_tell(c, key, known_gaps), declared,
        min(again, default=None), len(again) - done, (done if acked_s is not None else 0) - len(again),
    )  # fmt: skip


def dropped_samples(c: sqlite3.Connection) -> int:
    """Return how many samples this node dropped for want of room."""
    query = "SELECT total(end - first) FROM gaps WHERE cause = 'quota' AND gap_id >= ?"
    return int(c.execute(query, (rows.OWN_GAPS,)).fetchone()[0])


def _dropped(c: sqlite3.Connection, key: Key) -> Ranges:
    """Return what this node declared lost. A board's word is not enough: after a power cut it declares all that it
    cannot rule out, and some of that was taken over before."""
    query = "SELECT first, end FROM gaps WHERE thing = ? AND boot = ? AND gap_id >= ?"
    return Ranges(c.execute(query, (*key, rows.OWN_GAPS)))


def _gaps_to_tell(c: sqlite3.Connection, key: Key, known: set[int]) -> list[GapRecord]:
    """Return the stream's gaps that the city lacks; the others count as acked."""
    there = c.execute("SELECT gap_id, acked FROM gaps WHERE thing = ? AND boot = ?", key).fetchall()
    changed = [(gap_id in known, *key, gap_id) for gap_id, acked in there if bool(acked) != (gap_id in known)]
    c.executemany("UPDATE gaps SET acked = ? WHERE thing = ? AND boot = ? AND gap_id = ?", changed)
    return [gap for gap in rows.read_gaps(c) if (gap.thing, gap.boot) == key]


def declare_gone(c: sqlite3.Connection, edge: str, key: Key, gone: Ranges) -> list[GapRecord]:
    """The board has not got these any more either: they are lost."""
    recall = rows.stream_ranges(c, "recall", *key).difference(rows.stream_ranges(c, "received", *key))
    lost = recall.intersection(gone)
    rows.set_ranges(c, "recall", *key, recall.difference(lost))
    return declare(c, edge, key, lost.to_list(), "restore")


def declare_damage(c: sqlite3.Connection, edge: str, rings: Mapping[Key, Ranges]) -> int:
    """A damaged journal was replaced by what could be read of it: declare what it held once; return how many."""
    total = 0
    for thing, boot in c.execute("SELECT thing, boot FROM streams ORDER BY id").fetchall():
        key: Key = (thing, boot)
        received, acked, recall = (rows.stream_ranges(c, name, *key) for name in ("received", "acked", "recall"))
        gone = rows.stream_ranges(c, "quarantined", *key).union(_dropped(c, key)).union(acked)
        held = c.execute("SELECT first, first + n FROM batches WHERE thing = ? AND boot = ?", key)
        lost = received.difference(gone).difference(Ranges(held))
        ring = lost.intersection(rings.get(key, Ranges()))
        rows.set_ranges(c, "received", *key, received.difference(ring))
        rows.set_ranges(c, "recall", *key, recall.union(ring))
        declared = declare(c, edge, key, lost.difference(ring).to_list(), "damage")
        total += sum(gap.end - gap.first for gap in declared)
    return total
