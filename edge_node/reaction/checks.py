"""Why a task is refused: every check of the guard, in order. Pure."""

from typing import NamedTuple

from protocol import task_codes as codes
from protocol.manifest import ActuatorInfo
from protocol.tasks import Task

from .arbiter import RANKS, Arbiter

HORIZON_MS = 3_600_000
OK = (codes.OK, "")


class Limits(NamedTuple):
    """What the guard knows of the actuator: limits, lease, whether its board takes commands, trips.

    `ready`: codes.OK, LINK_DOWN or STALE_CLOCK; `engaged`: actuators that exclude this one now.
    """

    info: ActuatorInfo
    arbiter: Arbiter
    ready: int
    tripped: str
    engaged: list[str]


class Node(NamedTuple):
    """Who checks: edge id, its boot, the highest restore epoch of the city that it knows."""

    edge: str
    boot: str
    epoch: int


def refusal(task: Task, requester: str, node: Node, limits: Limits | None, now_us: int) -> tuple[int, str]:
    """Return (code, text), (OK, "") if the task may be executed now."""
    for check in (_address, _time, _actuator, _lease):
        found = check(task, requester, node, limits, now_us)
        if found[0] != codes.OK:
            return found
    return OK


def _address(task: Task, requester: str, node: Node, _: Limits | None, __: int) -> tuple[int, str]:
    if requester not in RANKS:
        return codes.UNAUTHORISED, f"{requester!r} may not command actuators"
    if task.edge != node.edge:
        return codes.FOREIGN, f"the task is for {task.edge}, this is {node.edge}"
    if task.epoch < node.epoch:
        return codes.OLD_EPOCH, f"the task is of restore epoch {task.epoch}, the city is in {node.epoch}"
    if task.edge_boot != node.boot:
        return codes.STALE_CLOCK, f"the deadline is in the clock of boot {task.edge_boot}, this is {node.boot}"
    return OK


def _time(task: Task, _: str, __: Node, ___: Limits | None, now_us: int) -> tuple[int, str]:
    if task.lease_ms <= 0:
        return codes.OUT_OF_RANGE, "a setpoint that is valid for 0 ms is none: let the lease lapse instead"
    late_ms = (now_us - task.not_after_us) // 1000
    if -late_ms > HORIZON_MS:
        return codes.STALE_CLOCK, f"its deadline is {-late_ms // 1000} s ahead, at most {HORIZON_MS // 1000} s are sane"
    return (codes.CODE_EXPIRED, f"{late_ms} ms after its deadline") if late_ms >= 0 else OK


def _actuator(task: Task, _: str, __: Node, limits: Limits | None, ___: int) -> tuple[int, str]:
    if limits is None:
        return codes.NO_ACTUATOR, f"no board here has {task.actuator}"
    low, high = limits.info.lower, limits.info.upper
    if not low <= task.setpoint <= high:
        return codes.OUT_OF_RANGE, f"{task.setpoint:g} is outside {low:g} to {high:g}"
    if limits.ready != codes.OK:
        down = limits.ready == codes.LINK_DOWN
        return limits.ready, "the board's link is down" if down else "the board's clock is not synchronised"
    if limits.tripped:
        return codes.TRIPPED, limits.tripped
    if limits.engaged and task.setpoint != limits.info.safe:
        return codes.INTERLOCKED, f"{', '.join(limits.engaged)} is engaged"
    return OK


def _lease(task: Task, requester: str, _: Node, limits: Limits | None, now_us: int) -> tuple[int, str]:
    if limits is None or limits.arbiter.allows(requester, task.fence, now_us):
        return OK
    holder = limits.arbiter.holder(now_us) or "nobody"
    return codes.LEASE_HELD, f"{holder} holds fence {limits.arbiter.fence}, the task shows {task.fence}"
