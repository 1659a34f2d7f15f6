"""What this node knows of the samples of each (thing, boot): received, acked by the city, lost, on the board.

Sans-IO; the journal keeps it on disk. An account's `sent` is what the board itself said, so it never runs
ahead of the board's word.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from protocol.city_link import MAX_ACCOUNTS
from protocol.ledger import Account, balance
from protocol.ranges import Ranges, Span

Key = tuple[str, str]
MAX_SPANS_PER_ACCOUNT = 100


@dataclass
class Stream:
    """Sample numbers of one (thing, boot). `taken`: received, or queued for the commit that makes it so.

    `received` is durable here or was once; `acked` is durable at the city, as it was in its restore `epoch`;
    `acked_since` is what it acked after that; `lost` was declared by whoever dropped it, `dropped` by this node;
    `recall` this node does not have any more and takes again, as the board may still hold it; `ring` is [tail,
    head) on the board by its last status; `current`: no later boot of the Thing is known; `closing`: a later one has
    just begun, and may still declare what of the ring was lost; `own`: samples that this node made itself.
    """

    thing: str
    boot: str
    sent: int = 0
    ring: Span = (0, 0)
    received: Ranges = field(default_factory=Ranges)
    acked: Ranges = field(default_factory=Ranges)
    lost: Ranges = field(default_factory=Ranges)
    quarantined: Ranges = field(default_factory=Ranges)
    dropped: Ranges = field(default_factory=Ranges)
    recall: Ranges = field(default_factory=Ranges)
    acked_since: Ranges = field(default_factory=Ranges)
    taken: Ranges = field(default_factory=Ranges)
    current: bool = True
    closing: bool = False
    own: bool = False
    epoch: int = 0

    @property
    def key(self) -> Key:
        """(thing, boot)."""
        return self.thing, self.boot

    @property
    def pending(self) -> Ranges:
        """What the journal holds for the city."""
        return self.received.difference(self.acked).difference(self.quarantined).difference(self.dropped)

    @property
    def buffered(self) -> Ranges:
        """What the journal or the board's ring holds."""
        return self.pending.union(self.with_board)

    @property
    def with_board(self) -> Ranges:
        """What only the board may hold: its ring by its last word, and what it has acquired since, as far as heard.

        A frame may come before its elder ones and before the status that counts it."""
        if self.own or not (self.current or self.closing):
            return Ranges()
        return Ranges([(self.ring[0], max(self.ring[1], self.sent))]).difference(self.received)

    @property
    def settled(self) -> bool:
        """Whether nothing of this boot can still change."""
        return not self.current and not self.closing and not self.pending

    def status(self, tail: int, head: int) -> bool:
        """Take the board's word; return whether `sent` rose."""
        self.ring = (tail, head)
        rose = head > self.sent
        self.sent = max(self.sent, head)
        return rose

    def committed(self, first: int, end: int) -> None:
        """Samples are on disk here."""
        self.received.add(first, end)
        self.taken.add(first, end)
        if self.recall:
            self.recall.remove(first, end)
        self.sent = max(self.sent, end)

    def declared(self, first: int, end: int, own: bool) -> None:
        """A loss was declared, by this node if `own`."""
        self.lost.add(first, end)
        if own:
            self.dropped.add(first, end)

    def wants(self, first: int, end: int) -> bool:
        """Return whether some of [first, end) is still to be brought to the city."""
        missing = self.acked.missing(first, end)
        if missing and (self.dropped or self.quarantined):
            gone = self.dropped.union(self.quarantined)
            return any(gone.missing(*span) for span in missing)
        return bool(missing)

    def recalled(self, spans: Iterable[Span]) -> None:
        """What was taken over once is not here any more, and the board may have it: take it again."""
        for first, end in spans:
            self.received.remove(first, end)
            self.taken.remove(first, end)
            self.recall.add(first, end)

    @property
    def gone(self) -> Ranges:
        """What was hoped for from the board, and is not in its ring any more either."""
        ring = Ranges([self.ring]) if self.current else Ranges()
        return self.recall.difference(ring) if self.recall else self.recall

    def failed(self, first: int, end: int) -> None:
        """Samples could not be stored: the board must send them again."""
        self.taken.remove(first, end)

    def balance(self) -> Account:
        """Return this node's own view of the ledger: what the city acked counts as stored."""
        args = (self.sent, self.acked, self.buffered, self.lost, self.quarantined)
        return balance(self.thing, self.boot, *args)

    def account(self, undeclared: Iterable[Span] = ()) -> dict[str, Any]:
        """Return what a heartbeat tells the city.

        Losses that the city does not have on record yet (`undeclared`), and samples that were recalled, are on
        their way as much as samples are: they count as buffered. With more spans than a heartbeat holds the
        account ends before the first that is left out, so what it says is never less than the truth.
        """
        waiting = self.buffered.union(Ranges(undeclared)).union(self.recall).difference(self.quarantined)
        buffered, aside = waiting.to_list(), self.quarantined.to_list()
        cuts = [spans[MAX_SPANS_PER_ACCOUNT][0] for spans in (buffered, aside) if len(spans) > MAX_SPANS_PER_ACCOUNT]
        sent = min([self.sent, *cuts])
        told: dict[str, Any] = {"thing": self.thing, "boot": self.boot, "sent": sent, "buffered": _told(buffered)}
        if aside:
            told["quarantined"] = _told(aside)
        return told


