"""The guard: the one way to an actuator. Sans-IO; returns effects for the shell to carry out.

    effects = guard.order(signature, payload, now_us)        # from the city
    effects = guard.request("edge", task, now_us)            # from processes here
    effects = guard.intent_saved(task_id, now_us)            # after Save(intent=True) is on disk

A task leaves as a command only after its intent is durable, and at most once per task id: ids that were ever
seen are answered with what became of them. After a restart open tasks are unknown.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import nan
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from protocol import task_codes as codes
from protocol import tasks
from protocol.board_link import TaskResult
from protocol.city_link import LeaseState, TaskReport
from protocol.errors import FrameError
from protocol.manifest import ActuatorInfo, Manifest
from service.refusals import Refusals

from .arbiter import Arbiter
from .checks import Limits, Node, refusal
from .task_entry import TaskEntry, has_room

RESEND_US = 400_000
MAX_SENDS = 3
ANSWER_US = 1_600_000
INTENT_US = 1_000_000
RENEW_US = 1_000_000
FEEDBACK_SHARE = 0.05


class Save(NamedTuple):
    """Keep the entry; if `intent`, call `intent_saved` once it is durable."""

    entry: TaskEntry
    intent: bool


class DoTask(NamedTuple):
    """Send the task to its board for the first time; `lease_ms` is the board's own lease."""

    entry: TaskEntry
    number: int
    lease_ms: int


class DoAgain(NamedTuple):
    """Send the very same bytes of the task again."""

    entry: TaskEntry


class Renew(NamedTuple):
    """Renew the board's lease of an actuator; 0 sends it to its safe state."""

    thing: str
    number: int
    lease_ms: int


Effect: TypeAlias = Save | DoTask | DoAgain | Renew | TaskReport | LeaseState
Column: TypeAlias = npt.NDArray[Any]
Observe: TypeAlias = Callable[[tasks.Task], tuple[str, float] | None]


@dataclass
class Actuator:
    """One actuator: limits, lease, the task whose setpoint is valid now, the board's view of it."""

    thing: str
    info: ActuatorInfo
    arbiter: Arbiter
    active: TaskEntry | None = None
    renewed_us: int = 0
    tripped: str = ""


