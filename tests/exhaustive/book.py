"""The city's task book as a part: people and a process ask, turns save and order, the process is killed anywhere.

The real `Turns`, `Dispatcher`, `Orders`, `People` and `TaskBook` over rows as the store keeps them. A commit is one
moment: somebody may do something just before it, the disk may be full, the process may die before it or after. The
edge node is the worst that a genuine one can be: it takes orders whenever they come, and tells of them when it likes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import msgpack

from aggregator.errors import TaskRefused
from aggregator.ingest import Group
from aggregator.link.sessions import Session, Sessions
from aggregator.registry import Registry, Thing
from aggregator.tasks.book import TaskBook, TaskRecord, from_map, to_map
from aggregator.tasks.dispatch import Dispatcher, Now
from aggregator.tasks.orders import Orders
from aggregator.tasks.people import People, Want
from aggregator.turns import Turns
from durable import DiskFullError
from processes.contract import Proposal
from protocol import city_link, tasks
from protocol import task_codes as codes
from protocol.city_link import LeaseState, TaskOrder, TaskReport, ThingInfo
from service.risk import LOW, Rule
from tests.simtest.machines import TASK_MAY_BECOME, TASK_NAMES

from .edge import SIGNING
from .lone import Doings, LonePlan
from .parts import Broken, Event
from .plans import manifest

EDGE, GATE = "edge-1", "gate/opening"
STEP_US, T_US = 3_000_000, 1_000_000_000
NOT_LEFT = (codes.PROPOSED, codes.WAITING, codes.AUTHORISED, codes.SELECTED, codes.EXPIRED, codes.REFUSED)
ENDS = ("saved", "full", "dies before", "dies after")
ASKS = 1
SILENT = SimpleNamespace(error=lambda *_, **__: None)


class Died(BaseException):
    """The process ends here."""


def sign(data: bytes) -> bytes:
    """Sign as the city does."""
    return tasks.sign(SIGNING, data)


class Disk:
    """The store of one event: how its commit ends, and what somebody does just before."""

    def __init__(self, part: "BookPart", end: str, between: Callable[[], Any] = lambda: None) -> None:
        self.part, self.end, self.between = part, end, between

    async def commit(self, writes: Any) -> None:
        """Keep the records as they are at this moment."""
        self.between()
        if self.end == "full":
            raise DiskFullError("no space left on device")
        if self.end == "dies before":
            raise Died
        for record in writes.tasks:
            row = tasks.encode(record.task), msgpack.packb(to_map(record))
            self.part.rows[record.task.task_id] = row
        if self.end == "dies after":
            raise Died


@dataclass
class BookPart:
    """A city's tasks. `left`: orders that left, `answered`: what people were told, `born`: in which life made."""

    rule: Rule
    process: bool
    now_us: int = T_US
    rows: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict)
    wire: tuple[bytes, ...] = ()
    left: dict[bytes, bytes] = field(default_factory=dict)
    left_in: dict[bytes, int] = field(default_factory=dict)
    behind: dict[bytes, tuple[str, ...]] = field(default_factory=dict)
    answered: dict[bytes, int] = field(default_factory=dict)
    executed: tuple[bytes, ...] = ()
    over: tuple[bytes, ...] = ()
    reports: tuple[tuple[bytes, int], ...] = ()
    taken_back: tuple[bytes, ...] = ()
    born: dict[bytes, int] = field(default_factory=dict)
    life: int = 1
    asked: int = 0
    faults: int = 1
    steps: int = 3
    connected: bool = True

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        """Start from what is on disk, as rebuild.py does."""
        held = (from_map(tasks.decode(task), msgpack.unpackb(blob)) for task, blob in self.rows.values())
        book = TaskBook(sorted(held, key=lambda record: record.steps[0].utc_us))
        book.lose_track(self.now_us, self.now_us)
        said = manifest("gate", ("opening",), 2000, False)
        info = ThingInfo("gate", "b", "", "", {}, True)
        registry = Registry({"gate": Thing(info, EDGE, said, 0)}, {}, {GATE: said.actuators[0]})
        sessions = Sessions([EDGE], self.now_us, self.now_us)
        self.desk = Dispatcher(registry, sessions, book, sign, {}, 1, {GATE: self.rule})
        self.orders = Orders(self.desk, {GATE: self.rule})
        self.orders.resume()

    def do(self, event: Event) -> tuple[Any, ...]:
        """Take an event."""
        name, *words = event
        self._hear()
        try:
            getattr(self, f"_{name}")(*words)
        except Died:
            self._dies()
        self._check()
        return ()

    def _hear(self) -> None:
        """The edge node's heartbeat has just been here; its clock is the city's."""
        session: Session = self.desk.sessions.by_edge[EDGE]
        session.connected, session.proto, session.boot, session.routing_id = self.connected, 2, "boot-1", b"r"
        session.heartbeat_us = session.edge_boottime_us = self.now_us

    def _dies(self) -> None:
        """The process is killed, and starts from its disk."""
        self.life += 1
        self.faults -= 1
        self._begin()

    def facts(self) -> Doings:
        """What may happen now."""
        return Doings(tuple(self._actions()), len(self.executed))

    def _actions(self) -> list[Any]:
        ends = ENDS if self.faults else ENDS[:1]
        known = list(self.desk.book.by_id.values())
        waiting = [r.task.task_id for r in known if r.state == codes.WAITING]
        live = [r.task.task_id for r in known if r.state not in (codes.CANCELLED, codes.EXPIRED, codes.OBSERVED)]
        people = [("cancels", one) for one in live] + [("approves", one) for one in waiting]
        found: list[Any] = [("turns", end, *person) for end in ends for person in ((), *people)]
        found += [(*person, end) for end in ends for person in people]
        found += [("asks", end) for end in ends if self.asked < ASKS and not self.process]
        found += [("decides", end) for end in ends if self.process]
        found += [("pass",)] if self.steps else []
        found += [("dies",)] if self.faults else []
        found += [("arrives", n) for n in range(len(self.wire))]
        found += [("told", *report) for report in self.reports]
        return [*found, ("leased", self.holder)]

    # what happens

    def _pass(self) -> None:
        self.steps, self.now_us = self.steps - 1, self.now_us + STEP_US

    @property
    def holder(self) -> str:
        """Under which rank the city asks."""
        return "city" if self.process else "operator"

    @property
    def _now(self) -> Now:
        return Now(self.now_us, self.now_us)

    def _turns(self, end: str, *person: Any) -> None:
        """A turn of the city; while it waits for the disk a person may do something, told once that is durable, too."""
        self._turn(end, [], lambda: self._person(*person) if person else None)

    def _decides(self, end: str) -> None:
        """The process decides its first step, again after each start, and the turn goes on with it."""
        outcome = SimpleNamespace(proposals=(Proposal("gate", 1.0, 60_000, "high"),))
        task_id = tasks.task_id("opener", T_US, "gate")
        decision = SimpleNamespace(
            dispatch=True, outcome=outcome, actuators={"gate": GATE}, task_ids={"gate": task_id}, instance="opener",
            step_utc_us=T_US, causes=(),
        )  # fmt: skip
        self.born[task_id] = self.life
        self._turn(end, [decision], lambda: None)

    def _turn(self, end: str, decisions: list[Any], between: Callable[[], Any]) -> None:
        def think(now: Now) -> list[Any]:
            sends = [send for decision in decisions for send in self.desk.decided(decision, now, {})]
            return [*sends, *self.orders.tick(now), *self.desk.tick(now)]

        engine = SimpleNamespace(log=None, freeze=lambda: None)
        nothing = SimpleNamespace(take_changed=dict)
        city: Any = SimpleNamespace(
            think=think, dispatcher=self.desk, host=SimpleNamespace(engine=engine), unsent=lambda edge: None,
            link=self.desk.sessions.by_edge.get, take=lambda *_: Group(), introduced=[], take_replies=list,
            committed=lambda *_: [], accounts=nothing, watch=nothing,
            caps=SimpleNamespace(limits=SimpleNamespace(quarantine_mb=1)),
        )  # fmt: skip
        turns = Turns(city, Disk(self, end, between), self._leaves, lambda: self._now)
        turns._frozen_us = self.now_us
        with patch("aggregator.turns._log", SILENT):
            _run(turns.turn([]))

    def _asks(self, end: str) -> None:
        self.asked += 1
        want = Want(GATE, 1.0, 60_000, "the river", f"n{self.asked}")
        record = self._refusable(lambda people: people.ask("ann", want, self._now))
        if record is not None:
            self.behind[record.task.task_id] = ("ann",)
            self._told_once_kept(record, end)

    def _approves(self, task_id: bytes, end: str) -> None:
        record = self._person("approves", task_id)
        if record is not None:
            self._told_once_kept(record, end)

    def _cancels(self, task_id: bytes, end: str) -> None:
        record = self._person("cancels", task_id)
        if record is not None and self._told_once_kept(record, end) and task_id not in self.left:
            self.taken_back = (*self.taken_back, task_id)

    def _person(self, what: str, task_id: bytes) -> TaskRecord | None:
        """Somebody approves or takes back; nobody is told anything yet."""
        if what == "cancels":
            return self._refusable(lambda people: people.cancel("ann", task_id, "a boat", self._now))
        record = self._refusable(lambda people: people.approve("bob", task_id, self._now))
        if record is not None:
            self.behind[task_id], self.born[task_id] = ("ann", "bob"), self.life
        return record

    def _refusable(self, ask: Callable[[People], TaskRecord]) -> TaskRecord | None:
        try:
            return ask(People(self.orders))
        except TaskRefused:
            return None

    def _told_once_kept(self, record: TaskRecord, end: str) -> bool:
        self.born.setdefault(record.task.task_id, self.life)
        try:
            _run(Disk(self, end).commit(SimpleNamespace(tasks=[record])))
        except DiskFullError:
            return False
        self.answered[record.task.task_id] = record.state
        return True

    def _leased(self, holder: str) -> None:
        self.desk.take_lease(EDGE, LeaseState(GATE, holder, 1, self.now_us + STEP_US))

    def _leaves(self, _: bytes, parts: list[bytes]) -> bool:
        """A message leaves for the edge node. Raises: Broken."""
        message = city_link.decode(parts)
        if isinstance(message, TaskOrder):
            self._may_leave(tasks.decode(message.task), message.task)
            self.wire = tuple(dict.fromkeys((*self.wire, message.task)))
        return True

    def _arrives(self, n: int) -> None:
        """The edge node takes an order: each once, in time, unless it was taken back."""
        task = tasks.decode(self.wire[n])
        known = {*self.executed, *self.over}
        if task.verb == tasks.CANCEL:
            self.over = tuple(sorted({*self.over, task.task_id}))
            self._reports(task.task_id, codes.CANCELLED)
        elif task.task_id not in known and self.now_us < task.not_after_us:
            self.executed = (*self.executed, task.task_id)
            self._reports(task.task_id, codes.ACCEPTED)
            self._reports(task.task_id, codes.DONE)

    def _reports(self, task_id: bytes, state: int) -> None:
        """The edge node says how a task stands; that arrives late, again and in any order, or never."""
        self.reports = tuple(dict.fromkeys((*self.reports, (task_id, state))))

    def _told(self, task_id: bytes, state: int) -> None:
        self.desk.report(EDGE, TaskReport(task_id, state, codes.OK, "", 1.0), self._now)

    def _settle(self) -> None:
        """The disk has room, reports come, ten minutes pass."""
        self.faults = 0
        for wait_us in (0, STEP_US, 4 * STEP_US, 30 * STEP_US, 205 * STEP_US, STEP_US):
            self.now_us += wait_us
            self._hear()
            for report in self.reports:
                self._told(*report)
            self._turn("saved", [], lambda: None)
        for record in self.desk.book.by_id.values():
            if record.is_open and record.state != codes.DONE:
                text = f"task {record.task.task_id.hex()[:6]} is {TASK_NAMES[record.state]} for ever"
                raise Broken("not_at_rest", text)

    # what must hold

    def _may_leave(self, task: tasks.Task, payload: bytes) -> None:
        """Raises: Broken."""
        task_id, name = task.task_id, f"the {tasks.VERBS[task.verb]} of {task.task_id.hex()[:6]}"
        if task.verb != tasks.OPERATE:
            return
        if self.now_us >= task.not_after_us:
            raise Broken("too_late", f"{name} leaves after its deadline")
        row = self.rows.get(task_id)
        if row is None or msgpack.unpackb(row[1])["steps"][-1][0] in NOT_LEFT or row[0] != payload:
            raise Broken("order_before_book", f"{name} leaves, and that is not on disk")
        if self.left.setdefault(task_id, payload) != payload:
            raise Broken("ordered_twice", f"{name} leaves a second time as another order")
        if self.left_in.setdefault(task_id, self.life) != self.life:
            raise Broken("ordered_again", f"{name} had left before the restart, and leaves again")
        if task_id in self.taken_back:
            raise Broken("cancelled", f"{name} leaves, and had been taken back before it left")
        if not self.process and self.born[task_id] != self.life:
            raise Broken("outlived", f"{name} leaves, and was authorised before the restart")
        people = {name for name in (task.person, *task.approved) if name}
        enough = self.process or len(people) >= self.rule.approvals
        if not enough or not people <= set(self.behind.get(task_id, ())):
            raise Broken("too_few_people", f"{name} leaves with {', '.join(sorted(people)) or 'nobody'} behind it")

    def _check(self) -> None:
        """Raises: Broken if something is told as it is not."""
        known = self.desk.book.by_id
        for task_id in {*self.left, *self.answered}:
            if task_id not in known:
                raise Broken("forgotten", "the city knows nothing of a task that left, or that a person was told of")
        for task_id, state in self.answered.items():
            if state == codes.CANCELLED and known[task_id].state != state:
                raise Broken("came_back", f"it was cancelled, and is {TASK_NAMES[known[task_id].state]}")
        for task_id, life in self.left_in.items():
            state = known[task_id].state
            if state in NOT_LEFT or (state == codes.DISPATCHED and life != self.life):
                raise Broken("untrue", f"it left in life {life}, this is {self.life}, and it is {TASK_NAMES[state]}")
        for task_id, record in known.items():
            if record.state == codes.DONE and task_id not in self.executed:
                raise Broken("untrue", "it is done, and nothing was executed")
            for old, new in pairwise(record.steps):
                if new.state not in TASK_MAY_BECOME.get(old.state, ()):
                    raise Broken("went_back", f"it was {TASK_NAMES[old.state]} and is {TASK_NAMES[new.state]}")


def _run(coroutine: Any) -> None:
    """Run what waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("a turn waits for something that is not there")


TEXTS = {
    "asks": "ann asks for the gate; the disk: {0}", "approves": "bob approves; the disk: {1}",
    "cancels": "ann takes it back; the disk: {1}", "decides": "the process decides its first step; the disk: {0}",
    "turns": "a turn of the city; the disk: {0}", "pass": "three seconds pass", "dies": "the city is killed",
    "arrives": "order {0} on the wire arrives", "told": "the edge node tells that it is in state {1}",
    "leased": "the edge node grants the lease to {0}",
}  # fmt: skip


def _ready(part: BookPart) -> BookPart:
    """Return a city that has the lease that it needs."""
    part.do(("leased", part.holder))
    return part


BOOK = LonePlan(
    "book", "an order that two people must want, in the city's book: disks fill, the city dies at any commit",
    lambda: _ready(BookPart(Rule("high", approvals=2), False)), TEXTS, depth=4,
)  # fmt: skip
AGAIN = LonePlan(
    "again", "a process's task in the city's book, whose step is decided anew after each start",
    lambda: _ready(BookPart(LOW, True)), TEXTS, depth=4,
)  # fmt: skip
