"""A city and the real guard of one edge node, with a gate that obeys, in one hand: no wires, one clock."""

from typing import Any

import numpy as np

from aggregator.city import City
from aggregator.store import task_rows
from aggregator.store.store import Store
from aggregator.tasks.book import TaskRecord
from aggregator.tasks.people import People, Want
from edge_node.reaction.effects import DoTask, Effect, Latch, Save
from edge_node.reaction.guard import Guard
from protocol import task_codes as codes
from protocol import tasks
from protocol.board_link import TaskResult
from protocol.city_link import EdgeHello, LeaseRequest, LeaseState, TaskOrder, TaskReport
from protocol.manifest import from_map
from service.risk import Rule

GATE = "river-1/opening"
T = 1_000_000_000
MS = 1000
S = 1_000_000


class Town:
    """Call `run`; `cut` is what gets lost on its way: "orders", "reports" or nothing."""

    def __init__(self, kit: Any, store: Store, rule: Rule, guards_rule: Rule | None = None) -> None:
        self.kit, self.store, self.now_us, self.rule = kit, store, T, rule
        self.city: City = kit.city(store, rules={GATE: rule})
        self.guard = Guard("edge-1", "eb-1", kit.keys[1], first_fence=100, rules={GATE: guards_rule or rule})
        self.guard.announce(from_map(kit.manifest()))
        self.guard.board("river-1", codes.OK)
        self.to_city: list[Any] = [EdgeHello(2, "edge-1", "eb-1", T), kit.info()]
        self.moved: list[float] = []
        self.orders: list[tasks.Task] = []
        self.cut = ""
        self.stuck = False
        self.run(600)

    @property
    def people(self) -> People:
        return People(self.city.orders)

    @property
    def moment(self) -> Any:
        return self.city.now(self.now_us)

    def ask(self, who: str = "anna", setpoint: float = 0.8, valid_s: float = 60, nonce: str = "n") -> TaskRecord:
        want = Want(GATE, setpoint, round(valid_s * 1000), "the river rises", nonce)
        return self.people.ask(who, want, self.moment)

    def run(self, ms: int) -> None:
        """Let time pass in steps of 50 ms."""
        for _ in range(ms // 50):
            self.now_us += 50 * MS
            self._step()

    def rest(self, s: int) -> None:
        """Let time pass at the node alone: there is no city that hears or says anything."""
        for _ in range(s * 20):
            self.now_us += 50 * MS
            self._do(self.guard.tick(self.now_us))

    def _step(self) -> None:
        said, self.to_city = self.to_city, []
        if self.now_us % (500 * MS) == 0:
            leases = [
                {"actuator": name, "holder": a.arbiter.holder(self.now_us), "tripped": a.tripped}
                for name, a in self.guard.actuators.items()
            ]
            beat = self.kit.heartbeat(self.now_us, 0, leases=leases, stopped=self.guard.stopped)
            said = [beat, *said]
        self._take(self._turn(said))
        self._do(self.guard.tick(self.now_us))

    def _take(self, sends: list[Any]) -> None:
        """The node takes what the city sent."""
        for _, message in sends:
            if isinstance(message, TaskOrder) and self.cut != "orders":
                self.orders.append(tasks.decode(message.task))
                self._do(self.guard.order(message.signature, message.task, self.now_us))
            elif isinstance(message, LeaseRequest):
                self._do(self.guard.lease(message.actuator, message.holder, self.now_us))

    def _turn(self, said: list[Any]) -> list[Any]:
        """Let the city take what was said; return what it sends."""
        return self.kit.give(self.city, self.now_us, *said)

    def save(self) -> None:
        """Save all that changed, as a turn does before it sends."""
        changed = self.city.dispatcher.book.take_changed()
        self.store.committer.run(lambda c: task_rows.put(c, changed))

    def kill(self) -> None:
        """The city's process dies; it starts from what is on its disk, and the node connects again."""
        self.city = self.kit.city(self.store, rules={GATE: self.rule}, now_us=self.now_us)
        self.to_city = [EdgeHello(2, "edge-1", "eb-1", self.now_us), self.kit.info(), *self.guard.reports()]

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Save) and effect.intent:
                self._do(self.guard.intent_saved(effect.entry.task.task_id, self.now_us))
            elif isinstance(effect, Latch):
                self._do(list(effect.after))
            elif isinstance(effect, DoTask):
                self._act(effect.entry.task)
            elif isinstance(effect, TaskReport | LeaseState) and self.cut != "reports":
                self.to_city.append(effect)

    def _act(self, task: tasks.Task) -> None:
        self.moved.append(task.setpoint)
        for state in (codes.ACCEPTED, codes.DONE):
            result = TaskResult("b", task.task_id, state, codes.OK, 0, task.setpoint)
            self._do(self.guard.result(result, self.now_us, self.now_us))
        if not self.stuck:
            self.show(task.setpoint)

    def show(self, opening: float) -> None:
        """The gate's own sensor shows an opening."""
        at, good = np.array([self.now_us]), np.array([True])
        self.guard.saw("river-1/feedback", at, good, self.now_us)
        self._do(self.guard.feedback("river-1/feedback", at, np.array([opening]), good))


def states(record: TaskRecord) -> list[str]:
    """Return all states of a task, by name."""
    return [codes.STATES[step.state] for step in record.steps]


def end(record: TaskRecord) -> tuple[str, str]:
    """Return the last state and code of a task, by name."""
    return codes.STATES[record.steps[-1].state], codes.CODES[record.steps[-1].code]
