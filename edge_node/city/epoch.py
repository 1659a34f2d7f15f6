"""The city's restore epoch as this node keeps it: durable before anything follows from it, never taken back.

A higher epoch: the city was restored from a backup. Each stream is asked about until the city has said what it has.
A lower one: this city is an older copy of the one we know, and gets nothing but our hello.
"""

from collections.abc import Callable
from typing import Any

from protocol.city_link import CityHello, Message, Stored, StoredAsk
from protocol.epoch import believable

from ..core import Core
from ..journal.city import Reconciled
from .reconcile import Asks

BEGUN = "the city was restored from a backup: asking what it still has"
OVER = "the restore of the city is settled here"
News = tuple[str, dict[str, Any]]


class CityEpoch:
    """`send(message)` False: it did not leave. `welcome(hello)` is called once a new epoch is durable."""

    def __init__(self, core: Core, send: Callable[[Message], bool], welcome: Callable[[CityHello], None]) -> None:
        self._core, self._send, self._welcome = core, send, welcome
        self.asks = Asks()
        self._raising = 0
        self._before: tuple[int, int] | None = None
        self._news: list[News] = []

    def take_news(self) -> list[News]:
        """Return what the log has to say of a restore since the last call: its beginning and its end."""
        news, self._news = self._news, []
        return news

    def admits(self, hello: CityHello) -> bool:
        """Return whether to talk to this city now; not while a new epoch is on its way to disk."""
        streams, presence = self._core.journal.streams, self._core.uplink.presence
        if hello.epoch == streams.epoch:
            return True
        if hello.epoch < streams.epoch:
            presence.refuse(
                f"the city says that its restore epoch is {hello.epoch}, and this node has seen {streams.epoch}: it "
                "is an older copy of the city. Bring back the newer one, or restore a backup with `city restore`"
            )
            return False
        if hello.epoch > believable(self._core.utc_s()):
            self._core.bad["absurd_epoch"] += 1
            presence.refuse(
                f"the city says that its restore epoch is {hello.epoch}, decades ahead of this node's clock: "
                "nothing of it is believed. Is this node's clock, or was the city's, far wrong? See docs/backup.md"
            )
            return False
        presence.refuse(f"the city was restored (epoch {hello.epoch}); this node is noting it")
        if self._raising < hello.epoch:
            self._raising = hello.epoch
            self._core.journal.raise_epoch(hello.epoch, lambda: self._raised(hello), self._not_raised)
        return False

    def _raised(self, hello: CityHello) -> None:
        """The epoch is durable: orders of earlier ones are refused from here on."""
        self._before = None
        self._core.guard.epoch = self._core.journal.streams.epoch
        self._core.clocks.log.city_lost(self._core.journal.streams.epoch)
        self._welcome(hello)

    def _not_raised(self, _: Exception) -> None:
        """A full disk: the next hello tries again."""
        self._raising = 0

    def begin(self) -> None:
        """The city is there: ask about every stream whose acks are of an earlier epoch."""
        left = self._core.journal.streams.unreconciled()
        self.asks.begin(left)
        if left and self._before is None:
            done = self._core.restored
            self._before = done.resent_samples, done.declared_samples
            self._news.append((BEGUN, {"epoch": self._core.journal.streams.epoch, "streams": len(left)}))

    def tick(self, now_us: int) -> None:
        """Ask, and ask again."""
        for key in self.asks.due(now_us):
            if not self._send(StoredAsk(*key)):
                self.asks.unsent(key)
                return

    def stored(self, part: Stored) -> None:
        """The city answers; one of another epoch has no effect."""
        if part.epoch != self._core.journal.streams.epoch:
            self._core.bad["foreign_epoch"] += 1
            return
        answer = self.asks.answer(part)
        if answer is not None:
            key = part.thing, part.boot
            self._core.journal.reconcile(
                key, answer, lambda made: self._reconciled(key, made), lambda _: self.asks.failed(key)
            )

    def _reconciled(self, key: tuple[str, str], made: Reconciled) -> None:
        self.asks.done(key)
        self._core.restored.resent_samples += made.again.total()
        self._core.restored.declared_samples += sum(gap.end - gap.first for gap in made.declared)
        if made.first_row is not None:
            self._core.uplink.rewind(made.first_row)
        if not self.asks.left:
            self._over()

    def _over(self) -> None:
        done, (resent, declared) = self._core.restored, self._before or (0, 0)
        counts = {"resent": done.resent_samples - resent, "declared_lost": done.declared_samples - declared}
        self._news.append((OVER, {"epoch": self._core.journal.streams.epoch, **counts}))
        self._before = None
