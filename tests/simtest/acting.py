"""The oracle of commands: what was intended, ordered, executed, and whether outputs are where they may be."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import msgpack

from protocol.tasks import CANCEL

from . import plan
from .coverage import Coverage
from .hostile import Injected
from .machines import TASK_MAY_BECOME, TASK_NAMES
from .rulings import Order, Rulings
from .wires import Eye
from .world import SECOND, Violation, World

TASK, LEASE, TASK_RESULT, SIGNED_ACK = 7, 11, 8, 13
TASK_REPORT, LEASE_STATE, TASK_ORDER = 6, 7, 20
DISPATCHED, DONE = 2, 5
CITY_RANKS = ("city", "operator")
EXPIRY_SLACK_US = SECOND // 2
LEASE_SLACK_US = SECOND // 4
START_WITHIN_US = 5 * SECOND


@dataclass
class Intent:
    """A task as its edge node wrote it down."""

    edge: str
    life: int
    actuator: str
    setpoint: float
    lease_ms: int
    not_after_us: int
    fence: int
    deadline_true_us: float
    state: int
    sent_true_us: int = -1
    accepted: bool = False
    epoch: int | None = None
    requester: str = ""
    payload: bytes = b""


class Desk:
    """What a board has been told under its present boot, by the oracle's own reading of its line."""

    def __init__(self, board: Any, eye: Eye) -> None:
        self.eye = eye
        self.key = plan.board_key(board.thing)
        self.nonce = board.node.boot.nonce
        self.counter = -1
        self.signs = False
        self.genuine: set[bytes] = set()
        self.lease_until_us = [0] * len(board.plan.actuators)
        self.frame_us = board.world.now_us