@dataclass
class Guard:
    """State of all actuators of this node. `observe(task)` gives (datastream, within_s) or None.

    `epoch`: the city's restore epoch that this node knows durably.
    """

    edge: str
    boot: str
    verify_key: bytes
    first_fence: int
    epoch: int = 0
    lease_ms: int = 3000
    within_s: float = 20.0
    interlocks: list[list[str]] = field(default_factory=list)
    next_verify_key: bytes = b""
    observe: Observe = lambda task: None
    actuators: dict[str, Actuator] = field(default_factory=dict)
    entries: OrderedDict[bytes, TaskEntry] = field(default_factory=OrderedDict)
    running: dict[bytes, TaskEntry] = field(default_factory=dict)
    ready: dict[str, int] = field(default_factory=dict)
    refused: Refusals = field(default_factory=Refusals)

    def announce(self, manifest: Manifest) -> None:
        """Learn a board's actuators; what is known keeps its lease."""
        for info in manifest.actuators:
            name = f"{manifest.thing}/{info.name}"
            known = self.actuators.get(name)
            if known is None:
                arbiter = Arbiter(name, self.first_fence, self.lease_ms)
                self.actuators[name] = Actuator(manifest.thing, info, arbiter)
            else:
                known.info = info

    def restore(self, entries: Iterable[TaskEntry]) -> None:
        """Remember tasks of earlier runs, so that none of them is executed again."""
        self.entries.update((entry.task.task_id, entry) for entry in entries)

    def board(self, thing: str, code: int) -> None:
        """Note whether a board can take commands: OK, LINK_DOWN or STALE_CLOCK."""
        self.ready[thing] = code

    def board_restarted(self, thing: str, now_us: int) -> list[Effect]:
        """The board began anew in its safe state: what it was doing is unknown."""
        effects: list[Effect] = []
        for actuator in self.actuators.values():
            if actuator.thing == thing and actuator.active:
                actuator.active = None
                actuator.arbiter.refence(now_us)
        for entry in self._open(thing):
            effects += self._move(entry, codes.UNKNOWN, codes.LINK_DOWN, "the board restarted")
        return effects

    def lease(self, name: str, holder: str, now_us: int) -> list[Effect]:
        """Answer a request for a lease, granted or not."""
        actuator = self.actuators.get(name)
        if actuator is None:
            self._count(codes.NO_ACTUATOR, holder, f"no board here has {name}", now_us)
            return [LeaseState(name, "", 0, 0)]
        return [actuator.arbiter.request(holder, now_us)]

    def order(self, signature: bytes, payload: bytes, now_us: int) -> list[Effect]:
        """Take a task from the city; nothing in it counts before the signature is verified."""
        try:
            genuine = self._genuine(payload, signature)
            task = tasks.decode(payload)
        except FrameError as error:
            self.refused.note("malformed", "city", str(error), now_us)
            return []
        if not genuine:
            self._count(codes.UNSIGNED, "city", f"the signature of a task for {task.actuator} is wrong", now_us)
            if task.task_id in self.entries:
                return []
            return [TaskReport(task.task_id, codes.REFUSED, codes.UNSIGNED, "signature is wrong", nan)]
        return self._request("city", task, payload, now_us)

    def _genuine(self, payload: bytes, signature: bytes) -> bool:
        """Whether the city signed it; its next key, once it has signed, is the only one."""
        signers = [k for k in (self.verify_key, self.next_verify_key) if tasks.verify(k, payload, signature)]
        if signers == [self.next_verify_key]:
            self.verify_key, self.next_verify_key = self.next_verify_key, b""
        return bool(signers)

    def request(self, requester: str, task: tasks.Task, now_us: int) -> list[Effect]:
        """Take a task from this node's processes ("edge") or an operator here."""
        return self._request(requester, task, tasks.encode(task), now_us)

    def _request(self, requester: str, task: tasks.Task, payload: bytes, now_us: int) -> list[Effect]:
        known = self.entries.get(task.task_id)
        if known is not None:
            return self._known(known, requester, payload, now_us)
        if not has_room(self.entries, self.running, self.boot, now_us):
            self.refused.note("too_many_tasks", requester, f"{task.actuator}: {len(self.entries)} are open", now_us)
            return []
        entry = TaskEntry(payload, task, requester, codes.DISPATCHED)
        entry.stamps = {"edge_rx": now_us * 1000}
        code, text = self._refusal(entry, now_us)
        if code == codes.OK:
            self._watch(entry)
            self._keep(entry)
            return [Save(entry, True)]
        entry.state = codes.EXPIRED if code == codes.CODE_EXPIRED else codes.REFUSED
        entry.code, entry.text = code, text[:200]
        self._count(code, requester, f"{task.actuator}: {text}", now_us)
        self._keep(entry)
        return [Save(entry, False), entry.report()]

    def _known(self, known: TaskEntry, requester: str, payload: bytes, now_us: int) -> list[Effect]:
        """Answer a task id that was seen before: the same bytes with its state, others not at all."""
        same = payload == known.payload
        how = "the same task again, not executed again" if same else "the id of an earlier task with other content"
        self._count(codes.REPLAYED, requester, f"{known.task.actuator}: {how}", now_us)
        return [known.report()] if same else []

    def _refusal(self, entry: TaskEntry, now_us: int) -> tuple[int, str]:
        actuator = self.actuators.get(entry.task.actuator)
        limits = None
        if actuator is not None:
            ready = self.ready.get(actuator.thing, codes.LINK_DOWN)
            others = self._engaged_with(entry.task.actuator)
            limits = Limits(actuator.info, actuator.arbiter, ready, actuator.tripped, others)
        return refusal(entry.task, entry.requester, Node(self.edge, self.boot, self.epoch), limits, now_us)

    def _engaged_with(self, name: str) -> list[str]:
        """Return actuators of the same interlock that are away from their safe setpoint."""
        partners = {other for group in self.interlocks if name in group for other in group if other != name}
        found = [(other, self.actuators[other]) for other in sorted(partners) if other in self.actuators]
        return [n for n, a in found if a.active and a.active.task.setpoint != a.info.safe]

    def intent_saved(self, task_id: bytes, now_us: int) -> list[Effect]:
        """The intent is durable: check once more (time has passed) and let the command go."""
        entry = self.entries[task_id]
        if entry.state != codes.DISPATCHED or entry.sends:
            return []
        code, text = self._refusal(entry, now_us)
        if code != codes.OK:
            self._count(code, entry.requester, f"{entry.task.actuator}: {text}", now_us)
            state = codes.EXPIRED if code == codes.CODE_EXPIRED else codes.REFUSED
            return self._move(entry, state, code, text)
        actuator = self.actuators[entry.task.actuator]
        entry.stamps["edge_guard"] = entry.stamps["edge_tx"] = now_us * 1000
        entry.sends, entry.sent_us = 1, now_us
        lease_ms = min(actuator.info.lease_ms or self.lease_ms, entry.task.lease_ms)
        effects = self._supersede(entry)
        actuator.active, actuator.renewed_us = entry, now_us
        return [*effects, DoTask(entry, actuator.info.index, lease_ms), entry.report()]

    def _supersede(self, newer: TaskEntry) -> list[Effect]:
        effects: list[Effect] = []
        for entry in self._open(newer.thing):
            same = entry.task.actuator == newer.task.actuator and entry is not newer and entry.sends
            if same:
                effects += self._move(entry, codes.SUPERSEDED, codes.OK, "a newer task took over")
        return effects

    def result(self, result: TaskResult, at_us: int, now_us: int) -> list[Effect]:
        """Take a board's word about a task; `at_us` is its stamp in edge boottime."""
        entry = self.entries.get(result.task_id)
        if entry is None:
            self.refused.note("unknown_result", "board", "a result for a task that nobody here sent", now_us)
            return []
        if result.state == codes.REFUSED and result.code == codes.REPLAYED and entry.sends > 1:
            return []
        if result.state == codes.ACCEPTED:
            entry.stamps.setdefault("board_rx", at_us * 1000)
        if result.state in (codes.ACTING, codes.DONE):
            entry.stamps.setdefault("board_act", at_us * 1000)
        entry.position = result.position
        if result.state == codes.DONE:
            entry.done_us = now_us
        if result.state in _MISSED:
            self._release(entry)
        return self._move(entry, result.state, result.code)

    @property
    def awaiting(self) -> list[TaskEntry]:
        """Tasks that are done and wait for their effect to be seen."""
        return [entry for entry in self.running.values() if entry.state == codes.DONE]

    def feedback(self, datastream: str, t_us: Column, value: Column, good: Column) -> list[Effect]:
        """Close tasks whose effect the observed datastream shows; arrays (n,), t_us in edge boottime."""
        effects: list[Effect] = []
        for entry in [entry for entry in self.awaiting if entry.observe == datastream]:
            after = good & (t_us >= entry.sent_us)
            if not np.any(after):
                continue
            entry.seen = float(value[after][-1])
            info = self.actuators[entry.task.actuator].info
            near = FEEDBACK_SHARE * (info.upper - info.lower)
            if bool(np.any(np.abs(value[after] - entry.task.setpoint) <= near)):
                effects += self._move(entry, codes.OBSERVED, codes.OK, f"{datastream} shows it")
        return effects

    def tick(self, now_us: int) -> list[Effect]:
        """Renew, send again, give up, tell lapses. Call every 50 ms or so."""
        effects: list[Effect] = []
        for entry in list(self.running.values()):
            effects += self._progress(entry, now_us)
        for actuator in self.actuators.values():
            effects += self._renewal(actuator, now_us)
            lapse = actuator.arbiter.changed(now_us)
            effects += [lapse] if lapse else []
        return effects

    def _progress(self, entry: TaskEntry, now_us: int) -> list[Effect]:
        if entry.state == codes.DISPATCHED:
            return self._unanswered(entry, now_us)
        if entry.state == codes.DONE and entry.observe and now_us - entry.done_us > entry.within_us:
            if entry.seen is None:
                return self._move(entry, codes.FAILED, codes.NO_FEEDBACK, f"{entry.observe} shows nothing")
            text = f"{entry.observe} shows {entry.seen:.3g}, not {entry.task.setpoint:.3g}"
            return self._move(entry, codes.FAILED, codes.NOT_OBSERVED, text)
        if entry.state in (codes.ACCEPTED, codes.ACTING) and now_us > entry.valid_until_us:
            return self._move(entry, codes.UNKNOWN, codes.TIMEOUT, "its time is over and no result came")
        return []

    def _unanswered(self, entry: TaskEntry, now_us: int) -> list[Effect]:
        """A command without answer is repeated, then unknown; one whose intent was never saved did not leave."""
        if not entry.sends:
            if now_us <= entry.task.not_after_us + INTENT_US:
                return []
            self._release(entry)
            return self._move(entry, codes.EXPIRED, codes.CODE_EXPIRED, "the intent could not be saved in time")
        waiting_us = now_us - entry.sent_us
        if waiting_us > ANSWER_US:
            self._release(entry)
            return self._move(entry, codes.UNKNOWN, codes.TIMEOUT, "no answer from the board")
        if entry.sends < MAX_SENDS and waiting_us > RESEND_US * entry.sends:
            entry.sends += 1
            return [DoAgain(entry)]
        return []

    def _renewal(self, actuator: Actuator, now_us: int) -> list[Effect]:
        """Renew the board's lease while the task is valid; a command without answer yet goes first."""
        entry = actuator.active
        if entry is None:
            return []
        if now_us >= entry.valid_until_us:
            actuator.active = None
            return []
        unanswered = any(e.state == codes.DISPATCHED and e.sends for e in self._open(actuator.thing))
        due = now_us - actuator.renewed_us >= RENEW_US
        if not due or unanswered or self.ready.get(actuator.thing) != codes.OK:
            return []
        actuator.renewed_us = now_us
        left_ms = (entry.valid_until_us - now_us) // 1000
        lease_ms = min(actuator.info.lease_ms or self.lease_ms, left_ms)
        return [Renew(actuator.thing, actuator.info.index, lease_ms)] if lease_ms > 0 else []

    def lapsed_on_board(self, name: str, known_us: int, now_us: int) -> None:
        """The board says that nobody holds its lease: a setpoint sent before known_us is not in force.

        The fence rises, so whoever holds the lease here learns that its setpoint has to be sent anew.
        """
        actuator = self.actuators.get(name)
        entry = actuator.active if actuator else None
        if actuator is not None and entry and entry.state != codes.DISPATCHED and entry.sent_us < known_us:
            actuator.active = None
            actuator.arbiter.refence(now_us)

    def trip(self, name: str, reason: str) -> list[Effect]:
        """Send an actuator to its safe state and refuse tasks until `reset`."""
        actuator = self.actuators[name]
        actuator.tripped, actuator.active = reason or "tripped", None
        return [Renew(actuator.thing, actuator.info.index, 0)]

    def reset(self, name: str) -> None:
        """Let tasks through again."""
        self.actuators[name].tripped = ""

    def reports(self, newest: int = 100) -> list[TaskReport]:
        """Return the states of the newest tasks, for a city that may have missed them."""
        return [entry.report() for entry in list(self.entries.values())[-newest:]]

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

    def _watch(self, entry: TaskEntry) -> None:
        actuator = self.actuators[entry.task.actuator]
        bound = self.observe(entry.task)
        feedback = f"{actuator.thing}/{actuator.info.feedback}" if actuator.info.feedback else ""
        entry.observe, within_s = bound if bound else (feedback, self.within_s)
        entry.within_us = round(within_s * 1e6)

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
_MISSED = frozenset({codes.FAILED, codes.REFUSED, codes.EXPIRED})
