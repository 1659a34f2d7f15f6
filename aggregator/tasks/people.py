"""What people ask of actuators: a setpoint, approval, to take it back, to trip and to reset. Sans-IO.

Each raises TaskRefused with the code of what is in the way; what passes is a record in the book, and `orders.py` takes
it on. Who may do what where is the gate's business (operators/gate.py); that the right number of people stand behind
an order is checked here, and again by the guard.
"""

from dataclasses import replace
from typing import Any, NamedTuple

from protocol import task_codes as codes
from protocol import tasks
from protocol.manifest import ActuatorInfo

from ..errors import TaskRefused
from ..link.sessions import Session
from .book import Step, TaskRecord
from .dispatch import MAX_REASON, Now
from .orders import BEGIN_WITHIN_US, Orders

APPROVE_WITHIN_US = 600_000_000
MAX_OPEN, MAX_OPEN_EACH = 200, 20
VERSION_WITH_PEOPLE = 2
INSTANCE = "people"


class Want(NamedTuple):
    """A setpoint for an actuator, for how long, and why. `nonce`: random, so that no two have the same id."""

    actuator: str
    setpoint: float
    valid_ms: int
    reason: str
    nonce: str


class People:
    """Takes what people ask."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self._desk, self._book = orders.desk, orders.desk.book

    def ask(self, who: str, want: Want, now: Now) -> TaskRecord:
        """Return the record of a new order, waiting or authorised. Raises: TaskRefused."""
        info, session = self._known(want.actuator, now)
        if not info.lower <= want.setpoint <= info.upper:
            limits = f"{info.lower:g} to {info.upper:g}"
            raise TaskRefused(codes.OUT_OF_RANGE, f"{want.setpoint:g} is outside {limits}", f"give one of {limits}")
        self._free(who, want.actuator, session)
        record = self._record(who, want, session, now)
        rule = self.orders.rule(want.actuator)
        if rule.approvals > 1:
            others = rule.approvals - 1
            text = f"{who} asks; risk {rule.risk} wants {others} other {'person' if others == 1 else 'people'}"
            self._book.move(record, codes.WAITING, codes.OK, now.utc_us, text)
            record.deadline_us = now.us + APPROVE_WITHIN_US
        else:
            self._authorise(record, f"{who} asks", now)
        return record

    def approve(self, who: str, task_id: bytes, now: Now) -> TaskRecord:
        """Return the record with one more person behind it. Raises: TaskRefused."""
        record = self.find(task_id)
        if record.state != codes.WAITING:
            text = f"it does not wait for approval, it is {codes.STATES[record.state]}"
            raise TaskRefused(codes.REPLAYED, text, f"city task show {task_id.hex()}")
        behind = {name for name in (record.task.person, *record.task.approved) if name}
        if who in behind:
            raise TaskRefused(
                codes.APPROVAL_ABSENT, f"{who} stands behind it already", "another person has to approve it"
            )
        record.task = replace(record.task, approved=[*record.task.approved, who])
        missing = self.orders.rule(record.task.actuator).approvals - len(behind) - 1
        if missing > 0:
            self._book.changed(record)
        else:
            self._authorise(record, f"approved by {', '.join(record.task.approved)}", now)
        return record

    def cancel(self, who: str, task_id: bytes, reason: str, now: Now) -> TaskRecord:
        """Return the record of an order that is taken back, or will be once its guard has. Raises: TaskRefused."""
        record = self.find(task_id)
        if record.task.verb != tasks.OPERATE or record.state in _OVER:
            text = f"there is nothing to take back: it is {codes.STATES[record.state]}"
            raise TaskRefused(codes.REPLAYED, text, f"city task show {task_id.hex()}")
        if record.requester != "operator" and record.state not in _NOT_SENT:
            raise TaskRefused(
                codes.UNAUTHORISED, f"{record.task.instance}, a process, asked for it and would again",
                f"city task request {record.task.actuator} SETPOINT, or city actuator trip {record.task.actuator}",
            )  # fmt: skip
        if record.state in _NOT_SENT:
            self._book.move(record, codes.CANCELLED, codes.CODE_CANCELLED, now.utc_us, f"cancelled by {who}")
        else:
            _, session = self._known(record.task.actuator, now)
            self.orders.cancel(record, session, who, reason[:MAX_REASON], now)
        return record

    def latch(self, who: str, verb: int, actuator: str, reason: str, nonce: str, now: Now) -> TaskRecord:
        """Return the record of a trip or a reset, on its way to the guard. Raises: TaskRefused."""
        info, session = self._known(actuator, now)
        record = self._record(who, Want(actuator, info.safe, 5000, reason, nonce), session, now, verb)
        self.orders.holds.pop(actuator, None)
        self._authorise(record, f"{who} asks", now)
        return record

    def find(self, task_id: bytes) -> TaskRecord:
        """Return a record. Raises: TaskRefused."""
        record = self._book.by_id.get(task_id)
        if record is None:
            raise TaskRefused(codes.FOREIGN, f"there is no task {task_id.hex()}", "city task list")
        return record

    def _known(self, actuator: str, now: Now) -> tuple[ActuatorInfo, Session]:
        """Return an actuator's limits and the link to its guard. Raises: TaskRefused."""
        info, session = self._desk.registry.actuators.get(actuator), self._desk.session_of(actuator)
        if info is None or session is None:
            raise TaskRefused(codes.NO_ACTUATOR, f"there is no actuator {actuator}", "city actuator list")
        if session.edge_now_us(now.us) is None:
            raise TaskRefused(codes.LINK_DOWN, f"edge node {session.edge} is not heard", "city status")
        if session.proto < VERSION_WITH_PEOPLE:
            text = f"edge node {session.edge} is of release 0.1.0 and cannot check people's orders"
            raise TaskRefused(codes.UNAUTHORISED, text, f"update {session.edge}")
        return info, session

    def _free(self, who: str, actuator: str, session: Session) -> None:
        """Raises: TaskRefused if its guard said that it is tripped or the node stopped, or if too much is open.

        What one person has open is bounded apart, so that nobody can use up what is there for all.
        """
        if stopped := session.health.get("stopped"):
            text = f"{session.edge} is stopped: {stopped}"
            raise TaskRefused(codes.LOCAL_STOP, text, f"at {session.edge}: city edge clear")
        if tripped := guarded(session, actuator).get("tripped"):
            raise TaskRefused(codes.TRIPPED, str(tripped), f"look at it, then: city actuator reset {actuator}")
        askers = [record.task.person for record in self._book.open_records() if record.requester == "operator"]
        if askers.count(who) >= MAX_OPEN_EACH:
            raise TaskRefused(codes.RATE_LIMITED, f"{MAX_OPEN_EACH} orders of {who} are open", "city task cancel one")
        if len(askers) >= MAX_OPEN:
            raise TaskRefused(codes.RATE_LIMITED, f"{MAX_OPEN} orders of people are open", "see city task list")

    def _record(self, who: str, want: Want, session: Session, now: Now, verb: int = tasks.OPERATE) -> TaskRecord:
        task = tasks.Task(
            task_id=tasks.task_id(f"{INSTANCE} {who}", now.utc_us, f"{want.actuator} {want.nonce}"),
            actuator=want.actuator, setpoint=float(want.setpoint), lease_ms=want.valid_ms, instance=INSTANCE,
            step_utc_us=now.utc_us, edge=session.edge, edge_boot=session.boot, not_after_us=0, fence=0,
            reason=want.reason[:MAX_REASON], verb=verb, rank="operator", person=who,
        )  # fmt: skip
        tasks.encode(task)
        record = TaskRecord(task, "operator", [Step(codes.PROPOSED, codes.OK, now.utc_us)])
        self._book.add(record)
        return record

    def _authorise(self, record: TaskRecord, text: str, now: Now) -> None:
        self._book.move(record, codes.AUTHORISED, codes.OK, now.utc_us, text)
        record.deadline_us = now.us + BEGIN_WITHIN_US


def guarded(session: Session, actuator: str) -> dict[str, Any]:
    """Return what the guard last said of an actuator: {holder, setpoint, tripped}, {} if nothing.

    An edge node says what it likes: what has not the right shape is left out.
    """
    rows = session.health.get("leases")
    found = [r for r in rows if isinstance(r, dict) and r.get("actuator") == actuator] if isinstance(rows, list) else []
    if not found:
        return {}
    holder, setpoint, tripped = (found[0].get(name) for name in ("holder", "setpoint", "tripped"))
    number = isinstance(setpoint, int | float) and not isinstance(setpoint, bool)
    return {"holder": str(holder or ""), "setpoint": setpoint if number else None, "tripped": str(tripped or "")}


_NOT_SENT = frozenset({codes.PROPOSED, codes.WAITING, codes.AUTHORISED})
_OVER = frozenset({codes.REFUSED, codes.EXPIRED, codes.FAILED, codes.CANCELLED, codes.SUPERSEDED})