def _told(spans: list[Span]) -> list[list[int]]:
    return [list(span) for span in spans[:MAX_SPANS_PER_ACCOUNT]]


class Streams:
    """All streams by (thing, boot), oldest first. `epoch`: the highest restore epoch of the city that is known."""

    def __init__(self, streams: Iterable[Stream] = (), epoch: int = 0) -> None:
        self.by_key: dict[Key, Stream] = {}
        self.epoch = epoch
        for stream in streams:
            self._insert(stream)

    def of(self, thing: str, boot: str) -> Stream:
        """Return the stream, new if it is the first one hears of it."""
        found = self.by_key.get((thing, boot))
        if found is None:
            found = Stream(thing, boot, epoch=self.epoch)
            self._insert(found)
        return found

    def _insert(self, stream: Stream) -> None:
        """Take a stream in; of one Thing only the newest boot is current."""
        for other in self.by_key.values():
            if other.thing == stream.thing and other.current:
                stream.current = _is_later(stream.boot, other.boot)
                other.current = not stream.current
        stream.taken = stream.received.copy()
        self.by_key[stream.key] = stream

    def count(self, thing: str) -> int:
        """Return how many boots of a Thing are known."""
        return sum(key[0] == thing for key in self.by_key)

    def began(self, thing: str, boot: str) -> Stream:
        """The Thing runs under this boot now: earlier ones are over, their ring is gone or about to be declared so."""
        running = {other.key for other in self.by_key.values() if other.thing == thing and other.current}
        stream = self.of(thing, boot)
        for other in self.by_key.values():
            if other.thing == thing:
                other.closing = other is not stream and (other.closing or other.key in running)
                other.current = other is stream
        return stream

    def closed(self, thing: str) -> None:
        """The Thing has had time to declare what its earlier boots lost."""
        for stream in self.by_key.values():
            if stream.thing == thing:
                stream.closing = False

    def accounts(self, undeclared: Mapping[Key, list[Span]] | None = None) -> list[dict[str, Any]]:
        """Return accounts for a heartbeat: all that are unsettled first, then the newest, at most 64.

        A stream whose acks are of an earlier epoch has none: what is buffered of it is known once the city told
        what it has.
        """
        newest_first = [s for s in reversed(self.by_key.values()) if s.epoch >= self.epoch]
        ordered = [s for s in newest_first if not s.settled] + [s for s in newest_first if s.settled]
        spans = undeclared or {}
        return [stream.account(spans.get(stream.key, ())) for stream in ordered[:MAX_ACCOUNTS]]

    def unreconciled(self) -> list[Key]:
        """Return the streams whose acks are of an earlier epoch of the city, oldest first."""
        return [stream.key for stream in self.by_key.values() if stream.epoch < self.epoch]

    def ledger(self) -> list[Account]:
        """Return the balance of each stream, oldest first."""
        return [stream.balance() for stream in self.by_key.values()]


def _is_later(boot: str, other: str) -> bool:
    """Return whether a boot that was heard of later also began later: it may be told of afterwards (a gap)."""
    incarnation, _, count = boot.partition("-")
    other_incarnation, _, other_count = other.partition("-")
    if incarnation != other_incarnation or not (count.isdigit() and other_count.isdigit()):
        return True
    return int(count) > int(other_count)
