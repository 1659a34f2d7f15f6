"""Records of tasks: what was asked, by whom, and every state it went through. Sans-IO.

States follow protocol.task_codes.TRANSITIONS; a report that does not fit is counted, not believed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from protocol import task_codes as codes
from protocol import tasks
from protocol.tasks import Task

MAX_RECORDS = 2000
WAIT_AGAIN_US = 300_000_000
UNSIGNED = "unsigned"


@dataclass(frozen=True)
class Step:
    """One state of a task: since when (event time), with which code and what text."""

    state: int
    code: int
    utc_us: int
    text: str = ""


@dataclass
class TaskRecord:
    """A task and its life. Times are city boottime µs; `order` is the signature, empty for an edge's own.

    Of an edge's own, `signed_by` is the fingerprint of the node's key, or UNSIGNED; `proof` the signature.
    """

    task: Task
    requester: str
    steps: list[Step]
    order: bytes = b""
    observe: str = ""
    within_us: int = 20_000_000
    tolerance: float = 0.05
    sent_us: int = 0
    deadline_us: int = 0
    done_us: int = 0
    stamps: dict[str, int] = field(default_factory=dict)
    position: float | None = None
    signed_by: str = ""
    proof: bytes = b""

    @property
    def state(self) -> int:
        """The newest state (protocol.task_codes)."""
        return self.steps[-1].state

    @property
    def is_open(self) -> bool:
        """Whether something is expected to follow (late evidence may still settle an unknown task)."""
        return self.state != codes.UNKNOWN and not codes.is_final(self.state)


class TaskBook:
    """The newest tasks by id, and which changed since they were last saved."""

    def __init__(self, records: Iterable[TaskRecord] = ()) -> None:
        self.by_id = {record.task.task_id: record for record in records}
        self._open = {key: record for key, record in self.by_id.items() if record.is_open}
        self.ignored: Counter[str] = Counter()
        self._changed: dict[bytes, TaskRecord] = {}

    def add(self, record: TaskRecord) -> None:
        """Take a new task in; the oldest closed ones leave memory (the store keeps them)."""
        self.by_id[record.task.task_id] = record
        self._open[record.task.task_id] = self._changed[record.task.task_id] = record
        if len(self.by_id) > MAX_RECORDS:
            closed = (key for key, kept in self.by_id.items() if not kept.is_open)
            for key in list(islice(closed, len(self.by_id) - MAX_RECORDS)):  # all of them would take milliseconds
                del self.by_id[key]

    def forget(self, record: TaskRecord) -> None:
        """Know nothing of a record any more; another one under its id will take its place on disk too."""
        for table in (self.by_id, self._open, self._changed):
            table.pop(record.task.task_id, None)

    def move(self, record: TaskRecord, state: int, code: int, utc_us: int, text: str = "") -> bool:
        """Enter a state if it may follow; return whether the task changed."""
        if state == record.state:
            return False
        if state not in codes.STATES or not codes.may_become(record.state, state):
            self.ignored[f"{codes.STATES[record.state]}->{codes.STATES.get(state, str(state))}"] += 1
            return False
        record.steps.append(Step(state, code, utc_us, text))
        self._changed[record.task.task_id] = record
        if not record.is_open:
            self._open.pop(record.task.task_id, None)
        return True

    def changed(self, record: TaskRecord) -> None:
        """Note that a record must be saved, though its state stays."""
        self._changed[record.task.task_id] = record

    def open_records(self) -> list[TaskRecord]:
        """Return the tasks that something is expected of, oldest first."""
        return list(self._open.values())

    def take_changed(self) -> list[TaskRecord]:
        """Return what must be saved now."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def unsaved(self, records: Iterable[TaskRecord]) -> None:
        """Note that these could not be saved after all: they are due again, before anything is sent for them."""
        self._changed = {record.task.task_id: record for record in records} | self._changed

    def lose_track(self, now_us: int, utc_us: int) -> None:
        """After a restart: what was under way may or may not have happened; it is never sent again."""
        for record in self.open_records():
            record.deadline_us = record.done_us = now_us
            if record.state == codes.WAITING:
                record.deadline_us += WAIT_AGAIN_US
            elif record.state in (codes.PROPOSED, codes.AUTHORISED, codes.SELECTED):
                self.move(record, codes.EXPIRED, codes.CODE_EXPIRED, utc_us, "the city restarted")
            elif record.state == codes.DISPATCHED:
                self.move(record, codes.UNKNOWN, codes.LINK_DOWN, utc_us, "the city restarted")

    def rows(self, first: int = 0, end: int = MAX_RECORDS) -> list[dict[str, Any]]:
        """Return rows of /tasks, newest first, from `first` to before `end`."""
        return [task_row(record) for record in islice(reversed(self.by_id.values()), first, end)]


def task_row(record: TaskRecord) -> dict[str, Any]:
    """Return one task for /tasks."""
    task = record.task
    return {
        "id": task.task_id.hex(),
        "actuator": task.actuator,
        "setpoint": task.setpoint,
        "instance": task.instance,
        "step_utc_us": task.step_utc_us,
        "edge": task.edge,
        "fence": task.fence,
        "lease_ms": task.lease_ms,
        "requester": record.requester,
        "signed_by": record.signed_by,
        "verb": tasks.VERBS[task.verb],
        "person": task.person,
        "approved": list(task.approved),
        "reason": task.reason,
        "causes": [list(cause) for cause in task.causes],
        "state": codes.STATES[record.state],
        "code": codes.CODES.get(record.steps[-1].code, str(record.steps[-1].code)),
        "text": record.steps[-1].text,
        "history": [_step_row(step) for step in record.steps],
        "position": record.position,
        "stamps": dict(record.stamps),
    }


def _step_row(step: Step) -> dict[str, Any]:
    code = codes.CODES.get(step.code, str(step.code))
    return {"state": codes.STATES[step.state], "code": code, "utc_us": step.utc_us, "text": step.text}


def to_map(record: TaskRecord) -> dict[str, Any]:
    """Return what the store keeps of a record beside the task itself."""
    return {
        "requester": record.requester,
        "steps": [[s.state, s.code, s.utc_us, s.text] for s in record.steps],
        "order": record.order,
        "observe": record.observe,
        "within_us": record.within_us,
        "tolerance": record.tolerance,
        "stamps": record.stamps,
        "position": record.position,
        **({"signed_by": record.signed_by, "proof": record.proof} if record.proof else {}),
    }


def from_map(task: Task, kept: Mapping[str, Any]) -> TaskRecord:
    """Return the record that `to_map` described; its clock times start anew."""
    unsigned = {"signed_by": UNSIGNED} if kept["requester"] == "edge" else {}
    return TaskRecord(**{**unsigned, **kept, "task": task, "steps": [Step(*step) for step in kept["steps"]]})
