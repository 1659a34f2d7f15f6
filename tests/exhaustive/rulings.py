"""What people and the rules of actuators say of an edge node's commands: the check's own reading of what arrived."""

from dataclasses import dataclass, field

from protocol import tasks
from service.risk import LOW, Rule

from .parts import Broken

MINUTE_US = 60_000_000
Selected = tuple[float, str, str, int]


@dataclass
class Ruling:
    """What was selected, taken back, sent, seen. Times in us: `true_us` goes on over restarts, `now_us` is the node's.

    `kept`: per actuator what is selected: (task, setpoint, rank, person, fence), until when; `picked`: orders that
    found themselves selected; `over`: tasks that were taken back; `known`: every task that arrived in this life.
    """

    rules: dict[str, Rule]
    select_ms: int = 10_000
    kept: dict[str, tuple[bytes, Selected, int]] = field(default_factory=dict)
    picked: tuple[bytes, ...] = ()
    over: tuple[bytes, ...] = ()
    known: tuple[bytes, ...] = ()
    sent: dict[str, tuple[int, ...]] = field(default_factory=dict)
    last: dict[str, bytes] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def arrives(self, task: tasks.Task, now_us: int) -> str:
        """A genuine order in time arrives; return what a person ends or begins by it: "trip", "reset" or ""."""
        known = task.task_id in self.known
        kept = self.kept.get(task.actuator)
        if task.verb == tasks.CANCEL:
            self.over = _with(self.over, task.task_id)
            if kept and kept[0] == task.task_id:
                del self.kept[task.actuator]
        if task.verb == tasks.OPERATE and not known and kept and now_us < kept[2] and kept[:2] == _named(task):
            self.picked = _with(self.picked, task.task_id)
            del self.kept[task.actuator]
        if task.verb != tasks.SELECT:
            self.known = _with(self.known, task.task_id)
        latches = task.verb in (tasks.TRIP, tasks.RESET) and task.rank == "operator" and task.person
        return tasks.VERBS[task.verb] if latches and not known else ""

    def selects(self, task: tasks.Task, now_us: int) -> None:
        """The guard says that a task is selected. Raises: Broken if another one is, under the same lease."""
        kept = self.kept.get(task.actuator)
        if kept and kept[0] != task.task_id and kept[1][3] == task.fence and now_us < kept[2]:
            raise Broken("selected_twice", f"{task.actuator} is selected for two tasks")
        self.kept[task.actuator] = (*_named(task), now_us + self.select_ms * 1000)

    def halted(self, actuator: str) -> None:
        """It is tripped or stopped: what was selected is so no more."""
        self.kept.pop(actuator, None)

    def ended(self, task_id: bytes) -> None:
        """A task is told to be taken back. Raises: Broken if nobody who may has done so."""
        if task_id not in self.over:
            raise Broken("taken_back_by_nobody", "a task is taken back, and no order of a person says so")

    def leaves(self, task: tasks.Task, requester: str, again: bool, now_us: int, true_us: int) -> None:
        """A command leaves, for the first time or again. Raises: Broken if a rule forbids it."""
        rule = self.rules.get(task.actuator, LOW)
        if task.task_id in self.over:
            raise Broken("cancelled", f"a command for {task.actuator} leaves that was taken back")
        if again:
            return
        people = {name for name in (task.person, *task.approved) if name and requester != "edge"}
        if (task.rank == "operator" or not rule.automation) and len(people) < rule.approvals:
            raise Broken("too_few_people", f"{task.actuator} moves with {len(people)} of {rule.approvals} people")
        if rule.hazardous and task.task_id not in self.picked:
            raise Broken("not_selected", f"{task.actuator} moves to {task.setpoint:g}, which nobody had selected")
        lately = tuple(us for us in self.sent.get(task.actuator, ()) if true_us - us < MINUTE_US)
        if task.setpoint:
            self._limits(task, rule, len(lately), now_us, true_us)
        self.sent[task.actuator], self.last[task.actuator] = (*lately, true_us), task.task_id

    def _limits(self, task: tasks.Task, rule: Rule, lately: int, now_us: int, true_us: int) -> None:
        """What holds of every setpoint that is not the safe one, 0."""
        if rule.max_per_min and lately >= rule.max_per_min:
            raise Broken("too_often", f"{task.actuator} gets {lately + 1} commands within a minute")
        limit_us = round(rule.evidence_s * 1e6)
        if not limit_us:
            return
        thing = task.actuator.partition("/")[0]
        if thing not in self.seen or true_us - self.seen[thing] > limit_us:
            raise Broken("unseen", f"{task.actuator} moves, and its feedback has shown nothing good lately")
        sample_us = task.stamps.get("sample", 0) // 1000
        if task.rank != "operator" and ("sample" not in task.stamps or now_us - sample_us > limit_us):
            raise Broken("old_cause", f"{task.actuator} moves for a cause that is too old, or of unknown age")

    def renews(self, actuator: str) -> None:
        """A lease is renewed. Raises: Broken if what holds it was taken back."""
        if self.last.get(actuator) in self.over:
            raise Broken("cancelled", f"the lease of {actuator} is renewed for a task that was taken back")

    def crashed(self, reboot: bool) -> None:
        """The node starts anew. A loss of power may let it forget what left within the last minute."""
        self.kept, self.last, self.seen = {}, {}, {}
        self.picked = self.over = self.known = ()
        self.sent = {} if reboot else self.sent

    def tidy(self, now_us: int, true_us: int) -> None:
        """Forget what is over, and what no rule asks for."""
        self.kept = {name: kept for name, kept in self.kept.items() if now_us < kept[2]}
        for name, rule in self.rules.items():
            thing, limit_us = name.partition("/")[0], round(rule.evidence_s * 1e6)
            sent = self.sent.pop(name, ())
            if lately := tuple(us for us in sent if rule.max_per_min and true_us - us < MINUTE_US):
                self.sent[name] = lately
            if thing in self.seen and true_us - self.seen[thing] > limit_us:
                del self.seen[thing]


def _with(tasks_known: tuple[bytes, ...], task: bytes) -> tuple[bytes, ...]:
    return tuple(sorted({*tasks_known, task}))  # a set is written in an order that its history decides


def _named(task: tasks.Task) -> tuple[bytes, Selected]:
    return task.task_id, (task.setpoint, task.rank, task.person, task.fence)
