"""The oracle of people: who stands behind what, what is selected, taken back, tripped; alarms and messages.

It reads what people really did, the orders that arrive at edge nodes, what guards report, and what boards are told.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgpack

from processes import runner
from protocol.tasks import OPERATE, RESET, SELECT, TRIP

from . import plan
from .coverage import Coverage
from .machines import ALARM_MAY_BECOME
from .world import SECOND, Violation, World

OBSERVED, SELECTED, CANCELLED = 6, 13, 14
MINUTE_US = 60 * SECOND - SECOND // 100  # clocks run a little apart
_after_step = runner.after_step


class Order:
    """What an order says, as the wire has it."""

    def __init__(self, items: list[Any]) -> None:
        more = [*items[13:18], *(0, OPERATE, "city", "", [])[len(items[13:18]) :]]
        self.task_id, self.actuator, self.setpoint = bytes(items[0]), items[1], items[2]
        self.boot, self.not_after_us, self.fence = items[7], items[8], items[9]
        self.verb, self.rank, self.person, self.approved = more[1], more[2], more[3], tuple(more[4])


class Rulings:
    """Facts about people, and what must hold of them."""

    def __init__(self, world: World, coverage: Coverage) -> None:
        self.world, self.coverage = world, coverage
        self.behind: dict[bytes, set[str]] = {}
        self.selecting: dict[bytes, Order] = {}
        self.selected: dict[bytes, Order] = {}
        self.arrived: dict[bytes, set[int]] = {}
        self.latches: dict[bytes, Order] = {}
        self.cancelled: set[bytes] = set()
        self.tripped: set[str] = set()
        self.left: dict[str, list[tuple[int, int]]] = {}
        self.acts: dict[str, Any] = {}
        self.lines: Counter[tuple[str, str]] = Counter()
        self.saved: set[str] = set()
        runner.after_step = self._judged

    # what people do

    def stands_behind(self, task_id: bytes, who: str) -> None:
        """Somebody asked for a task or approved it."""
        self.behind.setdefault(task_id, set()).add(who)

    def refused(self, code: str) -> None:
        """The city refused what a person asked."""
        self.coverage.take("people", "refused", code)

    def acted(self, action: Any) -> None:
        """Somebody does something to an alarm."""
        self.acts[action.id] = action

    def audited(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """A line is in the audit log."""
        for row in rows:
            self.lines[row["event"], row.get("id", "")] += 1
            self.coverage.take("audit", "line", row["event"])

    # edge nodes

    def order_arrives(self, edge: Any, payload: bytes) -> None:
        """An order is there, genuine or not; each verb of a task counts when it comes first."""
        order = Order(msgpack.unpackb(payload))
        seen = self.arrived.setdefault(order.task_id, set())
        timely = order.boot == edge.core.boot and edge.now() < order.not_after_us
        if not timely or order.verb in seen:
            return
        if order.verb == SELECT:
            self.selecting[order.task_id] = order
            return
        seen.add(order.verb)
        if order.verb in (TRIP, RESET):
            self.latches[order.task_id] = order
        if order.verb == RESET and order.rank == "operator" and order.person and TRIP not in seen:
            self.tripped.discard(order.actuator)

    def reported(self, task_id: bytes, state: int) -> None:
        """A guard says how a task stands."""
        latch = self.latches.get(task_id)
        if state == OBSERVED and latch is not None and latch.verb == TRIP:
            del self.latches[task_id]
            self.tripped.add(latch.actuator)
            self.coverage.take("people", "did", "trip")
        elif state == SELECTED and task_id in self.selecting:
            self.selected[task_id] = self.selecting[task_id]
            self.coverage.take("people", "did", "select")
        elif state == CANCELLED:
            self.cancelled.add(task_id)
            self.coverage.take("people", "did", "cancel")

    def leaves(self, edge: Any, requester: str, payload: bytes, again: bool) -> None:
        """A command leaves an edge node. Raises: Violation if people or the actuator's rule forbid it."""
        order = Order(msgpack.unpackb(payload))
        order.rank = requester
        name = f"{edge.name} commands {order.actuator}"
        if order.task_id in self.cancelled:
            raise Violation("cancelled", f"{name} by a task that it said was taken back")
        if order.actuator in self.tripped:
            raise Violation("tripped", f"{name}, which is tripped")
        if not again:
            self._people(order, name)
            self._rate(edge, order, name)

    def _people(self, order: Order, name: str) -> None:
        rule = plan.rule(order.actuator)
        if order.rank == "operator" or not rule.automation:
            told = {who for who in (order.person, *order.approved) if who}
            if not told <= self.behind.get(order.task_id, set()):
                raise Violation("nobody_behind", f"{name} for {', '.join(sorted(told))}, who did not all say so")
            if len(told) < rule.approvals:
                raise Violation("too_few_people", f"{name} with {len(told)} of {rule.approvals} people behind it")
            self.coverage.take("people", "moved", f"{order.rank} with {len(told)}")
        if rule.hazardous and order.rank != "edge":  # a node's own process selects at the node, out of sight
            kept = self.selected.get(order.task_id)
            mine = order.setpoint, order.person, order.fence
            if kept is None or (kept.setpoint, kept.person, kept.fence) != mine:
                raise Violation("not_selected", f"{name} to {order.setpoint:g}, which nobody had selected")

    def _rate(self, edge: Any, order: Order, name: str) -> None:
        rule, now_us, power = plan.rule(order.actuator), self.world.now_us, edge.powered_us
        known = self.left.setdefault(order.actuator, [])
        known[:] = [(us, cycle) for us, cycle in known if cycle == power and now_us - us < MINUTE_US]
        if rule.max_per_min and order.setpoint and len(known) >= rule.max_per_min:
            raise Violation("too_often", f"{name} {len(known) + 1} times within a minute")
        known.append((now_us, power))

    def renewed(self, edge: Any, actuator: str) -> None:
        """The lease of an actuator is renewed. Raises: Violation."""
        if actuator in self.tripped:
            raise Violation("tripped", f"{edge.name} renews the lease of {actuator}, which is tripped")

    # alarms

    def _judged(self, book: Any, alarms: Any, step_utc_us: int, rules: Any, acts: Any = ()) -> Any:
        """Stand in for `after_step`: the real one, and a look at what moved. Raises: Violation."""
        after = _after_step(book, alarms, step_utc_us, rules, acts)
        for key in {*book, *after}:
            old, new = book.get(key), after.get(key)
            before, now = old.state if old else "normal", new.state if new else "normal"
            if before != now:
                self.coverage.take("alarm", before, now)
                kinds = {"step", *(action.kind for _, action in acts if action.key == key)}
                ends = [action.until_utc_us for _, action in acts if action.key == key and action.kind == "shelve"]
                ends += [old.shelf.until_utc_us] if old is not None and old.shelf is not None else []
                if ends and min(ends) <= step_utc_us:
                    kinds.add("unshelve")
                if not any(kind in kinds for kind in ALARM_MAY_BECOME.get((before, now), ())):
                    text = f"{key} goes from {before} to {now}, people did: {', '.join(sorted(kinds)) or 'nothing'}"
                    raise Violation("alarm_life", text)
        for _, action in acts:
            if action.id not in self.acts:
                raise Violation("alarm_life", f"nobody did {action.kind} to {action.key}")
        return after

    # messages

    def final(self, sim: Any) -> None:
        """Each message that is over was taken, or is closed; each answer and each delivery has its line."""
        mail, now_us = sim.crowd.mail, sim.city.moment().utc_us
        box = sim.city.core.outbox
        for (number, _), way in box.deliveries.items():
            entry = box.entries[number]
            if way.delivered_utc_us is not None:
                if number not in mail.taken:
                    raise Violation("notice_lost", f"message {number} counts as delivered, and nobody got it")
                if not self.lines["notify_sent", number]:
                    raise Violation("notice_audit", f"message {number} went out without a line in the audit log")
            elif way.closed == "expired" and now_us < entry.expires_utc_us:
                raise Violation("notice_lost", f"message {number} is closed as expired before its time")
        for entry in box.entries.values():
            if entry.acked_utc_us is not None and not self.lines["notify_acknowledged", entry.id]:
                raise Violation("notice_audit", f"message {entry.id} was answered without a line in the audit log")
