"""What to send to the city, and when: live data at once, backlog beside it, within the city's credit. Sans-IO.

Live batches (durable while the city is there) wait in memory, at most MAX_LIVE of them. All that is older is backlog:
it stays on disk and comes in pages, `wants` says which. So memory does not grow with the time that the city is away.
`pacing` says how much backlog may be under way. What is not acked in time is sent again.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from .pacing import Pace
from .presence import Draw, Presence

MAX_LIVE = 1024
PAGE = 128
MAX_AGAIN = 256
AGAIN_EVERY = 4


class Item(Protocol):
    """A batch, named by its journal row; rows rise in the order of journaling."""

    @property
    def row(self) -> int:
        """Its row."""

    @property
    def thing(self) -> str:
        """Whose samples these are."""

    @property
    def boot(self) -> str:
        """Of which boot."""


T = TypeVar("T", bound=Item)


@dataclass
class Flight(Generic[T]):
    """A batch on its way; `first`: sent for the first time, so its ack tells how long the way is."""

    item: T
    sent_us: int
    live: bool
    first: bool = True


class Ask(NamedTuple):
    """Pending batches wanted from disk: rows in [after, before), at most `limit`, ascending."""

    after: int
    before: int
    limit: int


class Uplink(Generic[T]):
    """Order of batches and what is in flight. `end`: one after the last row of the journal."""

    def __init__(self, end: int, draw: Draw, max_ceiling_us: int = 8_000_000) -> None:
        self.presence = Presence(draw, max_ceiling_us)
        self.pace = Pace()
        self.sent = self.resent = self.spilled = 0
        self.live: deque[T] = deque()
        self.flying: OrderedDict[int, Flight[T]] = OrderedDict()
        self._again: OrderedDict[int, T] = OrderedDict()
        self._page: deque[T] = deque()
        self._cursor, self._backlog_end, self._end = 0, end, end
        self._backlog_flying = self._turn = 0

    @property
    def connected(self) -> bool:
        """Whether the city is there."""
        return self.presence.connected

    @property
    def waiting(self) -> int:
        """How many batches wait in memory."""
        return len(self.live) + len(self._again) + len(self._page)

    @property
    def draining(self) -> bool:
        """Whether there may be backlog left."""
        return bool(self._again or self._page or self._cursor < self._backlog_end)

    def journaled(self, item: T) -> None:
        """A batch became durable here."""
        self._end = max(self._end, item.row + 1)
        if not self.connected:
            self._backlog_end = self._end
            return
        self.live.append(item)
        if len(self.live) > MAX_LIVE:
            self.spilled += 1
            self._backlog_end = max(self._backlog_end, self.live.popleft().row + 1)

    def begin(self) -> None:
        """The city is back: everything unacked is to be sent again, oldest first."""
        self.resent += len(self.flying)
        self.live.clear()
        self._page.clear()
        self._again.clear()
        self.flying.clear()
        self._backlog_flying = 0
        self._cursor, self._backlog_end = 0, self._end
        self.pace.begin()

    def rewind(self, row: int) -> None:
        """Rows from this one on may be pending again: go back to it."""
        first = self._page[0].row if self._page else self._cursor
        self._page.clear()
        self._cursor = min(first, row)
        self._backlog_end = max(self._backlog_end, min(self._end, self.live[0].row if self.live else self._end))

    def wants(self) -> Ask | None:
        """Return which page of the backlog is to be read now, if any."""
        if not self.connected or len(self._page) >= PAGE // 2 or self._cursor >= self._backlog_end:
            return None
        return Ask(self._cursor, self._backlog_end, PAGE)

    def page(self, items: Sequence[T], after: int) -> None:
        """Take the page in; what is on its way or waits already is not taken twice. `after`: where it ended."""
        self._page.extend(item for item in items if item.row not in self.flying and item.row not in self._again)
        self._cursor = after

    def acked(self, thing: str, boot: str, wanted: Callable[[T], bool], now_us: int) -> None:
        """The city has more of a stream: what is not wanted any more is not in flight any more."""
        mine = [f.item for f in self.flying.values() if f.item.boot == boot and f.item.thing == thing]
        self.acked_rows([item.row for item in mine if not wanted(item)], now_us)

    def acked_rows(self, rows: Iterable[int], now_us: int) -> None:
        """The city has these batches in full; how long that took tells how long the queue is."""
        for row in rows:
            full = self._backlog_flying >= self.pace.backlog_limit - 1
            flight = self._land(row)
            if flight is not None and flight.first:
                self.pace.acked(flight.sent_us, now_us, full)

    def forget(self, rows: Iterable[int]) -> None:
        """These are gone from the journal."""
        for row in rows:
            self._land(row)
            self._again.pop(row, None)

    def due(self, wanted: Callable[[T], bool], now_us: int, limit: int) -> list[T]:
        """Return the batches to send now; they are in flight from here on."""
        if not self.connected or self.pace.credit < 1:
            return []
        self._expire(now_us)
        items: list[T] = []
        while len(items) < limit and len(self.flying) < self.pace.credit:
            flight = self._take(now_us)
            if flight is None:
                break
            if flight.item.row not in self.flying and wanted(flight.item):
                self.flying[flight.item.row] = flight
                self._backlog_flying += not flight.live
                items.append(flight.item)
        self.sent += len(items)
        return items

    def _take(self, now_us: int) -> Flight[T] | None:
        """Return the next batch: a live one, but one place in flight always belongs to the backlog."""
        backlog = bool(self._page or self._again)
        last = len(self.flying) >= self.pace.credit - 1
        starved = backlog and not self._backlog_flying and self.pace.credit > 1
        crowded = len(self._again) >= MAX_AGAIN
        if self.live and not crowded and not (starved and last):
            return Flight(self.live.popleft(), now_us, live=True)
        if not backlog or self._backlog_flying >= self.pace.backlog_limit:
            return None
        self._turn += 1
        if self._again and (crowded or not self._page or self._turn % AGAIN_EVERY == 0):
            return Flight(self._again.popitem(last=False)[1], now_us, live=False, first=False)
        return Flight(self._page.popleft(), now_us, live=False)

    def _land(self, row: int) -> Flight[T] | None:
        flight = self.flying.pop(row, None)
        if flight is not None:
            self._backlog_flying -= not flight.live
        return flight

    def unsent(self, items: Sequence[T]) -> None:
        """The socket took no more: these wait again, in their order."""
        self.sent -= len(items)
        for item in reversed(items):
            flight = self._land(item.row)
            if flight is not None and not flight.first:
                self._again[item.row] = item
                self._again.move_to_end(item.row, last=False)
            elif flight is not None:
                (self.live if flight.live else self._page).appendleft(item)

    def _expire(self, now_us: int) -> None:
        """Late ones are to be sent again, in every fourth place: what the city never acks must not block the rest."""
        while self.flying:
            row, flight = next(iter(self.flying.items()))
            if now_us - flight.sent_us <= self.pace.resend_us:
                return
            self._land(row)
            self._again[row] = flight.item
            self.resent += 1
