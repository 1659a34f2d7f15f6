"""People in the city: they order, approve, take back, trip, reset and look after alarms, some at the worst moment.

They use what the pages of the city use, between its turns, and sometimes want what they may not have. `rulings.py`
notes what they really did, and judges what comes of it.
"""

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from fastapi import HTTPException

from aggregator.alarms import view
from aggregator.alarms.acts import Act
from aggregator.alarms.api import carry_out
from aggregator.alarms.watch import look_once
from aggregator.errors import TaskRefused
from aggregator.notify import sending
from aggregator.notify.desk import NoticeDesk, answered
from aggregator.tasks.people import People, Want
from durable import DiskFullError, SyncError
from processes.alarms.actions import Action
from protocol import task_codes as codes
from protocol import tasks

from . import plan
from .mail import Mail
from .world import SECOND

NAMES = ("ann", "bob", "cid")
EVERY_S, LOOK_S = 24, 40
WISHES = {"ask": 8, "approve": 3, "cancel": 3, "trip": 1, "alarm": 5, "answer": 2}
OPEN = (codes.WAITING, codes.AUTHORISED)


class Notices(NoticeDesk):
    """The real desk of messages; only what a try is awaited with differs."""

    def __init__(self, parts: Any, note: Any, run: Callable[..., None]) -> None:
        super().__init__(parts, note)
        self._run = run

    def spawn(self, name: tuple[str, str], work: Any) -> None:
        """Try in virtual time."""
        self._trying[name] = None  # type: ignore[assignment]
        self._run(work, lambda: self._trying.pop(name, None))


class Crowd:
    """All people of a seed. `over`: nobody wants anything any more."""

    def __init__(self, sim: Any) -> None:
        self.world, self.city, self.rulings = sim.world, sim.city, sim.oracle.acting.rulings
        self.rng = sim.world.rng("people")
        self.actuators = sorted(f"{b.thing}/{a.name}" for b in sim.boards.values() for a in b.plan.actuators)
        self.over = not self.actuators
        self.mail = Mail(sim.world, sim.city, self.rulings)
        self.desk: Any = None
        self._acts = 0

    def begin(self) -> None:
        """From now on they are there."""
        sending.send = self.mail.send
        self.city.started_with = self._city_started
        self.world.after(20 * SECOND, self._turn)
        self.world.after(LOOK_S * SECOND, self._look)

    def calm(self) -> None:
        """They go home."""
        self.over = True
        self.mail.calm()

    def _city_started(self) -> None:
        """A process of the city begins: its messages have a new desk."""
        city = self.city
        self.parts = SimpleNamespace(
            city=city.core, store=city.store, config=SimpleNamespace(notify=plan.CHANNELS), now=city.moment
        )
        self.desk = Notices(self.parts, self.rulings.audited, self._run)

    def _run(self, work: Any, done: Callable[[], Any] = lambda: None) -> None:
        self.city.carry(_quiet(work), done)

    def _turn(self) -> None:
        if self.over:
            return
        self.world.after(int(self.rng.expovariate(1 / EVERY_S) * SECOND) + SECOND, self._turn)
        (wish,) = self.rng.choices(list(WISHES), list(WISHES.values()))
        who, actuator = self.rng.choice(NAMES), self.rng.choice(self.actuators)
        if self.city.alive:
            getattr(self, f"_{wish}")(who, actuator)
            self.city.soon()

    def _look(self) -> None:
        """What the city does once a second beside its turns: messages and incidents."""
        self.world.after(LOOK_S * SECOND, self._look)
        if self.city.alive and not self.city.paused:
            self._run(self._look_once(self.parts, self.desk))

    @staticmethod
    async def _look_once(parts: Any, desk: Notices) -> None:
        await desk.turn()
        await look_once(parts, desk.causes(parts.now()))

    def _do(self, what: Callable[[People, Any], Any]) -> Any:
        """Return the record that a person's wish gives, None if it is refused or the city is down."""
        if not self.city.alive:
            return None
        try:
            return what(People(self.city.core.orders), self.city.moment())
        except TaskRefused as refused:
            self.rulings.refused(codes.CODES[refused.code])
            return None

    def _nonce(self) -> str:
        return f"{self.rng.getrandbits(64):016x}"

    # orders

    def _ask(self, who: str, actuator: str) -> None:
        setpoint, valid_ms = self.rng.choice((1.0, 1.0, 0.0)), self.rng.randrange(10_000, 120_000)
        want = Want(actuator, setpoint, valid_ms, "people", self._nonce())
        record = self._do(lambda people, now: people.ask(who, want, now))
        if record is not None:
            self.rulings.stands_behind(record.task.task_id, who)
            for _ in range(2 if record.state == codes.WAITING else 0):
                wait_us = self.rng.randrange(SECOND, 40 * SECOND)
                self.world.after(wait_us, self._approve_one, record.task.task_id, self.rng.choice(NAMES))

    def _approve_one(self, task_id: bytes, who: str) -> None:
        if self._do(lambda people, now: people.approve(who, task_id, now)) is not None:
            self.rulings.stands_behind(task_id, who)
            self.city.soon()

    def _approve(self, who: str, actuator: str) -> None:
        for record in self.city.core.dispatcher.book.open_records():
            if record.state == codes.WAITING:
                self._approve_one(record.task.task_id, who)

    def _cancel(self, who: str, actuator: str) -> None:
        """Take back one of the newest orders of people, most often one that goes on."""
        book = self.city.core.dispatcher.book
        mine = [r for r in book.by_id.values() if r.requester == "operator" and r.task.verb == tasks.OPERATE][-6:]
        mine = [record for record in mine if record.is_open] or mine
        if mine:
            record = self.rng.choice(mine)
            self._do(lambda people, now: people.cancel(who, record.task.task_id, "enough", now))

    def _trip(self, who: str, actuator: str) -> None:
        nonce = self._nonce()
        if self._do(lambda people, now: people.latch(who, tasks.TRIP, actuator, "look", nonce, now)) is not None:
            self.world.after(self.rng.randrange(5 * SECOND, 60 * SECOND), self._reset, who, actuator)

    def _reset(self, who: str, actuator: str) -> None:
        """Let it go again; the city may be down or far from its node, then later."""
        nonce = self._nonce()
        if self._do(lambda people, now: people.latch(who, tasks.RESET, actuator, "looked", nonce, now)) is not None:
            self.city.soon()
        elif not self.over:
            self.world.after(30 * SECOND, self._reset, who, actuator)

    # alarms and messages

    def _alarm(self, who: str, actuator: str) -> None:
        rows = view.rows(self.city.core)
        if not rows:
            return
        row, kind = self.rng.choice(rows), self.rng.choice(("ack", "ack", "shelve", "unshelve"))
        now_us = self.city.moment().utc_us
        until_us = now_us + self.rng.randrange(10, 90) * SECOND if kind == "shelve" else 0
        action = Action(self._nonce(), kind, row["key"], now_us, until_us, who, "people")
        self.rulings.acted(action)
        self._run(carry_out(self.parts, self.rulings.audited, Act(row["instance"], action)))

    def _answer(self, who: str, actuator: str) -> None:
        """Somebody who got a message says so."""
        box = self.city.core.outbox
        got = [entry for entry in box.entries.values() if entry.id in self.mail.taken]
        if got:
            answered(box, self.rng.choice(got), who, self.city.moment(), self.rulings.audited)


async def _quiet(work: Any) -> None:
    """What fails for want of room, or is refused, is told to who asked; here nobody minds."""
    with suppress(HTTPException, DiskFullError, SyncError, OSError):
        await work
