"""Why a task is refused: every check of the guard, in order. Pure."""

from typing import NamedTuple

from protocol import task_codes as codes
from protocol.tasks import OPERATE, SELECT

from .arbiter import RANKS
from .guard_state import Actuator
from .task_entry import TaskEntry

HORIZON_MS = 3_600_000
AHEAD_US = 1_000_000
"""How far ahead of now a sample may lie, since clocks are estimated."""
OK = (codes.OK, "")


class Limits(NamedTuple):
    """What the guard knows of the actuator now, whether its board takes commands, and what excludes it.

    `ready`: codes.OK, LINK_DOWN or STALE_CLOCK; `engaged`: actuators that exclude this one now; `lost_rules`: rules
    for this board that name no actuator of it.
    """

    actuator: Actuator
    ready: int
    engaged: list[str]
    lost_rules: list[str]


class Node(NamedTuple):
    """Who checks: edge id, its boot, the highest restore epoch of the city that it knows, why it is stopped."""

    edge: str
    boot: str
    epoch: int
    stopped: str


def refusal(entry: TaskEntry, node: Node, limits: Limits | None, now_us: int) -> tuple[int, str]:
    """Return (code, text), (OK, "") if the task may be executed now."""
    found = addressed(entry, node, now_us)
    if found[0] == codes.OK and node.stopped:
        found = codes.LOCAL_STOP, f"{node.edge} is stopped: {node.stopped}"
    if found[0] == codes.OK and limits is None:
        found = codes.NO_ACTUATOR, f"no board here has {entry.task.actuator}"
    if found[0] != codes.OK or limits is None:
        return found
    for check in _CHECKS:
        found = check(entry, limits, now_us)
        if found[0] != codes.OK:
            return found
    return OK


def addressed(entry: TaskEntry, node: Node, now_us: int) -> tuple[int, str]:
    """Return why this node does not even look at what an order says of an actuator, (OK, "") if it does."""
    for found in (_requester(entry), _address(entry, node)):
        if found[0] != codes.OK:
            return found
    return _time(entry, now_us)


def _requester(entry: TaskEntry) -> tuple[int, str]:
    task = entry.task
    if entry.requester not in RANKS:
        return codes.UNAUTHORISED, f"{entry.requester!r} may not command actuators"
    if entry.requester == "operator" and not task.person:
        return codes.UNAUTHORISED, "an operator's order names no person"
    if entry.requester == "edge" and _speaks_for_people(entry):
        return codes.UNAUTHORISED, "a node's own key moves actuators for its processes, and says nothing for people"
    return OK


def _address(entry: TaskEntry, node: Node) -> tuple[int, str]:
    task = entry.task
    if task.edge != node.edge:
        return codes.FOREIGN, f"the task is for {task.edge}, this is {node.edge}"
    if task.epoch < node.epoch:
        return codes.OLD_EPOCH, f"the task is of restore epoch {task.epoch}, the city is in {node.epoch}"
    if task.edge_boot != node.boot:
        return codes.STALE_CLOCK, f"the deadline is in the clock of boot {task.edge_boot}, this is {node.boot}"
    return OK


def _speaks_for_people(entry: TaskEntry) -> bool:
    task = entry.task
    return task.rank != "city" or bool(task.person or task.approved) or task.verb not in (OPERATE, SELECT)


def _time(entry: TaskEntry, now_us: int) -> tuple[int, str]:
    task = entry.task
    if task.lease_ms <= 0:
        return codes.OUT_OF_RANGE, "a setpoint that is valid for 0 ms is none: let the lease lapse instead"
    late_ms = (now_us - task.not_after_us) // 1000
    if -late_ms > HORIZON_MS:
        return codes.STALE_CLOCK, f"its deadline is {-late_ms // 1000} s ahead, at most {HORIZON_MS // 1000} s are sane"
    return (codes.CODE_EXPIRED, f"{late_ms} ms after its deadline") if late_ms >= 0 else OK


