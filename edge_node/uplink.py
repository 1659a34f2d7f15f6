"""What to send to the city, and when: a window of unacked batches, live data before backlog. Sans-IO.

Batches are named by their journal row. New ones go first, but every fourth place belongs to the backlog, so
an old gap closes also while data keeps coming. What is not acked in time is sent again.
"""

from collections import OrderedDict, deque
from collections.abc import Container, Iterable

WINDOW = 256
RESEND_US = 4_000_000
SILENT_US = 3_000_000
HELLO_US = 1_000_000
BACKLOG_EVERY = 4


class Uplink:
    """Order of rows, what is in flight, and whether the city is there."""

    def __init__(self, backlog: Iterable[int] = ()) -> None:
        self.epoch = ""
        self.connected = False
        self.heard_us = 0
        self.connections = self.resent = self.sent = 0
        self.live: deque[int] = deque()
        self.backlog: deque[int] = deque(backlog)
        self.flying: OrderedDict[int, int] = OrderedDict()
        self._turn = 0
        self._hello_us = -HELLO_US

    def journaled(self, row: int) -> None:
        """A batch became durable here."""
        (self.live if self.connected else self.backlog).append(row)

    def acked(self, rows: Iterable[int]) -> None:
        """The city has these."""
        for row in rows:
            self.flying.pop(row, None)

    def heard(self, now_us: int) -> bool:
        """Something came from the city; return whether it had been away."""
        self.heard_us = now_us
        if self.connected or not self.epoch:
            return False
        self._begin()
        return True

    def greeted(self, epoch: str, now_us: int) -> bool:
        """The city said hello; return whether it is one that we have to tell everything."""
        self.heard_us = now_us
        if epoch == self.epoch and self.connected:
            return False
        self.epoch = epoch
        self._begin()
        return True

    def _begin(self) -> None:
        """Everything unacked is to be sent again, oldest first."""
        self.connected = True
        self.connections += 1
        self.resent += len(self.flying)
        self.backlog = deque(sorted({*self.flying, *self.live, *self.backlog}))
        self.live.clear()
        self.flying.clear()

    def tick(self, now_us: int) -> bool:
        """Notice silence; return whether to say hello now."""
        if self.connected and now_us - self.heard_us > SILENT_US:
            self.connected = False
        if self.connected or now_us - self._hello_us < HELLO_US:
            return False
        self._hello_us = now_us
        return True

    def due(self, pending: Container[int], now_us: int, limit: int = WINDOW) -> list[int]:
        """Return the rows to send now; they are in flight from here on."""
        if not self.connected:
            return []
        self._expire(now_us)
        rows: list[int] = []
        while len(rows) < limit and len(self.flying) < WINDOW:
            row = self._next()
            if row is None:
                break
            if row in pending and row not in self.flying:
                self.flying[row] = now_us
                rows.append(row)
        self.sent += len(rows)
        return rows

    def unsent(self, rows: Iterable[int]) -> None:
        """The socket took no more: these wait again, in their order."""
        again = list(rows)
        for row in again:
            self.flying.pop(row, None)
        self.sent -= len(again)
        self.backlog.extendleft(reversed(again))

    def _expire(self, now_us: int) -> None:
        late = [row for row, sent_us in self.flying.items() if now_us - sent_us > RESEND_US]
        self.resent += len(late)
        for row in late:
            del self.flying[row]
        self.backlog.extend(late)  # behind the others: what the city never acks must not block the rest

    def _next(self) -> int | None:
        self._turn += 1
        old_first = self._turn % BACKLOG_EVERY == 0
        queue = (self.backlog or self.live) if old_first else (self.live or self.backlog)
        return queue.popleft() if queue else None
