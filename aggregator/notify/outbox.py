"""Messages to people: which still have to go out, which are too late, which somebody has answered. Sans-IO.

A chain is what is said of one alarm over one port: Alert, Updates, Cancel. A message that a later one of its chain
overtakes is not sent any more; after its expiry nothing is.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

MAX_KNOWN = 1000
RETRY_US, MAX_RETRY_US = 2_000_000, 300_000_000
STUCK_US = 60_000_000
EXPIRED, OVERTAKEN, POINTLESS = "expired", "overtaken by a later message", "there was nothing to cancel"


class Entry(NamedTuple):
    """One message; times are event time. `token`: who shows it has the message. `ack_by_utc_us` 0: no answer is due."""

    id: str
    channel: str
    chain: str
    kind: str
    sent_utc_us: int
    expires_utc_us: int
    body: bytes
    token: str
    reference: str
    says: str
    ack_by_utc_us: int = 0
    acked_utc_us: int | None = None
    acked_by: str = ""


class Delivery(NamedTuple):
    """One way of one message: tries so far; delivered, or closed without; the last error."""

    id: str
    way: str
    attempts: int = 0
    delivered_utc_us: int | None = None
    closed: str = ""
    error: str = ""

    @property
    def pending(self) -> bool:
        """Whether it still has to go out."""
        return self.delivered_utc_us is None and not self.closed


class Outbox:
    """The newest messages, oldest first, and what changed since it was last saved."""

    def __init__(self, entries: Iterable[Entry] = (), deliveries: Iterable[Delivery] = ()) -> None:
        self.entries = {entry.id: entry for entry in entries}
        self.deliveries = {(d.id, d.way): d for d in deliveries}
        self._not_before_us: dict[tuple[str, str], int] = {}
        self._changed: dict[str, None] = {}

    def add(self, entry: Entry, ways: Iterable[str]) -> None:
        """Take a new message in; it goes out once it is saved."""
        self.entries[entry.id] = entry
        for way in ways:
            self._put(Delivery(entry.id, way))
        self._forget(entry.sent_utc_us)

    def chain(self, chain: str) -> list[Entry]:
        """Return the messages of a chain since its last Alert, oldest first."""
        mine = [entry for entry in self.entries.values() if entry.chain == chain]
        first = max((at for at, entry in enumerate(mine) if entry.kind == "Alert"), default=0)
        return mine[first:]

    def due(self, now_utc_us: int, now_us: int) -> list[tuple[Entry, Delivery]]:
        """Return what is to be tried now; what has become too late or pointless is closed."""
        found: list[tuple[Entry, Delivery]] = []
        for delivery in [d for d in self.deliveries.values() if d.pending]:
            entry = self.entries[delivery.id]
            closed = self._why_closed(entry, delivery, now_utc_us)
            if closed:
                self._put(delivery._replace(closed=closed))
            elif self._not_before_us.get((delivery.id, delivery.way), 0) <= now_us:
                found.append((entry, delivery))
        return found

    def attempted(self, delivery: Delivery, error: str, now_utc_us: int, now_us: int) -> Delivery:
        """Note how a try ended, "" for success; return the delivery as it is then."""
        attempts = delivery.attempts + 1
        wait_us = min(RETRY_US << min(attempts - 1, 20), MAX_RETRY_US)
        self._not_before_us[delivery.id, delivery.way] = now_us + wait_us
        done = None if error else now_utc_us
        new = delivery._replace(attempts=attempts, delivered_utc_us=done, error=error[:200])
        self._put(new)
        return new

    def acknowledge(self, number: str, who: str, now_utc_us: int) -> bool:
        """Somebody has the message; False if somebody else had said so already."""
        entry = self.entries[number]
        if entry.acked_utc_us is not None:
            return False
        self.entries[number] = entry._replace(acked_utc_us=now_utc_us, acked_by=who[:64])
        self._changed[number] = None
        return True

    def unanswered(self, now_utc_us: int) -> list[tuple[Entry, int]]:
        """Return (last message, since when an answer is due) of each chain that should have been answered by now.

        An Update gives nobody more time: what was due before it, and is not answered since, is due still.
        """
        last = {entry.chain: entry for entry in self.entries.values()}
        waiting = [e for e in last.values() if e.ack_by_utc_us and now_utc_us < e.expires_utc_us]
        found = [(entry, self._due_utc_us(entry)) for entry in waiting if entry.acked_utc_us is None]
        return [(entry, due_utc_us) for entry, due_utc_us in found if due_utc_us < now_utc_us]

    def stuck(self, now_utc_us: int) -> list[tuple[Entry, Delivery]]:
        """Return what failed at least once and has not got out for a minute."""
        pending = [(self.entries[d.id], d) for d in self.deliveries.values() if d.pending and d.error]
        return [(entry, d) for entry, d in pending if now_utc_us - entry.sent_utc_us > STUCK_US]

    def rows(self, first: int = 0, end: int = MAX_KNOWN) -> list[dict[str, Any]]:
        """Return messages as JSON, newest first, from `first` to before `end`; never a token."""
        shown = list(islice(reversed(self.entries.values()), first, end))
        ways: dict[str, list[Delivery]] = {entry.id: [] for entry in shown}
        for delivery in self.deliveries.values():
            if delivery.id in ways:
                ways[delivery.id].append(delivery)
        return [_row(entry, ways[entry.id]) for entry in shown]

    def take_changed(self) -> list[tuple[Entry, list[Delivery]]]:
        """Return what is to be saved; `unsaved` takes it back if it could not be."""
        changed, self._changed = list(self._changed), {}
        return [(self.entries[n], self._ways(n)) for n in changed if n in self.entries]

    def unsaved(self, changed: Iterable[tuple[Entry, list[Delivery]]]) -> None:
        """What was taken could not be saved."""
        self._changed = dict.fromkeys(entry.id for entry, _ in changed) | self._changed

    def _due_utc_us(self, last: Entry) -> int:
        """Return when the first message of a chain that nobody has answered since was to be answered."""
        due_utc_us = last.ack_by_utc_us
        for entry in reversed(self.chain(last.chain)):
            if entry.acked_utc_us is not None:
                break
            due_utc_us = entry.ack_by_utc_us or due_utc_us
        return due_utc_us

    def _why_closed(self, entry: Entry, delivery: Delivery, now_utc_us: int) -> str:
        if now_utc_us >= entry.expires_utc_us:
            return EXPIRED
        chain = self.chain(entry.chain)
        if entry in chain[:-1] or entry not in chain:
            return OVERTAKEN
        earlier = [self.deliveries.get((other.id, delivery.way)) for other in chain[:-1]]
        tried = any(other is not None and other.attempts for other in earlier)
        return POINTLESS if entry.kind == "Cancel" and not tried else ""

    def _put(self, delivery: Delivery) -> None:
        self.deliveries[delivery.id, delivery.way] = delivery
        self._changed[delivery.id] = None

    def _ways(self, number: str) -> list[Delivery]:
        return [d for d in self.deliveries.values() if d.id == number]

    def _forget(self, now_utc_us: int) -> None:
        over = [e.id for e in self.entries.values() if e.expires_utc_us <= now_utc_us]
        for number in over[: max(0, len(self.entries) - MAX_KNOWN)]:
            for delivery in self._ways(number):
                del self.deliveries[number, delivery.way]
                self._not_before_us.pop((number, delivery.way), None)
            del self.entries[number]


def _row(entry: Entry, deliveries: Iterable[Delivery]) -> dict[str, Any]:
    ways = [{name: value for name, value in d._asdict().items() if name != "id"} for d in deliveries]
    hidden = ("body", "token", "reference")
    row = {name: value for name, value in entry._asdict().items() if name not in hidden}
    return {**row, "deliveries": ways, "xml": entry.body.decode()}