def _actuator(entry: TaskEntry, limits: Limits, _: int) -> tuple[int, str]:
    task, info = entry.task, limits.actuator.info
    if not info.lower <= task.setpoint <= info.upper:
        return codes.OUT_OF_RANGE, f"{task.setpoint:g} is outside {info.lower:g} to {info.upper:g}"
    if limits.ready != codes.OK:
        down = limits.ready == codes.LINK_DOWN
        return limits.ready, "the board's link is down" if down else "the board's clock is not synchronised"
    if limits.actuator.tripped:
        return codes.TRIPPED, limits.actuator.tripped
    if limits.lost_rules and task.setpoint != info.safe:
        names = ", ".join(limits.lost_rules)
        return codes.UNAUTHORISED, f"edge.toml has a rule for {names}, which its board has not: correct the name"
    if limits.engaged and task.setpoint != info.safe:
        return codes.INTERLOCKED, f"{', '.join(limits.engaged)} is engaged"
    return OK


def _people(entry: TaskEntry, limits: Limits, _: int) -> tuple[int, str]:
    """Enough people stand behind a person's order, and behind a process's where it may not act alone."""
    task, rule = entry.task, limits.actuator.rule
    if entry.requester != "operator" and rule.automation:
        return OK
    behind = {name for name in (task.person, *task.approved) if name}
    if len(behind) >= rule.approvals:
        return OK
    names = ", ".join(sorted(behind)) or "nobody"
    return codes.APPROVAL_ABSENT, f"risk {rule.risk} needs {rule.approvals} people, behind it: {names}"


def _evidence(entry: TaskEntry, limits: Limits, now_us: int) -> tuple[int, str]:
    """Nobody acts on what is long past: neither on old samples, nor on an actuator that is not seen."""
    task, actuator = entry.task, limits.actuator
    limit_us = round(actuator.rule.evidence_s * 1e6)
    if not limit_us or task.setpoint == actuator.info.safe:
        return OK
    if entry.requester != "operator":
        sample_us = task.stamps.get("sample", 0) // 1000
        if not sample_us or now_us - sample_us > limit_us:
            old = f"{(now_us - sample_us) / 1e6:.0f} s old" if sample_us else "of unknown age"
            return codes.STALE_EVIDENCE, f"its cause is {old}, at most {limit_us / 1e6:g} s are allowed"
        if sample_us - now_us > AHEAD_US:
            ahead = f"{(sample_us - now_us) / 1e6:.0f} s ahead"
            return codes.STALE_EVIDENCE, f"its cause is {ahead}, so it was timed by another clock than this one"
    if actuator.feedback and (actuator.seen_us is None or now_us - actuator.seen_us > limit_us):
        return codes.STALE_EVIDENCE, f"{actuator.feedback} has shown nothing good for over {limit_us / 1e6:g} s"
    return OK


def _lease(entry: TaskEntry, limits: Limits, now_us: int) -> tuple[int, str]:
    arbiter = limits.actuator.arbiter
    if arbiter.allows(entry.requester, entry.task.fence, now_us):
        return OK
    holder = arbiter.holder(now_us) or "nobody"
    return codes.LEASE_HELD, f"{holder} holds fence {arbiter.fence}, the task shows {entry.task.fence}"


def _selected(entry: TaskEntry, limits: Limits, _: int) -> tuple[int, str]:
    if entry.selected or not limits.actuator.rule.hazardous:
        return OK
    kept = limits.actuator.selection
    told = f"selected is {kept}" if kept else "nothing is selected"
    return codes.NOT_SELECTED, f"select it first, with the same setpoint and by the same person: {told}"


def _rate(entry: TaskEntry, limits: Limits, now_us: int) -> tuple[int, str]:
    actuator, most = limits.actuator, limits.actuator.rule.max_per_min
    if not most or entry.task.setpoint == actuator.info.safe or actuator.sent_lately(now_us) < most:
        return OK
    return codes.RATE_LIMITED, f"{most} commands in the last minute are the limit"


_CHECKS = (_actuator, _people, _evidence, _lease, _selected, _rate)
