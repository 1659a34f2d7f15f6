"""The durable journal of this node: what it has taken over from boards and not yet handed to the city.

All methods run on one thread (the event loop); work runs on the committer's thread and reports back through
`hop`. A board is acked in `stored`, that is after the commit; a batch is deleted after the city's ack.
"""

import secrets
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from durable import BacklogError, Committer, quarantined
from protocol.city_link import Clock, GapRecord
from protocol.frames import boot_text
from protocol.ranges import Ranges, Span

from . import journal_rows as rows
from .commands import BLOCK
from .journal_rows import NewBatch
from .streams import Key, Stream, Streams

MAX_CACHED = 4096
Hop = Callable[[Callable[[], None]], None]


@dataclass
class Pending:
    """A batch that the city has not acked. `records` None: read them from disk."""

    row: int
    thing: str
    boot: str
    first: int
    n: int
    clock: Clock
    rx_us: int
    records: bytes | None

    @property
    def end(self) -> int:
        """One after the last sample."""
        return self.first + self.n


@dataclass(frozen=True)
class Identity:
    """This start of this node: boot id, how many starts there were, command counters it may use."""

    boot: str
    starts: int
    counters: Span


@dataclass
class Stored:
    """What one commit made durable: the parts of a board's frame that were new, and own samples."""

    batches: list[Pending] = field(default_factory=list)
    own: Pending | None = None


