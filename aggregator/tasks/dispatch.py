"""From decisions to tasks at the guards, and from reports and feedback to closed tasks. Sans-IO.

A task goes out only with a lease of the actuator that is valid by the edge's own clock, and with a deadline
in that clock, so a stale heartbeat means: do not dispatch. The same signed bytes are sent again until the
edge answers or the deadline is over; after it nothing is sent, ever. The caller saves the records that
`take_changed` names before it sends what is returned here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from math import isnan
from typing import NamedTuple, TypeAlias

import numpy as np
import structlog

from processes.contract import Proposal
from processes.dispatch import Active, activated, worth_sending
from processes.engine import Decision
from processes.feed import Arrived
from processes.instance import Instance
from protocol import task_codes as codes
from protocol import tasks
from protocol.city_link import LeaseRequest, LeaseState, TaskOrder, TaskReport
from protocol.errors import ProtocolError
from service.risk import LOW, Rule

from ..errors import PeerError, SignerError
from ..link.sessions import Session, Sessions
from ..registry import Registry
from .book import UNSIGNED, Step, TaskBook, TaskRecord

START_WITHIN_MS = 5000
RESEND_US = 500_000
LEASE_REQUEST_US = 1_000_000
GRACE_US = 2_000_000
FEEDBACK_SHARE = 0.05
MAX_REASON = 200
MAX_STAMPS = 32
_log = structlog.get_logger(__name__)

Send: TypeAlias = tuple[str, TaskOrder | LeaseRequest]
Sign: TypeAlias = Callable[[bytes], bytes]


class Now(NamedTuple):
    """The moment: city boottime µs, and event time µs."""

    us: int
    utc_us: int


@dataclass
class Dispatcher:
    """State: leases as the edges report them, what is active per actuator, and the book of tasks.

    `displaced`: (edge node, text) of tasks that stood under the id of somebody else's, for the audit log.
    """

    registry: Registry
    sessions: Sessions
    book: TaskBook
    sign: Sign
    instances: Mapping[str, Instance]
    epoch: int = 0
    rules: Mapping[str, Rule] = field(default_factory=dict)
    leases: dict[str, LeaseState] = field(default_factory=dict)
    active: dict[str, tuple[int, Active]] = field(default_factory=dict)
    held_back: Counter[str] = field(default_factory=Counter)
    displaced: list[tuple[str, str]] = field(default_factory=list)
    _asked_us: dict[str, int] = field(default_factory=dict)

    def take_lease(self, edge: str, lease: LeaseState) -> None:
        """Believe the guard about its actuator. Raises: PeerError for another edge's actuator."""
        if not self.registry.owns(edge, lease.actuator.split("/", 1)[0]):
            raise PeerError("foreign_actuator", f"{edge} does not own {lease.actuator}")
        if lease.actuator not in self.registry.actuators:
            raise PeerError("unknown_actuator", f"no Thing of {edge} has an actuator {lease.actuator}")
        self.leases[lease.actuator] = lease

    def ask_leases(self, actuators: Iterable[str], now: Now) -> list[Send]:
        """Return the lease requests that are due: at once on connection, then every second (renewal)."""
        due: list[Send] = []
        for actuator in sorted(set(actuators)):
            session = self.session_of(actuator)
            asked_us = self._asked_us.get(actuator)
            if session and session.connected and (asked_us is None or now.us - asked_us >= LEASE_REQUEST_US):
                self._asked_us[actuator] = now.us
                due.append((session.edge, LeaseRequest(actuator, "city")))
        return due

    def reconnected(self, edge: str) -> None:
        """Forget what the edge's guard had granted; ask anew at once."""
        for actuator in [a for a in self.leases if self.registry.edge_of(a) == edge]:
            del self.leases[actuator]
        for actuator in [a for a in self._asked_us if self.registry.edge_of(a) == edge]:
            del self._asked_us[actuator]

    def decided(self, decision: Decision, now: Now, stamps: dict[str, int]) -> list[Send]:
        """Return the orders that a decision leads to. `stamps`: ns of city boottime, the way of its causes so far."""
        if not decision.dispatch:
            return []
        orders = []
        for proposal in decision.outcome.proposals:
            if proposal.port in decision.actuators:
                orders += self._propose(decision, proposal, now, stamps)
        return orders

    def report(self, edge: str, report: TaskReport, now: Now, signer: str = UNSIGNED) -> TaskRecord | None:
        """Take a guard's word about a task; return its record. `signer`: of its own one. Raises: PeerError."""
        record = self.book.by_id.get(report.task_id) or self._foreign_task(edge, report, now, signer)
        if record is None:
            self.book.ignored["unknown_task"] += 1
            return None
        if record.task.edge != edge:
            raise PeerError("foreign_task", f"{edge} reports on a task of {record.task.edge}")
        record.stamps |= dict(islice(report.stamps.items(), max(0, MAX_STAMPS - len(record.stamps))))
        record.position = None if isnan(report.position) else report.position
        if self.book.move(record, report.state, report.code, now.utc_us, report.text):
            self._moved(record, now)
        return record

    def feedback(self, series: Arrived, now: Now) -> None:
        """Close tasks whose effect the observed datastream shows."""
        for record in self.book.open_records():
            if record.observe == series.datastream and record.state == codes.DONE:
                self._observe(record, series, now)

    def tick(self, now: Now) -> list[Send]:
        """Return orders to send again; lets go of tasks whose time is over."""
        again: list[Send] = []
        for record in self.book.open_records():
            if record.state == codes.DISPATCHED:
                again += self._resend(record, now)
            elif record.state in _LEFT and record.deadline_us and now.us > self._end_us(record):
                self._give_up(record, now)
        return again

    def _propose(self, decision: Decision, proposal: Proposal, now: Now, stamps: dict[str, int]) -> list[Send]:
        actuator = decision.actuators[proposal.port]
        session, fence = self._may_dispatch(actuator, now)
        if session is None:
            return []
        active_fence, active = self.active.get(actuator, (0, None))
        if not worth_sending(proposal, active if active_fence == fence else None, now.us // 1000):
            return []
        if self._is_known(decision.task_ids[proposal.port], actuator):
            self.held_back["already_a_task"] += 1
            return []
        task = self._task(decision, proposal, session, fence=fence, now=now, stamps=stamps)
        try:
            return self._order(task, proposal, now)
        except ProtocolError as error:
            self.held_back["invalid_task"] += 1
            _log.warning("a process proposed what is no task", actuator=task.actuator, detail=str(error))
            return []

    def _is_known(self, task_id: bytes, actuator: str) -> bool:
        """Whether this task was made before, here or by the actuator's own node; ids can be foretold, so a record of
        another actuator under it is somebody's trick: it makes room."""
        known = self.book.by_id.get(task_id)
        if known is None or known.task.actuator == actuator:
            return known is not None
        text = f"it had told of a task of {known.task.actuator} under an id that is for {actuator}"
        self.displaced.append((known.task.edge, text))
        self.book.forget(known)
        return False

    def _order(self, task: tasks.Task, proposal: Proposal, now: Now) -> list[Send]:
        """Return the signed order; none if it has to wait for people, a selection or a signature.

        Raises: ProtocolError if it is no task at all, which nobody must keep.
        """
        payload, rule = tasks.encode(task), self.rules.get(task.actuator, LOW)
        plain = rule.automation and not rule.hazardous
        order = self.signed(task) if plain else b""
        if plain and not order:
            return []
        record = self._record(task, order, now)
        self.active[task.actuator] = (task.fence, activated(proposal, now.us // 1000))
        if plain:
            return [(task.edge, TaskOrder(order, payload))]
        self._hold_back(record, rule, proposal, now)
        return []

    def _may_dispatch(self, actuator: str, now: Now) -> tuple[Session | None, int]:
        """Return (the guard's session, fence) if the city may command the actuator now."""
        session, lease = self.session_of(actuator), self.leases.get(actuator)
        if actuator not in self.registry.actuators or session is None:
            self.held_back["no_actuator"] += 1
        elif session.edge_now_us(now.us) is None:
            self.held_back["stale_clock"] += 1
        elif lease is None or not self.holds(session, lease, now):
            self.held_back["no_lease"] += 1
        else:
            return session, lease.fence
        return None, 0

    @staticmethod
    def holds(session: Session, lease: LeaseState, now: Now, holder: str = "city") -> bool:
        """Whether the lease is the city's, of rank `holder`, and still valid by the edge's clock."""
        edge_now_us = session.edge_now_us(now.us)
        return edge_now_us is not None and lease.holder == holder and lease.until_us > edge_now_us

    def _task(
        self, decision: Decision, proposal: Proposal, session: Session, *,
        fence: int, now: Now, stamps: dict[str, int],
    ) -> tasks.Task:  # fmt: skip
        edge_now_us = session.edge_now_us(now.us) or 0
        start_ms = min(int(proposal.valid_ms), START_WITHIN_MS)
        return tasks.Task(
            task_id=decision.task_ids[proposal.port],
            actuator=decision.actuators[proposal.port],
            setpoint=float(proposal.setpoint),
            lease_ms=min(int(proposal.valid_ms), tasks.MAX_LEASE_MS),
            instance=decision.instance,
            step_utc_us=decision.step_utc_us,
            edge=session.edge,
            edge_boot=session.boot,
            not_after_us=edge_now_us + start_ms * 1000,
            fence=fence,
            causes=list(decision.causes)[: tasks.MAX_CAUSES],
            stamps={**_for_edge(stamps, session), "city_tx": now.us * 1000},
            reason=proposal.reason[:MAX_REASON],
            epoch=0 if session.proto == 1 else self.epoch,  # version 1 reads no epoch
        )

    def _hold_back(self, record: TaskRecord, rule: Rule, proposal: Proposal, now: Now) -> None:
        """Let a process's task wait for people, or for its selection; an older one that waits is superseded."""
        for older in self.book.open_records():
            same = older.task.actuator == record.task.actuator and older.requester == "city" and older is not record
            if same and older.state in (codes.WAITING, codes.AUTHORISED):
                self.book.move(older, codes.SUPERSEDED, codes.OK, now.utc_us, "a newer proposal took over")
        state = codes.AUTHORISED if rule.automation else codes.WAITING
        text = "" if rule.automation else f"risk {rule.risk} wants {rule.approvals} people"
        self.book.move(record, state, codes.OK, now.utc_us, text)
        record.deadline_us = now.us + proposal.valid_ms * 1000

    def signed(self, task: tasks.Task) -> bytes:
        """Return the signature of a task; none if the signer does not sign, then it must not be dispatched."""
        try:
            return self.sign(tasks.encode(task))
        except SignerError as error:
            self.held_back["no_signature"] += 1
            _log.warning("nothing is dispatched without a signature", detail=str(error))
            return b""

    def _record(self, task: tasks.Task, order: bytes, now: Now) -> TaskRecord:
        """Write the task into the book: as proposed; with a signature also authorised (by its lease), dispatched."""
        states = (codes.PROPOSED, codes.AUTHORISED, codes.DISPATCHED)[: 3 if order else 1]
        record = TaskRecord(
            task=task,
            requester="city",
            steps=[Step(state, codes.OK, now.utc_us) for state in states],
            order=order,
            sent_us=now.us,
            deadline_us=now.us + min(task.lease_ms, START_WITHIN_MS) * 1000,
            stamps=dict(task.stamps),
        )
        self.watch(record)
        self.book.add(record)
        return record

    def watch(self, record: TaskRecord) -> None:
        """Note which datastream must show the task's effect, how near and how soon."""
        task, info = record.task, self.registry.actuators.get(record.task.actuator)
        if info is not None:
            record.tolerance = FEEDBACK_SHARE * abs(info.upper - info.lower)
        instance = self.instances.get(task.instance)
        for respond in instance.config.responds.values() if instance else ():
            if respond.actuator == task.actuator:
                record.observe, record.within_us = respond.observe or "", round(respond.within_s * 1e6)

    def _foreign_task(self, edge: str, report: TaskReport, now: Now, signer: str) -> TaskRecord | None:
        """Return a record for a task the edge gave itself, if the report says what it was."""
        if not report.task:
            return None
        task = tasks.decode(report.task)
        if task.task_id != report.task_id:
            raise PeerError("task_id", f"{edge} reports {report.task_id.hex()} but encloses another task")
        if not self.registry.owns(edge, task.actuator.split("/", 1)[0]):
            raise PeerError("foreign_actuator", f"{edge} does not own {task.actuator}")
        if task.edge != edge or task.person or task.approved or task.verb not in OWN_VERBS:
            raise PeerError("foreign_task", f"{edge} tells of a task as its own that a process of its could not make")
        first = codes.DISPATCHED if codes.may_become(codes.DISPATCHED, report.state) else codes.PROPOSED
        began = Step(first, codes.OK, min(task.step_utc_us, now.utc_us))
        record = TaskRecord(task, "edge", [began], stamps=dict(task.stamps))
        record.signed_by, record.proof = signer, b"" if signer == UNSIGNED else report.signature
        record.deadline_us = now.us + START_WITHIN_MS * 1000
        self.watch(record)
        self.book.add(record)
        return record

    def _moved(self, record: TaskRecord, now: Now) -> None:
        actuator = record.task.actuator
        if record.state in (codes.DONE, codes.ACTING, codes.ACCEPTED):
            self._supersede(record, now)
        if record.state == codes.DONE:
            record.done_us = now.us
        if record.state in _MISSED and self._is_active(record):
            self.active.pop(actuator, None)

    def _supersede(self, newer: TaskRecord, now: Now) -> None:
        """Close older tasks of the same actuator: the newer setpoint has taken over."""
        for record in self.book.open_records():
            older = record.task.step_utc_us < newer.task.step_utc_us
            if older and record.task.actuator == newer.task.actuator and record.state in _IN_FORCE:
                self.book.move(record, codes.SUPERSEDED, codes.OK, now.utc_us, "a newer task took over")

    def _is_active(self, record: TaskRecord) -> bool:
        fence, active = self.active.get(record.task.actuator, (0, None))
        return active is not None and fence == record.task.fence and active.setpoint == record.task.setpoint

    def _observe(self, record: TaskRecord, series: Arrived, now: Now) -> None:
        good = (series.quality < 3) & (series.t_utc_us >= record.task.step_utc_us)
        near = np.abs(series.value - record.task.setpoint) <= record.tolerance
        if bool(np.any(good & near)):
            self.book.move(record, codes.OBSERVED, codes.OK, now.utc_us, f"{series.datastream} shows it")
        elif bool(np.any(good)) and now.us - record.done_us > record.within_us:
            seen = float(series.value[good][-1])
            text = f"{series.datastream} shows {seen:.3g}, not {record.task.setpoint:.3g}"
            self.book.move(record, codes.FAILED, codes.NOT_OBSERVED, now.utc_us, text)

    def _resend(self, record: TaskRecord, now: Now) -> list[Send]:
        if now.us >= record.deadline_us:
            if now.us >= record.deadline_us + GRACE_US:
                self._give_up(record, now)
            return []
        session = self.session_of(record.task.actuator)
        if now.us - record.sent_us < RESEND_US or not record.order or session is None:
            return []
        if session.boot != record.task.edge_boot or not self._in_force(record, session, now):
            return []
        record.sent_us = now.us
        return [(session.edge, TaskOrder(record.order, tasks.encode(record.task)))]

    def _in_force(self, record: TaskRecord, session: Session, now: Now) -> bool:
        """Whether the lease under which an order was made is still ours; a trip or reset needs none."""
        if record.task.verb != tasks.OPERATE:
            return True
        lease = self.leases.get(record.task.actuator)
        if lease is None or lease.fence != record.task.fence:
            return False
        return self.holds(session, lease, now, record.requester)

    def _give_up(self, record: TaskRecord, now: Now) -> None:
        if self.book.move(record, codes.UNKNOWN, codes.TIMEOUT, now.utc_us, "no report from the edge"):
            self._moved(record, now)

    def _end_us(self, record: TaskRecord) -> int:
        """Return when a report about an accepted task must have come: start, validity, observation."""
        return record.deadline_us + record.task.lease_ms * 1000 + record.within_us + GRACE_US

    def session_of(self, actuator: str) -> Session | None:
        """Return the link to the guard of an actuator, connected or not."""
        edge = self.registry.edge_of(actuator)
        return self.sessions.by_edge.get(edge) if edge else None


def _for_edge(stamps: Mapping[str, int], session: Session) -> dict[str, int]:
    """Return the stamps with the sample's in the clock of the node that is to act: its guard asks how old it is."""
    told, offset_us = dict(stamps), session.offset_us()
    sample_ns = told.pop("sample", None)
    if sample_ns is not None and offset_us is not None:
        told["sample"] = max(0, sample_ns + offset_us * 1000)
    return told


OWN_VERBS = (tasks.OPERATE, tasks.SELECT)
_IN_FORCE = frozenset({codes.ACCEPTED, codes.ACTING, codes.DONE})
_LEFT = _IN_FORCE | {codes.DISPATCHED}
_MISSED = frozenset({codes.FAILED, codes.REFUSED, codes.EXPIRED, codes.UNKNOWN})
