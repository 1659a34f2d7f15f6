"""An edge node as a part: the real guard, arbiter, hands and command counter over a journal that a crash cuts off."""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgpack
import numpy as np

from edge_node.boards.commands import CommandCounter
from edge_node.keys.reflex import ReflexKey
from edge_node.reaction.effects import LOCAL
from edge_node.reaction.guard import Guard
from edge_node.reaction.task_entry import from_bytes
from protocol import task_codes as codes
from protocol import tasks
from protocol.board_link import TaskResult
from protocol.city_link import LeaseState
from protocol.manifest import ActuatorInfo, Manifest
from service.risk import LOW
from tests.simtest.machines import TASK_MAY_BECOME, TASK_NAMES

from .hands import STEP_US, Hands, Known, Row, ages, plain, task_id
from .parts import Broken, Event, constant
from .rulings import Ruling

SIGNING = bytes(range(32, 64))
VERIFY = tasks.public_of(SIGNING)
COUNTERS = 1_000_000
FENCES = 1000
LEASE_KNOWN_US = 1_500_000
FORGED = 90
OWN = ReflexKey(tasks.public_of(bytes(range(64, 96))), bytes(range(64, 96)))
NOT_OWN = {
    "by nobody": lambda payload: bytes(64),
    "with another node's key": lambda payload: tasks.sign_reflex(bytes(range(96, 128)), payload),
    "as a city signs": lambda payload: tasks.sign(OWN.private, payload),
}
RANKS = ("edge", "city", "operator", "safety")
TASK = 7


for _kind in (tasks.Task, Manifest, ActuatorInfo):
    constant(_kind)


class Quiet(dict[str, int]):
    """Stands in for the counts of refusals, which change nothing."""

    def note(self, *_: Any) -> None:
        """Count nothing."""


class Facts(NamedTuple):
    """What a world needs to know of an edge node."""

    pending: bool
    nonce: int
    up: bool
    latched: frozenset[str]
    open: tuple[bytes, ...]
    boot: str


def nothing(task: tasks.Task) -> None:
    """No process says what to observe: the manifest's feedback counts."""


