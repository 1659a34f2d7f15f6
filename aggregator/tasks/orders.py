"""Orders that do not leave at once: of people, and to actuators that want approval or selection. Sans-IO.

    waiting -> authorised -> (lease) -> (select, selected) -> dispatched

A person's order is made under a lease of rank operator, which `tick` asks for and renews as long as the order holds;
the guard keeps it, too, while the order is in force. When it is let go, automation takes the actuator again. What is
dispatched is followed by `dispatch.py` like any task. After a restart `resume` takes up what the guards still hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from protocol import task_codes as codes
from protocol import tasks
from protocol.city_link import LeaseRequest, TaskOrder
from service.risk import LOW, Rule

from ..link.sessions import Session
from .book import TaskRecord
from .dispatch import LEASE_REQUEST_US, RESEND_US, START_WITHIN_MS, Dispatcher, Now, Send

BEGIN_WITHIN_US = 15_000_000
CANCEL_TIMES = 3
LATCHES = (tasks.TRIP, tasks.RESET)


@dataclass
class Asked:
    """Signed bytes that leave again each half second: how often still."""

    order: TaskOrder
    edge: str
    left: int
    sent_us: int = 0


@dataclass
class Orders:
    """State beside the book: who holds what for a person until when, selections and cancellations under way."""

    desk: Dispatcher
    rules: Mapping[str, Rule] = field(default_factory=dict)
    holds: dict[str, tuple[TaskRecord, int]] = field(default_factory=dict)
    _asked: dict[tuple[bytes, int], Asked] = field(default_factory=dict)
    _lease_us: dict[str, int] = field(default_factory=dict)
    _resuming: list[TaskRecord] = field(default_factory=list)

    def resume(self) -> None:
        """After a start: what people ordered before holds on, if its guard turns out to hold it still."""
        self._resuming = [record for record in self.desk.book.by_id.values() if _may_hold(record)]

    def rule(self, actuator: str) -> Rule:
        """Return how careful to be with an actuator."""
        return self.rules.get(actuator, LOW)

    def tick(self, now: Now) -> list[Send]:
        """Return what is to be sent now; save the book first. Lets go of what waited for too long."""
        sends: list[Send] = []
        for record in self.desk.book.open_records():
            if record.state == codes.WAITING and now.us >= record.deadline_us:
                text = "nobody else approved it in time"
                self.desk.book.move(record, codes.EXPIRED, codes.APPROVAL_ABSENT, now.utc_us, text)
            elif record.state == codes.AUTHORISED:
                sends += self._begin(record, now)
            elif record.state == codes.SELECTED:
                sends += self._dispatch(record, self.desk.session_of(record.task.actuator), now)
        self._take_up(now)
        return sends + self._again(now) + self._renew(now)

    def cancel(self, record: TaskRecord, session: Session, who: str, reason: str, now: Now) -> None:
        """Have the guard end what a task holds; said more than once, since it may be said twice."""
        self._let_go(record)
        asks = replace(record.task, verb=tasks.CANCEL, rank="operator", person=who, reason=reason)
        task = self._timed(replace(asks, approved=[], causes=[]), session, now, record.task.fence)
        self._ask(task, session.edge, CANCEL_TIMES)

    def _begin(self, record: TaskRecord, now: Now) -> list[Send]:
        """Take an authorised order one step on: lease, then selection, then the order itself."""
        session = self.desk.session_of(record.task.actuator)
        if now.us >= record.deadline_us:
            text = f"its edge node gave no {'answer' if self._selecting(record) else 'lease'} in time"
            self.desk.book.move(record, codes.EXPIRED, codes.LINK_DOWN, now.utc_us, text)
        elif session is not None and session.edge_now_us(now.us) is not None:
            latch = record.task.verb in LATCHES
            return self._dispatch(record, session, now) if latch else self._under_lease(record, session, now)
        return []

    def _under_lease(self, record: TaskRecord, session: Session, now: Now) -> list[Send]:
        """Select or dispatch once the lease is there; until then, and while a selection is under way, ask for it."""
        actuator = record.task.actuator
        lease = self.desk.leases.get(actuator)
        held = lease is not None and self.desk.holds(session, lease, now, record.requester)
        if lease is None or not held or self._selecting(record):
            return self._ask_lease(actuator, now) if record.requester == "operator" else []
        record.task = self._timed(record.task, session, now, lease.fence)
        if not self.rule(actuator).hazardous:
            return self._dispatch(record, session, now)
        return self._ask(replace(record.task, verb=tasks.SELECT), session.edge, 10, now)

    def _selecting(self, record: TaskRecord) -> bool:
        return (record.task.task_id, tasks.SELECT) in self._asked

    def _dispatch(self, record: TaskRecord, session: Session | None, now: Now) -> list[Send]:
        """The order itself leaves; from here on it is followed like any task."""
        if session is None or session.edge_now_us(now.us) is None:
            return []
        self._asked.pop((record.task.task_id, tasks.SELECT), None)
        task = self._timed(record.task, session, now, record.task.fence)
        order = self.desk.signed(task)
        if not order:
            return []
        record.task, record.order, record.sent_us = task, order, now.us
        record.deadline_us = now.us + START_WITHIN_MS * 1000
        record.stamps = dict(record.task.stamps)
        self.desk.watch(record)
        self.desk.book.move(record, codes.DISPATCHED, codes.OK, now.utc_us)
        if record.requester == "operator" and record.task.verb not in LATCHES:
            self.holds[record.task.actuator] = record, now.us + record.task.lease_ms * 1000
        return [(session.edge, TaskOrder(record.order, tasks.encode(record.task)))]

    def _timed(self, task: tasks.Task, session: Session, now: Now, fence: int) -> tasks.Task:
        """Return the task with a deadline in the present clock of its edge node."""
        edge_now_us = session.edge_now_us(now.us) or 0
        return replace(
            task, edge=session.edge, edge_boot=session.boot, fence=fence, epoch=self.desk.epoch,
            not_after_us=edge_now_us + START_WITHIN_MS * 1000, stamps={**task.stamps, "city_tx": now.us * 1000},
        )  # fmt: skip

    def _ask(self, task: tasks.Task, edge: str, times: int, now: Now | None = None) -> list[Send]:
        """Sign something that is said until it is answered; return it if it is to leave now."""
        payload, signature = tasks.encode(task), self.desk.signed(task)
        if not signature:
            return []
        asked = Asked(TaskOrder(signature, payload), edge, times)
        self._asked[task.task_id, task.verb] = asked
        if now is None:
            return []
        asked.left, asked.sent_us = asked.left - 1, now.us
        return [(edge, asked.order)]

    def _again(self, now: Now) -> list[Send]:
        """Return selections and cancellations that are due again; a task that is over is selected no more."""
        sends: list[Send] = []
        for key, asked in list(self._asked.items()):
            record = self.desk.book.by_id.get(key[0])
            over = key[1] == tasks.SELECT and (record is None or record.state != codes.AUTHORISED)
            if over or (asked.left <= 0 and key[1] == tasks.CANCEL):
                del self._asked[key]
            elif asked.left > 0 and now.us - asked.sent_us >= RESEND_US:
                asked.left, asked.sent_us = asked.left - 1, now.us
                sends.append((asked.edge, asked.order))
        return sends

    def _renew(self, now: Now) -> list[Send]:
        """Keep the operator's lease of what is held for a person; let go of the rest."""
        sends: list[Send] = []
        for actuator, (record, until_us) in list(self.holds.items()):
            if now.us >= until_us or record.state in _ENDED:
                self._let_go(record)
            else:
                sends += self._ask_lease(actuator, now)
        return sends

    def _take_up(self, now: Now) -> None:
        """Hold again, for the rest of its time, an order of before the restart that is in force at its guard."""
        for record in list(self._resuming):
            lease, session = self.desk.leases.get(record.task.actuator), self.desk.session_of(record.task.actuator)
            edge_now_us = session.edge_now_us(now.us) if session else None
            if lease is None or edge_now_us is None:
                continue
            self._resuming.remove(record)
            left_us = record.task.not_after_us + (record.task.lease_ms - START_WITHIN_MS) * 1000 - edge_now_us
            if lease.holder == "operator" and lease.fence == record.task.fence and left_us > 0:
                self.holds[record.task.actuator] = record, now.us + left_us

    def _let_go(self, record: TaskRecord) -> None:
        held = self.holds.get(record.task.actuator)
        if held is not None and held[0] is record:
            del self.holds[record.task.actuator]

    def _ask_lease(self, actuator: str, now: Now) -> list[Send]:
        session, asked_us = self.desk.session_of(actuator), self._lease_us.get(actuator)
        if session is None or not session.connected or (asked_us is not None and now.us - asked_us < LEASE_REQUEST_US):
            return []
        self._lease_us[actuator] = now.us
        return [(session.edge, LeaseRequest(actuator, "operator"))]


def _may_hold(record: TaskRecord) -> bool:
    """Whether a record is of a person's order that left and may be in force."""
    mine = record.requester == "operator" and record.task.verb == tasks.OPERATE
    return mine and record.task.not_after_us > 0 and record.state not in _ENDED


_ENDED = frozenset({codes.REFUSED, codes.EXPIRED, codes.FAILED, codes.CANCELLED, codes.SUPERSEDED})
