"""The guard: the one way to an actuator. Sans-IO; returns effects for the shell to carry out.

    effects = guard.order(signature, payload, now_us)        # from the city: processes and people
    effects = guard.request("edge", task, now_us)            # from processes here
    effects = guard.intent_saved(task_id, now_us)            # after Save(intent=True) is on disk

A task leaves as a command only after its intent is durable, and at most once per task id: ids that were ever
seen are answered with what became of them. After a restart open tasks are unknown. `guard_state` is what it knows,
`latches` what stays until a person ends it, `following` what becomes of commands, `checks` why a task is refused.
"""

from dataclasses import dataclass
from math import nan

from protocol import task_codes as codes
from protocol import tasks
from protocol.city_link import LeaseState, TaskReport
from protocol.errors import FrameError

from .checks import Limits, Node, addressed, refusal
from .effects import DoAgain, DoTask, Effect, Latch, Renew, Save
from .following import INTENT_US, Following
from .guard_state import Selection
from .task_entry import TaskEntry, has_room

__all__ = ["INTENT_US", "DoAgain", "DoTask", "Effect", "Guard", "Latch", "Renew", "Save"]

CITY_RANKS = ("city", "operator")


@dataclass
class Guard(Following):
    """Takes orders and requests."""

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
        requester = task.rank if task.rank in CITY_RANKS else f"the city as {task.rank}"
        return self._take(requester, task, payload, now_us)

    def _genuine(self, payload: bytes, signature: bytes) -> bool:
        """Whether the city signed it; its next key, once it has signed, is the only one."""
        signers = [k for k in (self.verify_key, self.next_verify_key) if tasks.verify(k, payload, signature)]
        if signers == [self.next_verify_key]:
            self.verify_key, self.next_verify_key = self.next_verify_key, b""
        return bool(signers)

    def request(self, requester: str, task: tasks.Task, now_us: int) -> list[Effect]:
        """Take a task from this node's processes ("edge"), signed with the node's key if it has one."""
        try:
            payload = tasks.encode(task)
        except FrameError as error:
            self.refused.note("malformed", requester, str(error), now_us)
            return []
        return self.own(requester, self.reflex.sign(payload) if self.reflex else b"", payload, now_us)

    def own(self, requester: str, signature: bytes, payload: bytes, now_us: int) -> list[Effect]:
        """Take a task of this node's own; where the node has a key, nothing counts before its signature is verified."""
        task = tasks.decode(payload)
        if self.reflex and not tasks.verify_reflex(self.reflex.public, payload, signature):
            self._count(codes.UNSIGNED, requester, f"a task for {task.actuator} is not signed by this node", now_us)
            return []
        return self._take(requester, task, payload, now_us, signature)

    def _take(
        self, requester: str, task: tasks.Task, payload: bytes, now_us: int, signature: bytes = b""
    ) -> list[Effect]:
        known = self.entries.get(task.task_id)
        if task.verb == tasks.CANCEL:
            return self._cancel(requester, task, payload, known, now_us)
        if known is not None:
            return self._known(known, requester, payload, now_us)
        if task.verb == tasks.SELECT:
            return self._select(requester, task, payload, now_us, signature)
        if not has_room(self.entries, self.running, self.boot, now_us):
            self.refused.note("too_many_tasks", requester, f"{task.actuator}: {len(self.entries)} are open", now_us)
            return []
        entry = TaskEntry(payload, task, requester, codes.DISPATCHED, signature=signature)
        entry.stamps = {"edge_rx": now_us * 1000}
        return self._latch(entry, now_us) if task.verb in (tasks.TRIP, tasks.RESET) else self._operate(entry, now_us)

    def _operate(self, entry: TaskEntry, now_us: int) -> list[Effect]:
        """Keep the intent of a task that may be executed; what selected it is used up."""
        actuator = self.actuators.get(entry.task.actuator)
        entry.selected = actuator is not None and _fits(actuator.selection, entry, now_us)
        code, text = self._refusal(entry, now_us)
        if actuator is not None and entry.selected:
            actuator.selection = None
        if code != codes.OK:
            return self._refuse(entry, code, text, now_us)
        self._watch(entry)
        self._keep(entry)
        return [Save(entry, True)]

    def _refuse(self, entry: TaskEntry, code: int, text: str, now_us: int) -> list[Effect]:
        entry.state = codes.EXPIRED if code == codes.CODE_EXPIRED else codes.REFUSED
        entry.code, entry.text = code, text[:200]
        self._count(code, entry.who, f"{entry.task.actuator}: {text}", now_us)
        self._keep(entry)
        return [Save(entry, False), entry.report()]

    def _known(self, known: TaskEntry, requester: str, payload: bytes, now_us: int) -> list[Effect]:
        """Answer a task id that was seen before: the same bytes with its state, others not at all."""
        same = payload == known.payload
        how = "the same task again, not executed again" if same else "the id of an earlier task with other content"
        self._count(codes.REPLAYED, requester, f"{known.task.actuator}: {how}", now_us)
        return [known.report()] if same else []

    def _refusal(self, entry: TaskEntry, now_us: int) -> tuple[int, str]:
        return refusal(entry, self._node(), self._limits(entry.task.actuator, now_us), now_us)

    def _node(self) -> Node:
        return Node(self.edge, self.boot, self.epoch, self.stopped)

    def _limits(self, name: str, now_us: int) -> Limits | None:
        actuator = self.actuators.get(name)
        if actuator is None:
            return None
        ready = self.ready.get(actuator.thing, codes.LINK_DOWN)
        return Limits(actuator, ready, self.engaged_with(name, now_us), self.rules_for_nobody(actuator.thing))

    def _select(
        self, requester: str, task: tasks.Task, payload: bytes, now_us: int, signature: bytes
    ) -> list[Effect]:
        """Keep an actuator for one task, if it could be executed now; nothing moves."""
        entry = TaskEntry(payload, task, requester, codes.SELECTED, selected=True, signature=signature)
        code, text = self._refusal(entry, now_us)
        actuator = self.actuators.get(task.actuator)
        if code == codes.OK and actuator is not None and actuator.kept_from(task, now_us):
            code, text = codes.NOT_SELECTED, f"it is selected already: {actuator.selection}"
        if code != codes.OK or actuator is None:
            self._count(code, entry.who, f"{task.actuator}: {text}", now_us)
            state = codes.EXPIRED if code == codes.CODE_EXPIRED else codes.REFUSED
            return [TaskReport(task.task_id, state, code, text[:200], nan)]
        until_us = now_us + self.select_ms * 1000
        actuator.selection = Selection(task.task_id, task.setpoint, requester, task.person, task.fence, until_us)
        return [entry.report()]

    def _cancel(
        self, requester: str, task: tasks.Task, payload: bytes, known: TaskEntry | None, now_us: int
    ) -> list[Effect]:
        """End what a task holds; one that has not come yet is not executed when it comes."""
        asked = TaskEntry(payload, task, requester, codes.DISPATCHED)
        code, text = addressed(asked, self._node(), now_us)
        if code == codes.OK and known is None and not has_room(self.entries, self.running, self.boot, now_us):
            code, text = codes.RATE_LIMITED, "too many tasks are open"
        if code != codes.OK:
            self._count(code, asked.who, f"{task.actuator}: {text}", now_us)
            return []
        if known is None:
            self._keep(asked)
        return self._let_go(known or asked, asked.who, now_us)

    def _let_go(self, entry: TaskEntry, who: str, now_us: int) -> list[Effect]:
        """Send the actuator of a task that is in force to its safe state, and free its lease."""
        actuator = self.actuators.get(entry.task.actuator)
        effects: list[Effect] = []
        if actuator is not None and actuator.selection and actuator.selection.task_id == entry.task.task_id:
            actuator.selection = None
        if actuator is not None and actuator.active is entry:
            effects = [self._halt(actuator, now_us), actuator.arbiter.free(now_us)]
            self._did("cancelled", who, actuator=entry.task.actuator, text=entry.task.reason)
        moved = self._move(entry, codes.CANCELLED, codes.CODE_CANCELLED, f"cancelled by {who}")
        return [*effects, *(moved or [entry.report()])]

    def _latch(self, entry: TaskEntry, now_us: int) -> list[Effect]:
        """Trip or reset on the word of a person; told once it is durable."""
        task = entry.task
        code, text = addressed(entry, self._node(), now_us)
        if code == codes.OK and task.actuator not in self.actuators:
            code, text = codes.NO_ACTUATOR, f"no board here has {task.actuator}"
        if code == codes.OK and not (task.rank == "operator" and task.person):
            code, text = codes.UNAUTHORISED, "only a person trips or resets"
        if code == codes.OK and task.verb == tasks.RESET and self.stopped:
            code, text = codes.LOCAL_STOP, self.stopped
        if code != codes.OK:
            return self._refuse(entry, code, text, now_us)
        self._keep(entry)
        idle = task.verb == tasks.RESET and not self.actuators[task.actuator].tripped
        how = "it was not tripped: there was nothing to reset" if idle else f"{tasks.VERBS[task.verb]} by {task.person}"
        self._move(entry, codes.OBSERVED, codes.OK, how)
        done = (entry.report(),)
        if task.verb == tasks.TRIP:
            reason = f"{task.person}: {task.reason}"
            return [Save(entry, False), *self.trip(task.actuator, reason, now_us, task.person, done)]
        return [Save(entry, False), *self.reset(task.actuator, task.person, done)]

    def intent_saved(self, task_id: bytes, now_us: int) -> list[Effect]:
        """The intent is durable: check once more (time has passed) and let the command go."""
        entry = self.entries[task_id]
        if entry.state != codes.DISPATCHED or entry.sends:
            return []
        code, text = self._refusal(entry, now_us)
        if code != codes.OK:
            self._count(code, entry.who, f"{entry.task.actuator}: {text}", now_us)
            state = codes.EXPIRED if code == codes.CODE_EXPIRED else codes.REFUSED
            return self._move(entry, state, code, text)
        actuator = self.actuators[entry.task.actuator]
        entry.stamps["edge_guard"] = entry.stamps["edge_tx"] = now_us * 1000
        entry.sends, entry.sent_us = 1, now_us
        lease_ms = min(actuator.info.lease_ms or self.lease_ms, entry.task.lease_ms)
        effects = self._supersede(entry)
        self._note_reflex(entry, actuator.active)
        actuator.active, actuator.renewed_us = entry, now_us
        actuator.sent_us.append(now_us)
        if entry.task.setpoint != actuator.info.safe:
            actuator.may_act(entry.task.not_after_us, lease_ms)
        return [*effects, DoTask(entry, actuator.info.index, lease_ms), entry.report()]

    def _note_reflex(self, entry: TaskEntry, before: TaskEntry | None) -> None:
        """Let the audit log know what this node does by itself, with its signature; not that it goes on doing so."""
        task = entry.task
        if entry.signature and (before is None or before.task.setpoint != task.setpoint):
            what = {"actuator": task.actuator, "setpoint": f"{task.setpoint:g}", "task": task.task_id.hex()}
            self._did("reflex", task.instance, **what, signature=entry.signature.hex())

    def _supersede(self, newer: TaskEntry) -> list[Effect]:
        effects: list[Effect] = []
        for entry in self._open(newer.thing):
            same = entry.task.actuator == newer.task.actuator and entry is not newer and entry.sends
            if same:
                effects += self._move(entry, codes.SUPERSEDED, codes.OK, "a newer task took over")
        return effects

    def reports(self, newest: int = 100) -> list[TaskReport]:
        """Return the states of the newest tasks, for a city that may have missed them."""
        return [entry.report() for entry in list(self.entries.values())[-newest:]]

    def _watch(self, entry: TaskEntry) -> None:
        actuator = self.actuators[entry.task.actuator]
        bound = self.observe(entry.task)
        entry.observe, within_s = bound if bound else (actuator.feedback, self.within_s)
        entry.within_us = round(within_s * 1e6)


def _fits(selection: Selection | None, entry: TaskEntry, now_us: int) -> bool:
    """Whether this very task was selected, with this setpoint and by this person, and that is not over."""
    task = entry.task
    mine = (task.task_id, task.setpoint, entry.requester, task.person, task.fence)
    return selection is not None and now_us < selection.until_us and selection[:5] == mine
