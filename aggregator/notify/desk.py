"""Says what there is to say: saves it, then tries to get it out, notes answers, and writes the audit log. Shell."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from ..alarms.incidents import Cause
from ..city import City
from ..config import AggregatorConfig
from ..store.store import Store
from ..tasks.dispatch import Now
from . import rows, sending, speaker
from .channels import NotifySection
from .outbox import Delivery, Entry, Outbox

Note = Callable[[list[dict[str, Any]]], None]
UNANSWERED, STUCK = "notify_unanswered", "notify_undelivered"


class Parts(Protocol):
    """What notifying needs of a running city; a restore replaces `city` and `store`."""

    city: City
    store: Store
    config: AggregatorConfig

    def now(self) -> Now:
        """Return the moment."""


class NoticeDesk:
    """Does one round at a time; `note` takes lines for the audit log."""

    def __init__(self, parts: Parts, note: Note) -> None:
        self._parts, self._note = parts, note
        self._trying: dict[tuple[str, str], asyncio.Task[None]] = {}

    @property
    def _channels(self) -> Mapping[str, NotifySection]:
        return self._parts.config.notify

    async def turn(self) -> None:
        """Say what is new, note answers in folders, save, and start what is to be tried. Raises: DiskFullError."""
        city, now = self._parts.city, self._parts.now()
        box, engine = city.outbox, city.host.engine
        if city.clock.synced(now.us):
            found = speaker.places(engine.instances, engine.health(), self._channels, box)
            said = speaker.look(found, box, now.utc_us, city.clock.speed, lambda: secrets.token_hex(16))
            for entry, ways in said:
                box.add(entry, ways)
        await self._read_answers(box, now)
        due = box.due(now.utc_us, now.us)
        await self.save()
        for entry, delivery in due:
            self._begin(box, entry, delivery, now)

    async def save(self) -> None:
        """Make durable what changed. Raises: DiskFullError."""
        box = self._parts.city.outbox
        changed = box.take_changed()
        if not changed:
            return
        try:
            await self._parts.store.work(lambda connection: rows.put(connection, changed))
        except OSError:
            box.unsaved(changed)
            raise

    def causes(self, now: Now) -> list[Cause]:
        """Return what nobody answered in time, and what does not get out: each is an incident."""
        box = self._parts.city.outbox
        found = [
            Cause(UNANSWERED, entry.chain, f"nobody has answered {entry.kind} {entry.id} on channel {entry.channel}",
                  due_utc_us, frozenset({f"message:{entry.id}"}))
            for entry, due_utc_us in box.unanswered(now.utc_us)
        ]  # fmt: skip
        for entry, delivery in box.stuck(now.utc_us):
            text = f"channel {entry.channel}: {delivery.way} does not take messages: {delivery.error}"
            place = f"{entry.channel}/{delivery.way}"
            found.append(Cause(STUCK, place, text, entry.sent_utc_us, frozenset({f"message:{entry.id}"})))
        return found

    def cancel(self) -> None:
        """Stop what is being tried; it is tried again after the next start."""
        for task in self._trying.values():
            task.cancel()

    def _begin(self, box: Outbox, entry: Entry, delivery: Delivery, now: Now) -> None:
        """Try one way of one message beside everything else, once at a time."""
        name, section = (delivery.id, delivery.way), self._channels.get(entry.channel)
        if name in self._trying or section is None:
            return
        left_s = (entry.expires_utc_us - now.utc_us) / 1e6 / self._parts.city.clock.speed
        self.spawn(name, self._try(box, entry, delivery, section, left_s))

    def spawn(self, name: tuple[str, str], work: Coroutine[Any, Any, None]) -> None:
        """Let a try go on by itself; until it ends there is no other of its name."""
        task = asyncio.create_task(work)
        self._trying[name] = task
        task.add_done_callback(lambda _: self._trying.pop(name, None))

    async def _try(
        self, box: Outbox, entry: Entry, delivery: Delivery, section: NotifySection, left_s: float
    ) -> None:
        error = await sending.send(entry, delivery.way, section, left_s)
        now = self._parts.now()
        if entry.id not in box.entries:
            return
        new = box.attempted(delivery, error, now.utc_us, now.us)
        if not error or new.attempts == 1:
            event = "notify_failed" if error else "notify_sent"
            self._note([{"event": event, "who": "city", "id": entry.id, "chain": entry.chain, "kind": entry.kind,
                         "channel": entry.channel, "way": delivery.way, "error": new.error}])  # fmt: skip

    async def _read_answers(self, box: Outbox, now: Now) -> None:
        folders = {name: section.file for name, section in self._channels.items() if section.file is not None}
        waiting = [
            (folders[entry.channel], entry) for entry in box.entries.values()
            if entry.acked_utc_us is None and entry.channel in folders and entry.expires_utc_us > now.utc_us
        ]  # fmt: skip
        if not waiting:
            return
        found = await asyncio.to_thread(lambda: [(e, sending.acked_by(folder, e)) for folder, e in waiting])
        for entry, who in found:
            if who is not None:
                answered(box, entry, who, now, self._note)


def answered(box: Outbox, entry: Entry, who: str, now: Now, note: Note) -> bool:
    """Note, also in the audit log, that somebody has a message; return whether they are the first."""
    first = box.acknowledge(entry.id, who, now.utc_us)
    if first:
        note([{"event": "notify_acknowledged", "who": who, "id": entry.id, "chain": entry.chain}])
    return first
