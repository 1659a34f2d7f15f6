"""One turn of the city, in the order that makes its word good: commit, then ack; save, then order.

The shell (app.py) and the seeded simulation run this same code; they differ in what `store.commit` awaits and
in where `send` leads.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from durable import DiskFullError

from .city import City, Send
from .ingest import Group
from .link.router_socket import Received
from .store.store import Writes
from .tasks.dispatch import Now

FREEZE_US = 5_000_000
LOG_US = 1_000_000
_log = structlog.get_logger(__name__)


class Durable(Protocol):
    """What a turn needs of the store."""

    async def commit(self, writes: Writes) -> None:
        """Return once it is durable. Raises: DiskFullError, nothing was written then."""


class Turns:
    """Moves data through a city. `send(routing_id, parts)` False: the peer is gone or its queue is full."""

    def __init__(
        self, city: City, store: Durable, send: Callable[[bytes, list[bytes]], bool], now: Callable[[], Now]
    ) -> None:
        self._city, self._store, self._send_parts, self._now = city, store, send, now
        self._logged_us = now().us
        self._frozen_us = self._logged_us - FREEZE_US - 1  # at once: a crash later begins where this start began

    async def turn(self, received: Iterable[Received]) -> None:
        """Take messages in, make them durable, ack them, decide, save what was decided, order it."""
        group = self._city.take(received, self._now())
        if await self._commit(group):
            self.send(self._city.committed(group, self._now()))
        else:
            self.send(self._city.take_replies())
        await self._think()

    async def finish(self) -> None:
        """Save the engine's state for the next start."""
        writes = Writes(frozen=self._city.host.engine.freeze())
        self._add_log(writes)
        await self._store.commit(writes)

    async def _commit(self, group: Group) -> bool:
        """Return whether the group is durable; on a full disk it is not, and nothing is acknowledged."""
        city = self._city
        introduced, city.introduced = city.introduced, []
        writes = Writes(group, introduced, city.accounts.take_changed(), unexplained=city.watch.take_changed())
        writes.quarantine_bytes = city.caps.limits.quarantine_mb << 20
        if not writes:
            return True
        self._add_log(writes)
        began_us = self._now().us
        try:
            await self._store.commit(writes)
            city.caps.credit.committed(self._now().us - began_us)
        except DiskFullError as error:
            city.ingest.abandoned(group)
            city.introduced = introduced
            city.accounts.unsaved(writes.accounts)
            city.watch.changed.update(writes.unexplained)
            self._unsaved_log(writes)
            _log.error("disk full: no acks", detail=str(error))
            return False
        return True

    async def _think(self) -> None:
        """Decide, save what was decided, then send it."""
        now = self._now()
        sends = self._city.think(now)
        book = self._city.dispatcher.book
        writes = Writes(tasks=(changed := book.take_changed()))
        if now.us - self._frozen_us > FREEZE_US:
            self._frozen_us, writes.frozen = now.us, self._city.host.engine.freeze()
        if writes or now.us - self._logged_us > LOG_US:
            self._add_log(writes)
        if writes:
            try:
                await self._store.commit(writes)
            except DiskFullError as error:
                _log.error("disk full: no orders", detail=str(error))
                book.unsaved(changed)
                self._unsaved_log(writes)
                sends = []
        self.send(sends)

    def _add_log(self, writes: Writes) -> None:
        """Let a commit carry what the engine's log has: all that led to what else is in it."""
        log = self._city.host.engine.log
        if log is not None:
            self._logged_us = self._now().us
            writes.log, writes.log_utc_us = log.take_entries(), log.now_utc_us

    def _unsaved_log(self, writes: Writes) -> None:
        log = self._city.host.engine.log
        if log is not None:
            log.unsaved(list(writes.log))

    def send(self, sends: Iterable[Send]) -> None:
        """Send to the edges that are there and whose key is admitted."""
        for edge, message in sends:
            session = self._city.link(edge)
            parts = session.parts(message) if session else None
            if session and parts and not self._send_parts(session.routing_id, parts):
                self._city.unsent(edge)