class Acting:
    """Facts about tasks, by id, and what must hold of them."""

    def __init__(self, world: World, coverage: Coverage) -> None:
        self.world, self.coverage = world, coverage
        self.intents: dict[bytes, Intent] = {}
        self.executed: dict[bytes, int] = {}
        self.at_city: dict[bytes, int] = {}
        self.fences: dict[str, tuple[int, str]] = {}
        self.sent_fences: dict[str, int] = {}
        self.counters: dict[tuple[str, int], bytes] = {}
        self.last_sent: dict[str, bytes] = {}
        self.commands: dict[str, list[bytes]] = {}
        self.orders: dict[str, list[tuple[bytes, ...]]] = {}
        self.ordered: set[bytes] = set()
        self.injected = Injected(coverage)
        self.rulings = Rulings(world, coverage)
        self.city_life = 0
        self.saved_in: dict[bytes, int] = {}
        self.epochs: dict[str, int] = {}
        self.edges: dict[str, Any] = {}
        self.desks: dict[str, Desk] = {}
        self.silence_us = 0

    def fail(self, name: str, text: str) -> None:
        """Raise what is wrong."""
        raise Violation(name, text)

    # edge nodes

    def edge_started(self, edge: Any) -> None:
        """Remember the node."""
        self.edges[edge.name] = edge

    def edge_died(self, edge: Any) -> None:
        """Its life counts on."""

    def intent_durable(self, name: str, task_id: bytes, state: int, stored: bytes) -> None:
        """A task's state is on disk at an edge node."""
        known = self.intents.get(task_id)
        if known is None:
            edge = self.edges[name]
            payload, requester = msgpack.unpackb(stored[:-4])[:2]
            task = msgpack.unpackb(payload)
            if state == DISPATCHED:
                self.injected.order_taken(name, task_id)
            if requester in CITY_RANKS and state == DISPATCHED and payload not in self.ordered:
                self.fail("unsigned_order", f"{name} takes task {task_id.hex()}, which the city never ordered")
            left_us = task[8] - edge.now()
            self.intents[task_id] = Intent(
                name,
                edge.life,
                task[1],
                task[2],
                task[3],
                task[8],
                task[9],
                self.world.now_us + left_us,
                state,
                epoch=task[13] if requester in CITY_RANKS and len(task) > 13 else None,
                requester=requester,
                payload=payload,
            )
            self.coverage.take("task at edge", "new", TASK_NAMES[state])
            return
        if state != known.state:
            if state not in TASK_MAY_BECOME[known.state]:
                self.fail("task_states", f"{name}: a task went {TASK_NAMES[known.state]} -> {TASK_NAMES[state]}")
            self.coverage.take("task at edge", TASK_NAMES[known.state], TASK_NAMES[state])
            known.state = state

    def epoch_durable(self, edge: str, epoch: int) -> None:
        """An edge node knows a restore epoch durably; it never takes that back."""
        if epoch < self.epochs.get(edge, 0):
            self.fail("epoch_fell", f"{edge} goes back to restore epoch {epoch}")
        self.epochs[edge] = epoch
        self.coverage.take("epoch at edge", "older", "newer")

    def edge_commands(self, edge: Any, board: Any, items: list[Any]) -> None:
        """A command leaves for a board."""
        if items[0] not in (TASK, LEASE):
            return
        payload = items[1]
        parts = msgpack.unpackb(payload)
        self.commands.setdefault(board.thing, []).append(bytes(msgpack.packb([items[0], payload, items[2]])))
        del self.commands[board.thing][:-30]
        used = self.counters.setdefault((edge.name, parts[1]), payload)
        if used != payload:
            self.fail("counter_reused", f"{edge.name} uses command counter {parts[1]} for two commands")
        if items[0] == TASK:
            self._task_leaves(edge, board, parts)
        elif parts[3]:
            self.rulings.renewed(edge, f"{board.thing}/{board.plan.actuators[parts[2]].name}")

    def _task_leaves(self, edge: Any, board: Any, parts: list[Any]) -> None:
        task_id = bytes(parts[2])
        intent = self.intents.get(task_id)
        if intent is None or intent.edge != edge.name:
            self.fail("intent_after_command", f"{edge.name} commands task {task_id.hex()}, whose intent is not durable")
            return
        if intent.life != edge.life:
            self.fail("re_executed", f"{edge.name} commands task {task_id.hex()} of an earlier life")
        self.rulings.leaves(edge, intent.requester, intent.payload, intent.sent_true_us >= 0)
        if intent.sent_true_us >= 0:
            return
        intent.sent_true_us = self.world.now_us
        if intent.epoch is not None and intent.epoch < self.epochs.get(edge.name, 0):
            self.fail("old_epoch", f"{edge.name} commands a task of restore epoch {intent.epoch}")
        if edge.now() > intent.not_after_us:
            self.fail("sent_expired", f"{edge.name} commands {(edge.now() - intent.not_after_us) / 1e6:.3f} s too late")
        if intent.fence < self.sent_fences.get(intent.actuator, 0):
            self.fail("fence_fell", f"{intent.actuator} obeys fence {intent.fence} after a higher one")
        self.sent_fences[intent.actuator] = intent.fence
        self._check_interlock(board, intent)
        self.last_sent[intent.actuator] = task_id

    def _check_interlock(self, board: Any, intent: Intent) -> None:
        """The guard does not order what excludes something that it has ordered and knows to be accepted."""
        if board.node is None or intent.setpoint == 0.0 or len(board.plan.actuators) < 2:
            return
        for place, info in enumerate(board.plan.actuators):
            name = f"{board.thing}/{info.name}"
            other = self.intents.get(self.last_sent.get(name, b""))
            if name == intent.actuator or other is None or other.life != intent.life or other.setpoint == 0.0:
                continue
            valid = self.world.now_us < other.sent_true_us + other.lease_ms * 1000
            wanted = board.node.actuators.actuators[place].driver.target != info.safe
            if valid and wanted and other.accepted and other.sent_true_us > board.on_us:
                self.fail("interlock", f"{intent.actuator} is ordered on while {name} is on")

    def from_board(self, edge: Any, items: list[Any]) -> None:
        """A frame of a board arrives at an edge node."""
        if items[0] == TASK_RESULT:
            self.injected.command_answered(edge.name, bytes(items[2]), items[3], items[4])
            intent = self.intents.get(bytes(items[2]))
            if intent is not None and items[3] in (3, 4, 5):
                intent.accepted = True

    def edge_says(self, edge: Any, parts: list[bytes]) -> None:
        """A message leaves for the city: fences rise, and a new holder has a new fence."""
        if parts[0][1] == TASK_REPORT:
            _, task_id, state, code = msgpack.unpackb(parts[0])[:4]
            self.injected.order_answered(edge.name, bytes(task_id), state, code)
            self.rulings.reported(bytes(task_id), state)
        if parts[0][1] != LEASE_STATE:
            return
        _, actuator, holder, fence, _ = msgpack.unpackb(parts[0])[:5]
        last, last_holder = self.fences.get(actuator, (0, ""))
        if fence < last:
            self.fail("fence_fell", f"{edge.name} tells fence {fence} of {actuator} after {last}")
        if holder and last_holder and holder != last_holder and fence == last:
            self.fail("fence_kept", f"{actuator} goes from {last_holder} to {holder} under fence {fence}")
        if holder or fence > last:
            self.fences[actuator] = (fence, holder or last_holder)

    # the city

    def city_saved(self, task_id: bytes, record: bytes) -> None:
        """A task's record is on disk at the city."""
        states = [step[0] for step in msgpack.unpackb(record)["steps"]]
        last = self.at_city.get(task_id)
        known = states.index(last) if last in states else -1
        for before, state in zip([last, *states][known + 1 :], states[known + 1 :], strict=False):
            self._city_step(task_id, before, state)
        self.at_city[task_id] = states[-1]

    def city_restored(self, copy: Any) -> None:
        """The city knows only the tasks of its backup."""
        self.at_city = {}
        for table in ("tasks", "orders"):
            for task_id, record in copy.execute(f"SELECT task_id, record FROM {table}"):
                self.at_city[bytes(task_id)] = msgpack.unpackb(record)["steps"][-1][0]

    def _city_step(self, task_id: bytes, before: int | None, state: int) -> None:
        if state == DISPATCHED:
            self.saved_in[task_id] = self.city_life
        if before is None:
            self.coverage.take("task at city", "new", TASK_NAMES[state])
            return
        if state not in TASK_MAY_BECOME[before]:
            self.fail("task_states", f"city: a task went {TASK_NAMES[before]} -> {TASK_NAMES[state]}")
        self.coverage.take("task at city", TASK_NAMES[before], TASK_NAMES[state])

    def city_says(self, city: Any, header: list[Any], parts: list[bytes]) -> None:
        """A message leaves for an edge node: an order is saved, and its deadline is in the node's clock."""
        if header[0] != TASK_ORDER:
            return
        task = msgpack.unpackb(parts[1])
        if bytes(task[0]) not in self.at_city:
            self.fail("order_before_save", f"the city orders task {task[0].hex()}, which it has not saved")
        again = Order(task).verb != CANCEL and self.saved_in.get(bytes(task[0]), self.city_life) != self.city_life
        if again:
            self.fail("ordered_again", f"the city orders task {task[0].hex()} of an earlier life again")
        self.ordered.add(bytes(parts[1]))
        self.orders.setdefault(task[6], []).append(tuple(parts))
        del self.orders[task[6]][:-20]
        edge = self.edges.get(task[6])
        if edge is not None and edge.alive and edge.core.boot == task[7]:
            ahead_us = task[8] - edge.now()
            if ahead_us > START_WITHIN_US + SECOND // 10:
                self.fail("deadline_clock", f"a deadline is {ahead_us / 1e6:.1f} s ahead in the clock of {edge.name}")

    # boards

    def board_started(self, board: Any) -> None:
        """A boot begins: watch what is executed."""
        self.desks[board.thing] = Desk(board, Eye())
        actuators = board.node.actuators
        command = actuators.command

        def tapped(actuator: Any, task_id: bytes, setpoint: float, lease_ms: int) -> None:
            self._executed(board, actuator, bytes(task_id), setpoint)
            command(actuator, task_id, setpoint, lease_ms)

        actuators.command = tapped

    def board_stopped(self, board: Any) -> None:
        """Outputs fall when power goes."""
        self.desks.pop(board.thing, None)

    def to_board(self, board: Any, data: bytes) -> list[list[Any]]:
        """Bytes arrive at a board: note what is genuine; return the frames."""
        desk = self.desks[board.thing]
        found = desk.eye.feed(data)
        for items in found:
            desk.frame_us = self.world.now_us
            if items[0] in (TASK, LEASE) and len(items) == 3:
                self._commanded(board, desk, items)
        return found

    def ack_counts(self, board: Any, items: list[Any]) -> bool:
        """Whether an ack is its host's: signed with its key under its nonce; unsigned ones until the first of these."""
        desk = self.desks[board.thing]
        if items[0] != SIGNED_ACK:
            return not desk.signs
        genuine = hmac.new(desk.key, items[1], hashlib.sha256).digest() == items[2]
        genuine = genuine and msgpack.unpackb(items[1])[0] == desk.nonce
        desk.signs = desk.signs or genuine
        return genuine

    def _commanded(self, board: Any, desk: Desk, items: list[Any]) -> None:
        kind, payload, mac = items
        if hmac.new(desk.key, payload, hashlib.sha256).digest() != mac:
            return
        parts = msgpack.unpackb(payload)
        if parts[0] != desk.nonce or parts[1] <= desk.counter:
            return
        desk.counter = parts[1]
        place, lease_ms = (parts[3], parts[6]) if kind == TASK else (parts[2], parts[3])
        if kind == TASK:
            desk.genuine.add(bytes(parts[2]))
        limit_ms = board.plan.actuators[place].lease_ms
        desk.lease_until_us[place] = self.world.now_us + min(lease_ms, limit_ms) * 1000

    def _executed(self, board: Any, actuator: Any, task_id: bytes, setpoint: float) -> None:
        desk, intent = self.desks[board.thing], self.intents.get(task_id)
        if task_id not in desk.genuine:
            self.fail("forged", f"{board.thing} executes task {task_id.hex()}, which nobody genuine ordered now")
        desk.genuine.discard(task_id)
        if self.executed.get(task_id):
            self.fail("executed_twice", f"{board.thing} executes task {task_id.hex()} again")
        self.executed[task_id] = 1
        if intent is None:
            self.fail("intent_after_command", f"{board.thing} executes task {task_id.hex()} without a durable intent")
            return
        if intent.actuator != f"{board.thing}/{actuator.name}" or abs(intent.setpoint - setpoint) > 1e-5:
            self.fail("wrong_command", f"{board.thing} executes something else than task {task_id.hex()}")
        late_us = self.world.now_us - intent.deadline_true_us
        if late_us > EXPIRY_SLACK_US:
            self.fail("executed_expired", f"{board.thing} executes a task {late_us / 1e6:.3f} s after its deadline")

    def board_stepped(self, board: Any) -> None:
        """Without a living lease, or a living link, an output is safe; exclusive ones are never both on."""
        desk, now_us = self.desks[board.thing], self.world.now_us
        for place, actuator in enumerate(board.node.actuators.actuators):
            self.coverage.see(f"{board.thing} {place}", actuator.reason, "actuator reason")
            if actuator.driver.target == actuator.safe_setpoint:
                continue
            if now_us > desk.lease_until_us[place] + LEASE_SLACK_US:
                over_s = (now_us - desk.lease_until_us[place]) / 1e6
                self.fail("lease", f"{board.thing}/{actuator.name} is not safe {over_s:.3f} s after its lease")
            if now_us > desk.frame_us + self.silence_us + LEASE_SLACK_US:
                self.fail("silence", f"{board.thing}/{actuator.name} is not safe though the link is silent")
        if sum(output.value() for output in board.outputs) > 1:
            self.fail("both_on", f"{board.thing}: two outputs that exclude each other are on")

    # the end

    def final(self, sim: Any) -> None:
        """Every task has come to an end, every output is safe."""
        self.rulings.final(sim)
        for name, edge in sim.edges.items():
            for entry in edge.core.guard.running.values():
                if entry.state != DONE or entry.observe:
                    self.fail("task_open", f"{name}: task {entry.task.task_id.hex()} is {TASK_NAMES[entry.state]}")
        for board in sim.boards.values():
            for actuator in board.node.actuators.actuators:
                if actuator.driver.target != actuator.safe_setpoint:
                    self.fail("lease", f"{board.thing}/{actuator.name} is still not safe at the end")