class Journal:
    """Journal on a committer whose schema is `journal_rows.SCHEMA`."""

    def __init__(self, committer: Committer, hop: Hop) -> None:
        """Read what the last run left. Raises: sqlite3.DatabaseError."""
        self._db, self._hop = committer, hop
        self.streams = Streams(committer.read(rows.read_streams))
        self.gaps = {(g.thing, g.boot, g.gap_id): g for g in committer.read(rows.read_gaps)}
        self.pending: dict[int, Pending] = {}
        self._order: dict[Key, list[tuple[int, int]]] = {}
        for pending in committer.read(_read_pending):
            self._remember(pending)
        self.conflicts = self.duplicates = self.refused = 0
        self.quarantined = committer.read(quarantined)

    def begin(self, least_counter: int = 1, random_bits: Callable[[int], int] = secrets.randbits) -> Identity:
        """Return a fresh identity for this start; its numbers are on disk before it is used."""

        def work(c: Any) -> Identity:
            incarnation = int(rows.fixed(c, "incarnation", str(random_bits(32))))
            starts = rows.reserve(c, "boot", 1)
            first = rows.reserve(c, "commands", BLOCK, least_counter)
            boot = boot_text(incarnation.to_bytes(4, "little") + starts.to_bytes(4, "little"))
            return Identity(boot, starts, (first, first + BLOCK))

        return self._db.run(work)

    def began(self, thing: str, boot: str) -> None:
        """A Thing runs under this boot now."""
        if self.streams.by_key.get((thing, boot)) is None:
            self._submit(lambda c: rows.ensure_stream(c, thing, boot))
        self.streams.began(thing, boot)

    def is_new(self, batch: NewBatch) -> bool:
        """Return whether some of the batch is neither durable nor on its way to be."""
        return bool(self.streams.of(batch.thing, batch.boot).taken.missing(batch.first, batch.end))

    def repeated(self, batch: NewBatch) -> None:
        """Count a batch that came again; other content than before is a conflict."""
        self.duplicates += 1
        self._compare(batch)

    def store(
        self,
        batch: NewBatch,
        own: NewBatch | None,
        stored: Callable[[Stored], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Make the new parts of a batch durable, and own samples made from it in the same transaction.

        Own samples get their number in the commit (`own.first` is ignored). `failed`: nothing was kept.
        """
        stream = self.streams.of(batch.thing, batch.boot)
        parts = [batch.part(*span) for span in stream.taken.missing(batch.first, batch.end)]
        if sum(part.n for part in parts) < batch.n:
            self._compare(batch)
        for part in parts:
            stream.taken.add(part.first, part.end)

        def give_back(error: Exception) -> None:
            for part in parts:
                stream.failed(part.first, part.end)
            self.refused += 1
            if failed is not None:
                failed(error)

        self._submit(lambda c: _insert(c, parts, own), lambda done: stored(self._took(done)), give_back)

    def _took(self, done: Stored) -> Stored:
        """Account for what is durable now."""
        for pending in [*done.batches, *([done.own] if done.own else [])]:
            self.streams.of(pending.thing, pending.boot).committed(pending.first, pending.end)
            self._remember(pending)
        return done

    def status(self, thing: str, boot: str, tail: int, head: int) -> None:
        """Keep the board's word on its numbers."""
        stream = self.streams.of(thing, boot)
        if stream.status(tail, head):
            self._submit(lambda c: rows.save_status(c, thing, boot, head, (tail, head)))

    def gap(self, gap: GapRecord, stored: Callable[[GapRecord], None]) -> None:
        """Make a declared loss durable; `stored` is called also if it was before."""

        def done(_: object) -> None:
            self.streams.of(gap.thing, gap.boot).lost.add(gap.first, gap.end)
            self.gaps[gap.thing, gap.boot, gap.gap_id] = gap
            stored(gap)

        self._submit(lambda c: rows.insert_gap(c, gap), done)

    def city_has(self, thing: str, boot: str, spans: list[Span], gaps: list[int]) -> list[int]:
        """The city acked: return the rows that need not be sent any more; they are deleted."""
        stream = self.streams.by_key.get((thing, boot))
        if stream is None:
            return []
        held = Ranges(spans).intersection(stream.received).to_list()
        fresh: list[Span] = []
        for first, end in held:
            fresh += stream.acked.add(first, end)
        known = [gap for gap in gaps if self.gaps.pop((thing, boot, gap), None)]
        done = self._covered(stream, held)
        if fresh or known or done:
            self._submit(lambda c: rows.city_has(c, thing, boot, fresh, done, known))
        return done

    def records(self, pending: Pending) -> bytes | None:
        """Return the records of a batch; a broken one is set aside, counted, and None comes back."""
        if pending.records is not None:
            return pending.records
        found = self._db.read(lambda c: rows.read_records(c, pending.row))
        if found is None or len(found) != pending.n * 12:
            self._set_aside(pending)
            return None
        return found

    def _set_aside(self, pending: Pending) -> None:
        if self.pending.pop(pending.row, None) is None:
            return
        span = pending.first, pending.end
        self._order[pending.thing, pending.boot].remove((pending.first, pending.row))
        self.streams.of(pending.thing, pending.boot).quarantined.add(*span)
        self.quarantined += 1
        self._submit(lambda c: rows.set_aside(c, pending.row, pending.thing, pending.boot, span))

    def save(self, table: str, name: str, blob: bytes) -> None:
        """Keep a blob in `things` or `snapshots` under a name."""
        key = "thing" if table == "things" else "name"
        self._submit(lambda c: rows.put(c, table, key, name, blob))

    def saved(self, table: str) -> dict[str, bytes]:
        """Return the blobs of `things` or `snapshots`; waits, for start-up."""
        key = "thing" if table == "things" else "name"
        return self._db.run(lambda c: rows.get_all(c, table, key))

    def reserve_counters(self, given: Callable[[int, int], None], failed: Callable[[Exception], None]) -> None:
        """Reserve another block of command counters."""
        self._submit(lambda c: rows.reserve(c, "commands", BLOCK), lambda first: given(first, first + BLOCK), failed)

    def submit(self, work: Callable[[Any], Any], done: Callable[[Any], None] | None = None) -> None:
        """Run other work (tasks) in the next commit."""
        self._submit(work, done)

    def close(self) -> None:
        """Commit what is queued, then close."""
        self._db.close()

    def run(self, work: Callable[[Any], Any]) -> Any:
        """Return what work returned, committed; waits, for start-up."""
        return self._db.run(work)

    def health(self) -> dict[str, Any]:
        """Return counts for people."""
        samples = sum(pending.n for pending in self.pending.values())
        return {
            "pending_batches": len(self.pending), "pending_samples": samples,
            "pending_gaps": len(self.gaps), "duplicates": self.duplicates, "refused": self.refused,
            "quarantined": self.quarantined, **self._db.health(),
        }  # fmt: skip

    def _submit(self, work: Callable[[Any], Any], done: Any = None, failed: Any = None) -> None:
        on_done = None if done is None else lambda value: self._hop(lambda: done(value))
        on_failed = None if failed is None else lambda error: self._hop(lambda: failed(error))
        try:
            self._db.submit(work, on_done, on_failed)
        except BacklogError as error:
            self.refused += 1
            if on_failed is not None:
                on_failed(error)

    def _remember(self, pending: Pending) -> None:
        if len(self.pending) >= MAX_CACHED:
            pending.records = None
        self.pending[pending.row] = pending
        insort(self._order.setdefault((pending.thing, pending.boot), []), (pending.first, pending.row))

    def _covered(self, stream: Stream, spans: list[Span]) -> list[int]:
        """Forget the pending batches that the city now has in full; return their rows."""
        order = self._order.get(stream.key, [])
        gone: list[int] = []
        for first, end in spans:
            at = max(0, bisect_left(order, (first, 0)) - 1)
            while at < len(order) and order[at][0] < end:
                pending = self.pending[order[at][1]]
                if stream.acked.covers(pending.first, pending.end):
                    gone.append(pending.row)
                    del self.pending[pending.row], order[at]
                else:
                    at += 1
        return gone

    def _compare(self, batch: NewBatch) -> None:
        """Count a conflict if samples that came before, and are still here, have other content now."""
        order = self._order.get((batch.thing, batch.boot), [])
        at = max(0, bisect_left(order, (batch.first, 0)) - 1)
        while at < len(order) and order[at][0] < batch.end:
            held = self.pending[order[at][1]]
            first, end = max(held.first, batch.first), min(held.end, batch.end)
            if held.records is not None and first < end:
                old = held.records[(first - held.first) * 12 : (end - held.first) * 12]
                self.conflicts += old != batch.part(first, end).records
            at += 1


def _insert(c: Any, parts: list[NewBatch], own: NewBatch | None) -> Stored:
    stored = Stored([_pending(rows.insert_batch(c, part), part) for part in parts])
    if own is not None:
        numbered = NewBatch(**{**vars(own), "first": rows.next_own(c, own.thing, own.boot)})
        stored.own = _pending(rows.insert_batch(c, numbered), numbered)
    return stored


def _pending(row: int, batch: NewBatch) -> Pending:
    return Pending(row, **vars(batch))


def _read_pending(c: Any) -> list[Pending]:
    query = "SELECT id, thing, boot, first, n, clock, rx_us FROM batches ORDER BY id"
    return [
        Pending(row, thing, boot, first, n, rows.unpack_clock(clock), rx_us, None)
        for row, thing, boot, first, n, clock, rx_us in c.execute(query)
    ]
