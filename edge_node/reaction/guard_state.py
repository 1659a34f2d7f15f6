"""What the guard knows: actuators, tasks, what is latched. Sans-IO; `guard.py` says what is made of it."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple, Protocol, TypeAlias

from protocol import task_codes as codes
from protocol import tasks
from protocol.manifest import ActuatorInfo, Manifest
from service.refusals import Refusals
from service.risk import LOW, Rule

from .arbiter import Arbiter
from .effects import Effect, Save
from .task_entry import TaskEntry

FEEDBACK_SHARE = 0.05
MINUTE_US = 60_000_000
MAX_DEEDS = 100

class Signer(Protocol):
    """The node's own key, for what its own processes ask of its own actuators."""

    @property
    def public(self) -> bytes:
        """The raw public half."""

    def sign(self, payload: bytes) -> bytes:
        """Return the signature of an encoded task."""


Observe: TypeAlias = Callable[[tasks.Task], tuple[str, float] | None]


class Selection(NamedTuple):
    """An actuator that is kept for one task, under one fence, until a moment (boottime us)."""

    task_id: bytes
    setpoint: float
    requester: str
    person: str
    fence: int
    until_us: int

    def __str__(self) -> str:
        """Return for people what is selected, and by whom."""
        return f"{self.setpoint:g} for {self.person or self.requester}"


@dataclass
class Actuator:
    """One actuator: limits, rule, lease, the task whose setpoint is valid now, the board's view of it.

    `said_away`: whether the board last said that it is away from its safe setpoint, None: it said nothing yet;
    `seen_us`: when its own feedback was good last, None: not yet in this run; `sent_us`: when commands left in the last
    minute; `away_until_us`: until when what left for it may keep it away from its safe setpoint, whether its board
    answers or not.
    """

    thing: str
    info: ActuatorInfo
    arbiter: Arbiter
    rule: Rule = LOW
    active: TaskEntry | None = None
    renewed_us: int = 0
    tripped: str = ""
    selection: Selection | None = None
    said_away: bool | None = None
    seen_us: int | None = None
    away_until_us: int = 0
    sent_us: deque[int] = field(default_factory=lambda: deque(maxlen=1000))

    @property
    def feedback(self) -> str:
        """The datastream of its own feedback, "" if it has none."""
        return f"{self.thing}/{self.info.feedback}" if self.info.feedback else ""

    @property
    def near(self) -> float:
        """How near to a setpoint counts as there, in the actuator's unit."""
        return FEEDBACK_SHARE * (self.info.upper - self.info.lower)

    def may_act(self, from_us: int, lease_ms: int) -> None:
        """Note that an order left which its board may begin at a moment, and keep for so long and the way back."""
        self.away_until_us = max(self.away_until_us, from_us + (lease_ms + self.info.travel_ms) * 1000)

    def kept_from(self, task: tasks.Task, now_us: int) -> bool:
        """Whether it is selected for another task, by whoever has the lease now."""
        kept = self.selection
        if kept is None or kept.task_id == task.task_id:
            return False
        return now_us < kept.until_us and kept.fence == self.arbiter.fence

    def sent_lately(self, now_us: int) -> int:
        """Return how many commands left in the last minute."""
        return sum(now_us - at_us < MINUTE_US for at_us in self.sent_us)


