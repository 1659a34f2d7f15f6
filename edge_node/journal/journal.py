"""The durable journal of this node: what it has taken over from boards and not yet handed to the city.

All methods run on one thread (the event loop); work runs on the committer's thread and reports back through
`hop`. A board is acked in `stored`, that is after the commit; what the city acked is retained for a while, as a city
restored from a backup asks for it again. Batches stay on disk: memory holds ranges and counts, not batches.
"""

import secrets
import sqlite3
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from durable import BacklogError, Committer, DiskFullError, opened, quarantined
from protocol.city_link import GapRecord
from protocol.ranges import Ranges, Span

from ..boards.commands import BLOCK
from ..city.uplink import Ask
from . import city, rows
from .again import Again
from .contradictions import Contradictions
from .group import Frame, Pending, Stored, write
from .identity import Identity, identify
from .keeper import Keeper
from .kept import Kept
from .quota import Limits
from .rows import NewBatch
from .start_file import Started
from .streams import Key, Stream, Streams
from .sweep import Swept, read_ran

Hop = Callable[[Callable[[], None]], None]


def _raise(error: BaseException) -> None:
    raise error


class Page(NamedTuple):
    """Pending batches, ascending, and the row after the last one that was looked at."""

    items: list[Pending]
    after: int


class Journal:
    """Journal on a committer whose schema is `journal_rows.SCHEMA` with `journal_rows.MIGRATIONS`."""

    def __init__(
        self, committer: Committer, hop: Hop, edge: str = "edge", limits: Limits | None = None,
        on_damage: Callable[[BaseException], None] = _raise,
    ) -> None:  # fmt: skip
        """Read what the last run left; `on_damage` is told when the file turns out to be damaged later.

        Raises: sqlite3.DatabaseError.
        """
        self.notices: list[str] = []
        self._on_damage = on_damage
        self._db, self._hop, self._edge = committer, hop, edge
        self.streams = Streams(committer.read(rows.read_streams), committer.read(rows.city_epoch))
        self.gaps = {(g.thing, g.boot, g.gap_id): g for g in committer.read(rows.read_gaps)}
        self.pending_batches, self.retained_batches, self.next_row = committer.read(rows.counts)
        self.duplicates = self.refused = 0
        self.contradictions = Contradictions(committer, self._submit)
        self.dropped = committer.read(city.dropped_samples)
        self.quarantined = committer.read(quarantined)
        self.keeper = Keeper(edge, limits or Limits(), committer.read(read_ran), self._submit, self._swept)
        self._untold: dict[Key, GapRecord] = {}
        self._again = Again()
        self._kept = Kept(self._submit, self._again)
        self._gathered: list[Frame] = []
        self.writing = False

    def tick(self, now_us: int, pinned: Callable[[], Collection[int]] = tuple) -> None:
        """Keep within the limits; call it each tick. `pinned()`: rows under way to the city."""
        self.keeper.tick(now_us, pinned, self._untold, lambda: bool(self.streams.unreconciled()))
        self._again.tick(now_us)

    def begin(
        self,
        least_counter: int = 1,
        random_bits: Callable[[int], int] = secrets.randbits,
        known: Started | None = None,
    ) -> Identity:
        """Return a fresh identity for this start; its numbers are on disk before it is used.

        `known`: what is kept beside the journal. A journal that is behind it, or of another incarnation, is an older
        copy: this node begins a new incarnation, and all its numbers beyond those that were used.
        """
        identity: Identity = self._db.run(lambda c: identify(c, least_counter, random_bits, known))
        if identity.copied:
            self.notices.append(identity.copied)
        return identity

    @property
    def conflicts(self) -> int:
        """How many pieces contradicted earlier ones, and were seen by nobody yet."""
        return len(self.contradictions.open)

    def began(self, thing: str, boot: str) -> None:
        """A Thing runs under this boot now."""
        if self.streams.by_key.get((thing, boot)) is None:
            self._submit(lambda c: rows.ensure_stream(c, thing, boot))
        self.streams.began(thing, boot).own = thing == self._edge
        for stream in [s for s in self.streams.by_key.values() if s.thing == thing and s.recall]:
            self._give_up(stream)

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
        Ask `refusing` first.
        """
        stream = self.streams.of(batch.thing, batch.boot)
        parts = [batch.part(*span) for span in stream.taken.add(batch.first, batch.end)]
        if parts != [batch]:
            self._compare(batch)

        def give_back(error: Exception) -> None:
            for part in parts:
                stream.failed(part.first, part.end)
            self.refused += 1
            self.keeper.urge(isinstance(error, DiskFullError))
            if failed is not None:
                failed(error)

        row, self.next_row = self.next_row, self.next_row + len(parts) + 1
        self._gathered.append(Frame(row, parts, own, stored, give_back))
        if not self.writing:
            self._write()

    def _write(self) -> None:
        """Give what has gathered to the next commit; what comes meanwhile gathers for the one after."""
        frames, self._gathered = self._gathered, []
        self.writing = True

        def told(tell: Callable[[], None]) -> None:
            self.writing = False
            tell()
            if self._gathered and not self.writing:
                self._write()

        def took(done: list[Stored]) -> None:
            self._took(done)
            for frame, stored in zip(frames, done, strict=True):
                frame.stored(stored)

        def undone(error: Exception) -> None:
            for frame in frames:
                frame.failed(error)

        self._submit(
            lambda c: write(c, frames), lambda done: told(lambda: took(done)), lambda error: told(lambda: undone(error))
        )

    def _took(self, done: list[Stored]) -> None:
        """Account for what is durable now."""
        for pending in [pending for stored in done for pending in stored.all]:
            self.streams.of(pending.thing, pending.boot).committed(pending.first, pending.end)
            self.pending_batches += 1
        self.keeper.urge(False)

    @property
    def refusing(self) -> bool:
        """Whether nothing more is taken over from boards, by policy; what they send is not acked."""
        return self.keeper.quota.refusing

    def status(self, thing: str, boot: str, tail: int, head: int) -> None:
        """Keep the board's word on its numbers."""
        stream = self.streams.of(thing, boot)
        if stream.status(tail, head):
            self._submit(lambda c: rows.save_status(c, thing, boot, head, (tail, head)))
        self._give_up(stream)

    def gap(self, gap: GapRecord, stored: Callable[[GapRecord], None]) -> None:
        """Make a declared loss durable; `stored` is called also if it was before."""

        def done(_: object) -> None:
            self.streams.of(gap.thing, gap.boot).declared(gap.first, gap.end, own=False)
            self.gaps[gap.thing, gap.boot, gap.gap_id] = gap
            stored(gap)

        self._submit(lambda c: rows.insert_gap(c, gap), done)

    def gaps_to_tell(self) -> list[GapRecord]:
        """Return the losses that the city has not acked, without those that are just growing."""
        growing = {gap.gap_id for gap in self.keeper.growing.values()}
        return [gap for gap in self.gaps.values() if gap.gap_id not in growing]

    def told(self, gap: GapRecord) -> None:
        """The city was told: this gap does not grow any more."""
        self._untold.pop((gap.thing, gap.boot), None)

    def city_has(self, thing: str, boot: str, spans: list[Span], gaps: list[int]) -> None:
        """The city acked: its samples need not be sent any more, and are retained on disk for a while."""
        stream = self.streams.by_key.get((thing, boot))
        if stream is None:
            return
        held = Ranges(spans).intersection(stream.received).to_list()
        fresh: list[Span] = []
        for first, end in held:
            fresh += stream.acked.add(first, end)
        if stream.epoch < self.streams.epoch:  # what was acked before may be forgotten, what is acked now is not
            fresh = held
            stream.acked_since = stream.acked_since.union(Ranges(held))
        known = [gap for gap in gaps if self.gaps.pop((thing, boot, gap), None)]
        if fresh or known:
            self._keep_ack((thing, boot), fresh, known, self.streams.epoch)

    def _keep_ack(self, key: Key, spans: list[Span], gaps: list[int], epoch: int) -> None:
        """Note on disk what the city has; a full disk is asked again later, unless the city was restored meanwhile."""
        if epoch != self.streams.epoch:
            return
        acked_s = self.keeper.acked_s
        self._submit(
            lambda c: city.city_has(c, key, spans, gaps, acked_s),
            lambda done: self._count(-done, done if acked_s is not None else 0),
            lambda _: self._again.later(lambda: self._keep_ack(key, spans, gaps, epoch)),
        )

    def wanted(self, pending: Any) -> bool:
        """Return whether a batch is still to be brought to the city."""
        stream = self.streams.by_key.get((pending.thing, pending.boot))
        return stream is not None and stream.wants(pending.first, pending.end)

    def page(self, ask: Ask) -> Page:
        """Return pending batches from disk; broken ones are set aside and counted."""
        found = self._read(lambda c: rows.read_page(c, *ask))
        items = []
        for row, thing, boot, first, n, clock, rx_us, stored in found:
            records = opened(stored)
            if records is None or len(records) != n * 12:
                self._set_aside(row, (thing, boot), (first, first + n))
            else:
                items.append(Pending(thing, boot, first, n, rows.unpack_clock(clock), rx_us, records, row))
        return Page(items, found[-1][0] + 1 if len(found) == ask.limit else ask.before)

    def _set_aside(self, row: int, key: Key, span: Span) -> None:
        """A broken batch goes to quarantine, once."""
        stream = self.streams.of(*key)
        if stream.quarantined.covers(*span):
            return
        stream.quarantined.add(*span)
        self.quarantined += 1
        self._keep_aside(row, key, span)

    def _keep_aside(self, row: int, key: Key, span: Span) -> None:
        self._submit(
            lambda c: rows.set_aside(c, row, *key, span),
            lambda _: self._count(-1, 0),
            lambda _: self._again.later(lambda: self._keep_aside(row, key, span)),
        )

    def raise_epoch(self, epoch: int, done: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        """Keep the city's new restore epoch; `done` once it is durable. Acks of earlier epochs are in doubt."""

        def raised(doubtful: list[Key]) -> None:
            self.streams.epoch = max(epoch, self.streams.epoch)
            known = set(doubtful)
            for key, stream in self.streams.by_key.items():
                stream.epoch = stream.epoch if key in known else epoch
            done()

        self._submit(lambda c: city.raise_epoch(c, epoch), raised, failed)

    def reconcile(
        self, key: Key, answer: tuple[Ranges, set[int]], done: Callable[[city.Reconciled], None],
        failed: Callable[[Exception], None],
    ) -> None:  # fmt: skip
        """Bring a stream in line with what the restored city says it has."""
        stream, epoch, acked_s = self.streams.of(*key), self.streams.epoch, self.keeper.acked_s
        ring = Ranges([stream.ring]) if stream.current else Ranges()

        def reconciled(made: city.Reconciled) -> None:
            stream.acked = made.acked.union(stream.acked_since)
            stream.acked_since = Ranges()
            stream.recalled(made.recall.to_list())
            stream.epoch = epoch
            self._declared(made.declared)
            for gap_id in [k[2] for k in self.gaps if k[:2] == key]:
                del self.gaps[*key, gap_id]
            self.gaps.update({(g.thing, g.boot, g.gap_id): g for g in made.gaps})
            self._count(made.pending, made.retained)
            done(made)

        self._submit(lambda c: city.reconcile(c, self._edge, key, epoch, answer, ring, acked_s), reconciled, failed)

    def _give_up(self, stream: Stream) -> None:
        """What was hoped for from a board and is not in its ring any more is lost."""
        gone = stream.gone
        if gone:
            for span in gone.to_list():
                stream.recall.remove(*span)
            self._submit(lambda c: city.declare_gone(c, self._edge, stream.key, gone), self._declared)

    def _declared(self, gaps: list[GapRecord]) -> None:
        for gap in gaps:
            self.streams.of(gap.thing, gap.boot).declared(gap.first, gap.end, own=True)
            self.gaps[gap.thing, gap.boot, gap.gap_id] = gap

    def _swept(self, swept: Swept) -> None:
        """Room was made: what was dropped is lost and declared, durably."""
        self._count(-len(swept.rows), -swept.released)
        for gap in swept.gaps:
            old = self.gaps.get((gap.thing, gap.boot, gap.gap_id))
            self.dropped += gap.end - (old.end if old else gap.first)
            self._untold[gap.thing, gap.boot] = gap
        self._declared(swept.gaps)

    def _count(self, pending: int, retained: int) -> None:
        self.pending_batches += pending
        self.retained_batches += retained

    def save(self, table: str, name: str, blob: bytes) -> None:
        """Keep a blob in `things` or `snapshots` under a name."""
        self._kept.save(table, name, blob)

    def saved(self, table: str) -> dict[str, bytes]:
        """Return the blobs of `things` or `snapshots`; waits, for start-up."""
        key = "thing" if table == "things" else "name"
        return self._db.run(lambda c: rows.get_all(c, table, key))

    def reserve_counters(self, given: Callable[[int, int], None], failed: Callable[[Exception], None]) -> None:
        """Reserve another block of command counters."""
        self._submit(lambda c: rows.reserve(c, "commands", BLOCK), lambda first: given(first, first + BLOCK), failed)

    def submit(self, work: Callable[[Any], Any], done: Any = None, failed: Any = None) -> None:
        """Run other work (tasks) in the next commit."""
        self._submit(work, done, failed)

    def close(self) -> None:
        """Commit what is queued, then close."""
        if self._gathered:
            self._write()
        self._db.close()

    def run(self, work: Callable[[Any], Any]) -> Any:
        """Return what work returned, committed; waits, for start-up."""
        return self._db.run(work)

    def accounts(self) -> list[dict[str, Any]]:
        """Return the accounts for a heartbeat."""
        undeclared: dict[Key, list[Span]] = {}
        for gap in self.gaps.values():
            undeclared.setdefault((gap.thing, gap.boot), []).append((gap.first, gap.end))
        return self.streams.accounts(undeclared)

    def health(self) -> dict[str, Any]:
        """Return counts for people."""
        samples = sum(stream.pending.total() for stream in self.streams.by_key.values())
        return {
            "pending_batches": self.pending_batches, "pending_samples": samples,
            "retained_batches": self.retained_batches, "pending_gaps": len(self.gaps),
            "duplicates": self.duplicates, "refused": self.refused, "dropped": self.dropped,
            "quarantined": self.quarantined, "notices": self.notices, "quota": self.keeper.quota.health(),
            **self._db.health(),
        }  # fmt: skip

    def _read(self, query: Callable[[Any], Any]) -> Any:
        try:
            return self._db.read(query)
        except sqlite3.DatabaseError as error:
            self._on_damage(error)
            raise

    def _submit(self, work: Callable[[Any], Any], done: Any = None, failed: Any = None) -> None:
        on_done = None if done is None else lambda value: self._hop(lambda: done(value))
        on_failed = None if failed is None else lambda error: self._hop(lambda: failed(error))
        try:
            self._db.submit(work, on_done, on_failed)
        except BacklogError as error:
            self.refused += 1
            if on_failed is not None:
                on_failed(error)

    def _compare(self, batch: NewBatch) -> None:
        """Count a conflict if samples that came before, and are still here, have other content now."""
        for held, records in self._read(lambda c: rows.read_overlapping(c, batch)):
            first, end = max(held.first, batch.first), min(held.end, batch.end)
            old = records[(first - held.first) * 12 : (end - held.first) * 12]
            if old != batch.part(first, end).records:
                self.contradictions.note(batch.thing, batch.boot, first, end, batch.rx_us)
