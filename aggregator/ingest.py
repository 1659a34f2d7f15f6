"""Which samples are new, which are known, which contradict: receiving without I/O.

A batch is (thing, boot, first, n): identity, not content, decides what is new. `take_*` plans work into the
open group; the shell commits the group (store.py) and only then asks `committed` for the acks. Live data
may overtake backlog, so received ranges are kept per (thing, boot), and the ledger sees committed ones only.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from protocol.city_link import Ack, Batch, Clock, ClockRecord, GapRecord
from protocol.ranges import Ranges

from .caps.limits import LimitsSection
from .caps.quota import Quota
from .clocks.table import ClockTable
from .errors import PeerError
from .store.conflicts import Conflict, Conflicts
from .store.doubts import Doubts, Piece

Key: TypeAlias = tuple[str, str]
RECORD_BYTES = 12
MAX_SEQ = 2**32
MAX_ACK_RANGES = 256
_NO_CLOCK = Clock(0, 0, 1.0, 0.0, False)


@dataclass(frozen=True)
class Frame:
    """New samples [first, first + n) of one batch; `rx_us`, `tx_us` in edge boottime, `city_rx_us` ours."""

    thing: str
    boot: str
    first: int
    n: int
    clock: Clock
    rx_us: int
    tx_us: int
    city_rx_us: int
    records: bytes


Lookup: TypeAlias = Callable[[str, str, int, int], list[tuple[int, bytes]]]
"""Stored pieces overlapping [first, end) of (thing, boot), as (first, records)."""


class Owed(NamedTuple):
    """What an ack is to tell: ranges of samples, gap ids, numbers of clock records."""

    ranges: list[tuple[int, int]]
    gaps: list[int]
    clocks: list[int]


@dataclass
class Group:
    """Work that one commit makes durable, and what is owed to whom once it is."""

    frames: list[Frame] = field(default_factory=list)
    gaps: list[GapRecord] = field(default_factory=list)
    clocks: list[ClockRecord] = field(default_factory=list)
    rejected: list[Frame] = field(default_factory=list)
    utc_us: int = 0
    owed: dict[tuple[str, str, str], Owed] = field(default_factory=dict)

    def owe(self, edge: str, key: Key) -> Owed:
        """Return what is to be acknowledged to this edge for (thing, boot)."""
        return self.owed.setdefault((edge, *key), Owed([], [], []))


@dataclass
class Ingest:
    """State: what was received, what of it is committed, and counters."""

    lookup: Lookup
    stored: dict[Key, Ranges] = field(default_factory=dict)
    lost: dict[Key, Ranges] = field(default_factory=dict)
    quarantined: dict[Key, Ranges] = field(default_factory=dict)
    clocks: ClockTable = field(default_factory=ClockTable)
    contradictions: Conflicts = field(default_factory=Conflicts)
    duplicates: int = 0
    samples: int = 0
    quota: Quota = field(default_factory=lambda: Quota(LimitsSection()))
    gaps: dict[Key, set[tuple[int, int, int]]] = field(default_factory=dict)
    doubts: Doubts | None = None
    group: Group = field(default_factory=Group)

    def __post_init__(self) -> None:
        self._planned = {key: r.copy() for key, r in self.stored.items()}  # what is quarantined may come again
        self._spans = {key: ranges.count() for key, ranges in self._planned.items()}

    @property
    def conflicts(self) -> int:
        """How many pieces contradict stored ones and were seen by nobody yet, those of the open group included."""
        return len(self.contradictions) + len(self.group.rejected)

    def take_batch(self, edge: str, batch: Batch, now_us: int) -> None:
        """Plan a batch. Raises: PeerError for one that cannot be right."""
        _check(batch)
        key, end = (batch.thing, batch.boot), batch.first + batch.n
        new = self._plan(edge, key, batch.first, end)
        doubtful = self._compare_known(edge, batch, new, now_us)
        self.group.frames += [_piece(batch, a, b, now_us) for a, b in new]
        self.group.owe(edge, key).ranges.extend(doubtful.missing(batch.first, end))

    def take_gap(self, edge: str, gap: GapRecord) -> None:
        """Plan a loss that its dropper declares. Raises: PeerError."""
        if not 0 <= gap.first < gap.end <= MAX_SEQ:
            raise PeerError("gap_range", f"gap [{gap.first}, {gap.end}) of {gap.thing} is no range")
        key, row = (gap.thing, gap.boot), (gap.gap_id, gap.first, gap.end)
        if row not in self.gaps.get(key, ()):
            self.quota.stream(edge, key)
            self.quota.gap(edge)
            self.gaps.setdefault(key, set()).add(row)
        self.group.gaps.append(gap)
        self.group.owe(edge, key).gaps.append(gap.gap_id)

    def take_clock(self, edge: str, record: ClockRecord) -> None:
        """Plan a better clock for stored samples. Raises: PeerError."""
        if record.first_us >= record.end_us:
            raise PeerError("clock_range", f"clock record {record.number} of {record.thing} covers nothing")
        key = record.thing, record.boot
        if self.clocks.is_new(record):
            self.quota.stream(edge, key)
            self.group.clocks.append(record)
        self.group.owe(edge, key).clocks.append(record.number)

    def close_group(self) -> Group:
        """Return the open group and begin a new one."""
        group, self.group = self.group, Group()
        return group

    def committed(self, group: Group) -> list[tuple[str, Ack]]:
        """Note that the group is durable; return (edge, ack) for all it owes."""
        for frame in group.frames:
            key, end = (frame.thing, frame.boot), frame.first + frame.n
            self.stored.setdefault(key, Ranges()).add(frame.first, end)
            if key in self.quarantined:
                self.quarantined[key].remove(frame.first, end)
            self.samples += frame.n
        for gap in group.gaps:
            self.lost.setdefault((gap.thing, gap.boot), Ranges()).add(gap.first, gap.end)
        for record in group.clocks:
            self.clocks.add(record)
        for frame in group.rejected:
            end = frame.first + frame.n
            self.contradictions.note(Conflict(frame.thing, frame.boot, frame.first, end, group.utc_us))
        return [ack for owed, parts in group.owed.items() for ack in _acks(owed, parts)]

    def checked(self, piece: Piece, agrees: bool, now_us: int) -> None:
        """Owe the ack of samples that were compared with their sealed copy; contradicting ones are set aside first."""
        if not agrees:
            frame = Frame(*piece[1:5], _NO_CLOCK, 0, 0, now_us, piece.records)
            self.group.rejected.append(frame)
        end = piece.first + piece.n
        self.group.owe(piece.edge, (piece.thing, piece.boot))[0].append((piece.first, end))

    def set_aside(self, key: Key, first: int, end: int) -> None:
        """Note that stored samples turned out broken: they are quarantined, and welcome if they come again."""
        for known in (self.stored, self._planned):
            known.setdefault(key, Ranges()).remove(first, end)
        self.quarantined.setdefault(key, Ranges()).add(first, end)

    def abandoned(self, group: Group) -> None:
        """Note that the group could not be committed: nothing is owed, the edges will send again."""
        for frame in group.frames:
            self._planned[frame.thing, frame.boot].remove(frame.first, frame.first + frame.n)
        for edge, thing, boot in group.owed:
            self._count_spans(edge, (thing, boot))

    def _plan(self, edge: str, key: Key, first: int, end: int) -> list[tuple[int, int]]:
        """Return the parts of [first, end) that are new, now planned. Raises: PeerError beyond the quota."""
        if key not in self._planned:
            self.quota.stream(edge, key)
        planned = self._planned.setdefault(key, Ranges())
        if not planned.clip(max(0, first - 1), end + 1):
            self.quota.span(edge)
        new = planned.add(first, end)
        if new:
            self._count_spans(edge, key)
        return new

    def _count_spans(self, edge: str, key: Key) -> None:
        count = self._planned[key].count() if key in self._planned else 0
        self.quota.spans[edge] += count - self._spans.get(key, 0)
        self._spans[key] = count

    def _compare_known(self, edge: str, batch: Batch, new: list[tuple[int, int]], now_us: int) -> Ranges:
        """Compare what came again with what is at hand of it; return what has to be compared with sealed files."""
        doubtful = Ranges()
        known = Ranges([(batch.first, batch.first + batch.n)])
        for a, b in new:
            known.remove(a, b)
        for a, b in known.to_list():
            self.duplicates += b - a
            pieces = self._pieces(batch, a, b)
            if not all(_agrees(batch, piece) for piece in pieces):
                self.group.rejected.append(_piece(batch, a, b, now_us))
            elif self.doubts is not None:
                at_hand = Ranges((first, first + len(records) // RECORD_BYTES) for first, records in pieces)
                for first, end in at_hand.missing(a, b):
                    frame = _piece(batch, first, end, now_us)
                    self.doubts.add(Piece(edge, batch.thing, batch.boot, first, end - first, frame.records))
                    doubtful.add(first, end)
        return doubtful

    def _pieces(self, batch: Batch, first: int, end: int) -> list[tuple[int, bytes]]:
        """Return what is still at hand of [first, end): the open group's and the store's."""
        own = [(f.first, f.records) for f in self.group.frames if (f.thing, f.boot) == (batch.thing, batch.boot)]
        own = [(at, records) for at, records in own if at < end and first < at + len(records) // RECORD_BYTES]
        return own + self.lookup(batch.thing, batch.boot, first, end)


def _check(batch: Batch) -> None:
    if batch.n < 1 or batch.first < 0 or batch.first + batch.n > MAX_SEQ:
        raise PeerError("batch_range", f"batch {batch.first}+{batch.n} of {batch.thing} is no range")
    if len(batch.records) != batch.n * RECORD_BYTES:
        message = f"batch of {batch.n} records of {batch.thing} has {len(batch.records)} bytes"
        raise PeerError("batch_length", message)


def _piece(batch: Batch, first: int, end: int, now_us: int) -> Frame:
    cut = batch.records[(first - batch.first) * RECORD_BYTES : (end - batch.first) * RECORD_BYTES]
    return Frame(batch.thing, batch.boot, first, end - first, batch.clock, batch.rx_us, batch.tx_us, now_us, cut)


def _agrees(batch: Batch, piece: tuple[int, bytes]) -> bool:
    """Whether the batch has the same bytes as a known piece where both overlap."""
    at, records = piece
    first, end = max(at, batch.first), min(at + len(records) // RECORD_BYTES, batch.first + batch.n)
    if first >= end:
        return True
    ours = records[(first - at) * RECORD_BYTES : (end - at) * RECORD_BYTES]
    theirs = batch.records[(first - batch.first) * RECORD_BYTES : (end - batch.first) * RECORD_BYTES]
    return ours == theirs


def _acks(to: tuple[str, str, str], owed: Owed) -> list[tuple[str, Ack]]:
    edge, thing, boot = to
    spans = Ranges(owed.ranges).to_list()
    size = MAX_ACK_RANGES
    parts = [slice(at, at + size) for at in range(0, max(1, len(spans), len(owed.gaps), len(owed.clocks)), size)]
    return [(edge, Ack(thing, boot, spans[part], owed.gaps[part], owed.clocks[part])) for part in parts]


class Joined(NamedTuple):
    """Frames of one (thing, boot, clock) as one, when the last was stored, and the [first, n) of each."""

    frame: Frame
    stored_us: int
    spans: list[tuple[int, int]]


def joined(arrived: list[tuple[Frame, int]]) -> list[Joined]:
    """Return fewer, longer frames: those of one (thing, boot, clock) as one, for NumPy to work on."""
    groups: dict[tuple[str, str, Clock], list[tuple[Frame, int]]] = {}
    for frame, stored_us in arrived:
        groups.setdefault((frame.thing, frame.boot, frame.clock), []).append((frame, stored_us))
    return [_join(group) for group in groups.values()]


def _join(group: list[tuple[Frame, int]]) -> Joined:
    """Return one frame with all records, which ends with the newest sample."""
    last, stored_us = max(group, key=lambda pair: pair[0].first + pair[0].n)
    n = sum(frame.n for frame, _ in group)
    records = b"".join(frame.records for frame, _ in group)
    spans = [(frame.first, frame.n) for frame, _ in group]
    return Joined(replace(last, first=last.first + last.n - n, n=n, records=records), stored_us, spans)