@dataclass
class GuardState:
    """State of all actuators of this node. `observe(task)` gives (datastream, within_s) or None.

    `epoch`: the city's restore epoch that this node knows durably; `stopped`: why nothing may move at this node;
    `reflex`: signs what processes here ask, None: a node without a key; `deeds`: for the audit log; `stops`: how often
    each board was stopped at its own input.
    """

    edge: str
    boot: str
    verify_key: bytes
    first_fence: int
    epoch: int = 0
    lease_ms: int = 3000
    within_s: float = 20.0
    select_ms: int = 10_000
    started_us: int = 0
    interlocks: list[list[str]] = field(default_factory=list)
    rules: dict[str, Rule] = field(default_factory=dict)
    latched: dict[str, str] = field(default_factory=dict)
    stopped: str = ""
    next_verify_key: bytes = b""
    reflex: Signer | None = None
    observe: Observe = lambda task: None
    actuators: dict[str, Actuator] = field(default_factory=dict)
    entries: OrderedDict[bytes, TaskEntry] = field(default_factory=OrderedDict)
    running: dict[bytes, TaskEntry] = field(default_factory=dict)
    ready: dict[str, int] = field(default_factory=dict)
    refused: Refusals = field(default_factory=Refusals)
    deeds: list[dict[str, Any]] = field(default_factory=list)
    stops: dict[str, int] = field(default_factory=dict)

    def announce(self, manifest: Manifest) -> None:
        """Learn a board's actuators; what is known keeps its lease, what is latched stays tripped."""
        for info in manifest.actuators:
            name = f"{manifest.thing}/{info.name}"
            known = self.actuators.get(name)
            if known is None:
                arbiter = Arbiter(name, self.first_fence, self.lease_ms)
                rule, tripped = self.rules.get(name, LOW), self.latched.get(name, "")
                self.actuators[name] = Actuator(manifest.thing, info, arbiter, rule, tripped=tripped)
                self.actuators[name].sent_us.extend(self._left_before(name))
            else:
                known.info = info

    def restore(self, entries: Iterable[TaskEntry]) -> None:
        """Remember tasks of earlier runs, so that none of them is executed again."""
        self.entries.update((entry.task.task_id, entry) for entry in entries)

    def _left_before(self, name: str) -> list[int]:
        """Return when commands of earlier runs left, at the latest: a restart does not begin the minute anew."""
        mine = [entry for entry in self.entries.values() if entry.task.actuator == name]
        times = [entry.left_us(self.started_us) for entry in mine]
        return sorted(at_us for at_us in times if at_us is not None)

    def board(self, thing: str, code: int) -> None:
        """Note whether a board can take commands: OK, LINK_DOWN or STALE_CLOCK."""
        self.ready[thing] = code

    def board_says(self, name: str, setpoint: float, position: float) -> None:
        """Note what a board's status says of an actuator: is it away from its safe setpoint?"""
        actuator = self.actuators.get(name)
        if actuator is not None:
            values = [value for value in (setpoint, position) if isfinite(value)]
            actuator.said_away = any(abs(value - actuator.info.safe) > actuator.near for value in values)

    def engaged_with(self, name: str, now_us: int) -> list[str]:
        """Return the actuators of the same interlocks that are, or may be, away from their safe setpoint.

        Of one that no board has introduced (it is gone, or misspelt) nobody knows that it is safe.
        """
        partners = {other for group in self.interlocks if name in group for other in group if other != name}
        known = {other: self.actuators.get(other) for other in sorted(partners)}
        unknown = [f"{other} (which no board here has)" for other, actuator in known.items() if actuator is None]
        return [*unknown, *(other for other, actuator in known.items() if actuator and self._away(actuator, now_us))]

    def rules_for_nobody(self, thing: str) -> list[str]:
        """Return the rules of a board that name no actuator of it: somebody meant one of them, and misspelt it."""
        return sorted(name for name in self.rules if name.split("/", 1)[0] == thing and name not in self.actuators)

    def _away(self, actuator: Actuator, now_us: int) -> bool:
        """Whether it is or may still be ordered away, or its board says so; after a start while old orders may last."""
        if actuator.active is not None and actuator.active.task.setpoint != actuator.info.safe:
            return True
        if now_us < actuator.away_until_us:
            return True
        if actuator.said_away is None:
            return now_us - self.started_us < (actuator.info.lease_ms + actuator.info.travel_ms) * 1000
        return actuator.said_away

    def take_deeds(self) -> list[dict[str, Any]]:
        """Return what people did since the last call: rows of the audit log."""
        deeds, self.deeds = self.deeds, []
        return deeds

    def _did(self, event: str, who: str, **more: str) -> None:
        if len(self.deeds) < MAX_DEEDS:
            self.deeds.append({"event": event, "who": who, **more})

    def _count(self, code: int, who: str, text: str, now_us: int) -> None:
        self.refused.note(codes.CODES[code], who, text, now_us)

    def _open(self, thing: str) -> list[TaskEntry]:
        return [entry for entry in self.running.values() if entry.thing == thing]

    def _move(self, entry: TaskEntry, state: int, code: int = codes.OK, text: str = "") -> list[Effect]:
        if not entry.become(state, code, text):
            return []
        self._sort(entry)
        return [Save(entry, False), entry.report()]

    def _release(self, entry: TaskEntry) -> None:
        actuator = self.actuators.get(entry.task.actuator)
        if actuator is not None and actuator.active is entry:
            actuator.active = None

    def _keep(self, entry: TaskEntry) -> None:
        self.entries[entry.task.task_id] = entry
        self._sort(entry)

    def _sort(self, entry: TaskEntry) -> None:
        """Keep `running` to what time or a board can still move."""
        if entry.state in _RUNNING:
            self.running[entry.task.task_id] = entry
        else:
            self.running.pop(entry.task.task_id, None)


_RUNNING = frozenset({codes.DISPATCHED, codes.ACCEPTED, codes.ACTING, codes.DONE})