@dataclass
class EdgePart:
    """One edge node. Time comes with every event, in steps of true time; `zero`: when its boottime began."""

    manifests: list[Manifest]
    guard: Guard
    counter: CommandCounter
    boards: dict[str, Known]
    bodies: dict[bytes, bytes] = field(default_factory=dict)
    pending: list[Row] = field(default_factory=list)
    durable: dict[bytes, bytes] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    lives: int = 1
    zero: int = 0
    old: frozenset[bytes] = frozenset()
    left: dict[bytes, bytes] = field(default_factory=dict)
    halted: frozenset[str] = frozenset()
    halted_kept: frozenset[str] = frozenset()
    holds: dict[str, tuple[str, int]] = field(default_factory=dict)
    said: dict[bytes, int] = field(default_factory=dict)
    fences: dict[str, tuple[int, str]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    selecting: tasks.Task | None = None
    ruling: Ruling = field(default_factory=lambda: Ruling({}))

    @classmethod
    def make(cls, manifests: list[Manifest], **settings: Any) -> "EdgePart":
        """Return a node that knows its boards' manifests and has heard none of them."""
        guard = Guard("edge-1", "", VERIFY, 0)
        boards = {manifest.thing: Known() for manifest in manifests}
        ruling = Ruling(settings.get("rules", {}), settings.get("select_ms", 0))
        part = cls(manifests, guard, CommandCounter(0, 0), boards, settings=settings, ruling=ruling)
        part.begin(0)
        return part

    def begin(self, now_us: int) -> None:
        """Start as the assembly of a node does: numbers of this life, latches and tasks of earlier ones."""
        life = self.lives
        self.guard = Guard("edge-1", f"boot-{life}", VERIFY, life * FENCES, observe=nothing, **self.settings)
        self.guard.refused, self.guard.started_us = Quiet(), now_us  # type: ignore[assignment]
        self.guard.latch({name: text for name, text in self.kept.items() if text})
        self.guard.restore([from_bytes(blob) for blob in self.durable.values()])
        self.counter = CommandCounter(life * COUNTERS, (life + 1) * COUNTERS)
        for manifest in self.manifests:
            self.guard.announce(manifest)

    # what happens

    def do(self, event: Event) -> tuple[Any, ...]:
        """Take an event (name, time, ...); return what goes out."""
        name, t, *words = event
        hands = Hands(self, t)
        getattr(self, f"_{name}")(hands, *words)
        self._latched()
        self._tidy(hands)
        return tuple(hands.out)

    def facts(self) -> Facts:
        """What the world may look at."""
        guard = self.guard
        latched = {name for name, actuator in guard.actuators.items() if actuator.tripped}
        latched |= {LOCAL} if guard.stopped else set()
        unfinished = tuple(e.task.task_id for e in guard.entries.values() if _is_unfinished(e))
        knows = [self.boards[manifest.thing] for manifest in self.manifests]
        return Facts(
            bool(self.pending), tuple(k.nonce for k in knows), tuple(k.up for k in knows), frozenset(latched),  # type: ignore[arg-type]
            unfinished, guard.boot,
        )  # fmt: skip

    def _order(self, hands: "Hands", payload: bytes, signature: bytes) -> None:
        task = tasks.decode(payload)
        mine = task.edge_boot == f"boot-{self.lives}" and hands.now_us < task.not_after_us
        if mine and tasks.verify(VERIFY, payload, signature):
            self._obeys(task, self.ruling.arrives(task, hands.now_us))
        self.selecting = task if task.verb == tasks.SELECT and task.task_id not in self.guard.entries else None
        hands.react(self.guard.order(signature, payload, hands.now_us))
        self.selecting = None
        freed = [out for out in hands.out if out[:3] == ("lease", task.actuator, "")]
        if task.verb == tasks.CANCEL and freed:
            del self.holds[task.actuator]

    def _obeys(self, task: tasks.Task, latch: str) -> None:
        """A person trips or resets by an order; while the node is stopped nobody resets."""
        if latch == "trip":
            self.halted |= {task.actuator}
            self.ruling.halted(task.actuator)
        elif latch == "reset" and LOCAL not in self.halted:
            self.halted -= {task.actuator}

    def _lease(self, hands: "Hands", actuator: str, holder: str) -> None:
        self._asked(hands, actuator, holder)
        hands.react(self.guard.lease(actuator, holder, hands.now_us))

    def _ask(self, hands: "Hands", wish: Any, number: int, terms: tuple[int, int]) -> None:
        """A process or a person at the node wants something, and asks the way it has to."""
        holder, actuator = wish.holder, wish.actuator
        if tasks.OPERATE in wish.verbs:
            self._asked(hands, actuator, holder)
            hands.react(self.guard.lease(actuator, holder, hands.now_us))
        arbiter = self.guard.actuators[actuator].arbiter
        if arbiter.holder(hands.now_us) != holder and tasks.OPERATE in wish.verbs:
            return
        own = number if wish.of < 0 else wish.of
        task = self.task(own, actuator, wish.setpoint, arbiter.fence, hands.now_us + terms[0] * 1000, terms[1])
        task = replace(task, rank=holder, person="ann") if holder == "operator" else task
        if wish.own:
            rank = "operator" if wish.person else "city"
            task = replace(task, rank=rank, person=wish.person, approved=list(wish.approved), verb=wish.verbs[0])
        hands.react(self.guard.request(holder, task, hands.now_us))

    def _forged_own(self, hands: "Hands", actuator: str, how: str) -> None:
        """A task comes as the node's own, under its lease, and not signed with its key."""
        self._asked(hands, actuator, "edge")
        hands.react(self.guard.lease(actuator, "edge", hands.now_us))
        fence = self.guard.actuators[actuator].arbiter.fence
        task = self.task(FORGED, actuator, 1.0, fence, hands.now_us + 1_000_000, 3000)
        hands.react(self.guard.own("edge", NOT_OWN[how](tasks.encode(task)), tasks.encode(task), hands.now_us))

    def _asked(self, hands: "Hands", actuator: str, holder: str) -> None:
        """Keep who must hold the lease now: the check's own reading of the rule."""
        held, until_us = self.holds.get(actuator, ("", 0))
        held = held if hands.now_us < until_us else ""
        if not held or RANKS.index(holder) >= RANKS.index(held):
            self.holds[actuator] = (holder, hands.now_us + self.guard.lease_ms * 1000)

    def task(self, number: int, actuator: str, setpoint: float, fence: int, until_us: int, valid_ms: int) -> tasks.Task:
        """Return a task for this boot."""
        words = (task_id(number), actuator, setpoint, valid_ms, "p", number, "edge-1", self.guard.boot, until_us, fence)
        return tasks.Task(*words)

    def _commit(self, hands: "Hands") -> None:
        """What was submitted becomes durable, and who waits for it is told."""
        pending, self.pending = self.pending, []
        self._write(pending)
        self.halted_kept = self.halted
        for row in pending:
            if row.kind == "task" and row.told:
                hands.reaction._intent_saved(row.key)
            elif row.kind == "latch":
                hands.react(row.told)

    def _write(self, rows: list[Row]) -> None:
        for row in rows:
            if row.kind == "latch":
                self.kept[row.key] = row.value
            else:
                self.durable.pop(row.key, None)
                self.durable[row.key] = row.value

    def _tick(self, hands: "Hands") -> None:
        for manifest in self.manifests:
            known = self.boards[manifest.thing]
            self.guard.board(manifest.thing, codes.OK if known.up else codes.LINK_DOWN)
        self._keeps(hands.now_us)
        hands.react(self.guard.tick(hands.now_us))

    def _keeps(self, now_us: int) -> None:
        """A person's lease lasts while the order is in force: the check's own reading of the rule."""
        for name, (held, until_us) in list(self.holds.items()):
            order = self.guard.actuators[name].active
            if order is None or (order.requester, held) != ("operator", "operator") or now_us >= until_us:
                continue
            end_us = min(order.valid_until_us, now_us + self.guard.lease_ms * 1000)
            self.holds[name] = held, max(until_us, end_us)

    def _result(self, hands: "Hands", task: bytes, state: int, code: int) -> None:
        now_us = hands.now_us
        hands.reaction.result(TaskResult("b", task, state, code, 0, 0.0), now_us, now_us)

    def _hello(self, hands: "Hands", thing: str, nonce: int, zero: int) -> None:
        """The board answers: which boot it is in."""
        known = self.boards[thing]
        again, known.nonce, known.zero, known.up = known.nonce not in (-1, nonce), nonce, zero, True
        self.guard.announce(next(m for m in self.manifests if m.thing == thing))
        if again:
            hands.react(self.guard.board_restarted(thing, hands.now_us))
        self.guard.board(thing, codes.OK)

    def _down(self, hands: "Hands", thing: str) -> None:
        self.boards[thing].up = False
        self.guard.board(thing, codes.LINK_DOWN)

    def _status(self, hands: "Hands", actuator: str, setpoint: float, held: bool) -> None:
        """A status of the board arrives, as `boards/side` takes it."""
        self.guard.board_says(actuator, setpoint, setpoint)
        if not held:
            self.guard.lapsed_on_board(actuator, hands.now_us - LEASE_KNOWN_US, hands.now_us)

    def _seen(self, hands: "Hands", datastream: str, value: float) -> None:
        arrays = np.array([hands.now_us]), np.array([value]), np.array([True])
        if self.guard.looks_at(datastream):
            self.guard.saw(datastream, arrays[0], arrays[2], hands.now_us)
            self.ruling.seen[datastream.partition("/")[0]] = hands.t * STEP_US
        hands.react(self.guard.feedback(datastream, *arrays))

    def _trip(self, hands: "Hands", actuator: str) -> None:
        self.halted |= {actuator}
        self.ruling.halted(actuator)
        hands.react(self.guard.trip(actuator, "in the channel", hands.now_us, "ann"))

    def _reset(self, hands: "Hands", actuator: str) -> None:
        self.halted -= {actuator}
        hands.react(self.guard.reset(actuator, "ann"))

    def _stop(self, hands: "Hands") -> None:
        self.halted |= {LOCAL}
        self.ruling.kept.clear()
        hands.react(self.guard.stop("a button", "ann", hands.now_us))

    def _clear(self, hands: "Hands") -> None:
        self.halted -= {LOCAL}
        hands.react(self.guard.clear("ann"))

    def _crash(self, hands: "Hands", saved: bool, reboot: bool) -> None:
        """The process dies, with what was submitted on disk or not; it starts anew under another boot id."""
        self._write(self.pending if saved else [])
        self.halted = self.halted_kept = self.halted if saved else self.halted_kept
        self.holds, self.said = {}, {task: msgpack.unpackb(blob)[2] for task, blob in self.durable.items()}
        self.ruling.crashed(reboot)
        self.lives += 1
        self.zero = hands.t * STEP_US if reboot else self.zero
        self.boards, self.bodies, self.pending = {thing: Known() for thing in self.boards}, {}, []
        self.begin(hands.t * STEP_US - self.zero)
        self.old = frozenset(self.durable)

    # what must hold of what leaves

    def leaves(self, hands: "Hands", thing: str, body: bytes) -> None:
        """A command leaves for a board: note it. Raises: Broken."""
        kind, payload = msgpack.unpackb(body)[:2]
        parts = msgpack.unpackb(payload)
        if kind != TASK:
            actuator = self.guard.actuators[self._name(thing, parts[2])]
            if parts[3]:
                self._renews(hands, actuator, parts[3])
                self.ruling.renews(actuator.arbiter.actuator)
            if parts[3] and self._is_halted(actuator.arbiter.actuator):
                raise Broken("moved_while_halted", f"{actuator.arbiter.actuator} is halted, and its lease is renewed")
            hands.out.append(("down", thing, body, b"", 0, 0, ""))
            return
        task = bytes(parts[2])
        entry = self.guard.entries[task]
        if task not in self.durable:
            raise Broken("intent_after_command", f"the command of {plain(task)} leaves, its intent is not on disk")
        if task in self.old:
            raise Broken("executed_again", f"{plain(task)} is of an earlier life and is commanded")
        if self.left.setdefault(task, body) != body:
            raise Broken("sent_otherwise", f"{plain(task)} leaves a second time as another command")
        self._in_force(hands, entry)
        self.ruling.leaves(entry.task, entry.requester, entry.sends > 1, hands.now_us, hands.t * STEP_US)
        deadline_us = entry.task.not_after_us + self.zero
        hands.out.append(("down", thing, body, task, entry.task.fence, deadline_us, entry.task.actuator))

    def _renews(self, hands: "Hands", actuator: Any, lease_ms: int) -> None:
        if actuator.active is None or hands.now_us + lease_ms * 1000 > actuator.active.valid_until_us:
            text = f"the lease of {actuator.arbiter.actuator} is renewed beyond its setpoint's time"
            raise Broken("renewed_too_long", text)

    def _in_force(self, hands: "Hands", entry: Any) -> None:
        actuator, name = self.guard.actuators[entry.task.actuator], plain(entry.task.task_id)
        held, until_us = self.holds.get(entry.task.actuator, ("", 0))
        if entry.sends == 1 and (held != entry.requester or hands.now_us >= until_us):
            text = f"{entry.requester} commands {entry.task.actuator}, which {held or 'nobody'} holds"
            raise Broken("not_the_holder", text)
        if entry.task.task_id == task_id(FORGED):
            raise Broken("unsigned_order", "an order that nobody signed is commanded")
        if self._is_halted(entry.task.actuator):
            raise Broken("moved_while_halted", f"{name} leaves though {entry.task.actuator} is halted")
        if entry.task.fence != actuator.arbiter.fence:
            text = f"{name} of fence {entry.task.fence} leaves under fence {actuator.arbiter.fence}"
            raise Broken("old_fence", text)
        if entry.sends == 1 and hands.now_us >= entry.task.not_after_us:
            raise Broken("too_late", f"{name} leaves after its deadline")

    def tells(self, lease: LeaseState) -> None:
        """Somebody is told who holds a lease: fences rise, and a new holder has a new one. Raises: Broken."""
        fence, holder = self.fences.get(lease.actuator, (0, ""))
        kept = lease.fence == fence and lease.holder and holder and lease.holder != holder
        if lease.fence < fence or kept:
            text = f"{lease.actuator}: {holder} had fence {fence}, {lease.holder or 'nobody'} has {lease.fence}"
            raise Broken("fence_kept" if kept else "fence_fell", text)
        self.fences[lease.actuator] = (lease.fence, lease.holder or holder)

    def says(self, task: bytes, state: int) -> None:
        """A task is reported: it only moves forward; what is told of a selection is no state of it. Raises: Broken."""
        if self.selecting is not None:
            return
        before = self.said.setdefault(task, state)
        if state not in TASK_MAY_BECOME.get(before, ()) and state != before and task != task_id(FORGED):
            raise Broken("went_back", f"{plain(task)} was {TASK_NAMES[before]} and is {TASK_NAMES[state]} now")
        if state == codes.CANCELLED != before:
            self.ruling.ended(task)
        self.said[task] = state

    def _latched(self) -> None:
        """What a person tripped or stopped stays so until a person ends it. Raises: Broken."""
        tripped = {name for name, actuator in self.guard.actuators.items() if actuator.tripped}
        tripped |= {LOCAL} if self.guard.stopped else set()
        if not self.halted <= tripped:
            raise Broken("let_go", f"{', '.join(self.halted - tripped) or 'the node'} is let go, by no person")

    def _is_halted(self, actuator: str) -> bool:
        return bool(self.halted & {actuator, LOCAL})

    def _name(self, thing: str, index: int) -> str:
        manifest = next(m for m in self.manifests if m.thing == thing)
        return manifest.actuator_id(index)

    def _tidy(self, hands: "Hands") -> None:
        """Forget what is only told to people, or over, so that states that behave alike are one."""
        self.ruling.tidy(hands.now_us, hands.t * STEP_US)
        active = [id(actuator.active) for actuator in self.guard.actuators.values()]
        self.guard.deeds.clear()
        for actuator in self.guard.actuators.values():
            if not actuator.rule.max_per_min:
                actuator.sent_us.clear()
            if actuator.selection is not None and hands.now_us >= actuator.selection.until_us:
                actuator.selection = None
        for entry in self.guard.entries.values():
            counted = self.guard.rules.get(entry.task.actuator, LOW).max_per_min
            entry.stamps = ages(entry.stamps) if counted else {"edge_rx": 0}
            entry.text, entry.position = "", 0.0
            if codes.is_final(entry.state) and id(entry) not in active:
                entry.sent_us = entry.done_us = 0
                entry.seen = None


def _is_unfinished(entry: Any) -> bool:
    if entry.state == codes.DONE:
        return bool(entry.observe)
    return entry.state != codes.UNKNOWN and not codes.is_final(entry.state)
