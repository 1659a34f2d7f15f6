"""Whether a proposal is worth a new task. Pure; the edge node and the city share it."""

from typing import NamedTuple

from processes.contract import Proposal

DEADBAND = 0.02


class Active(NamedTuple):
    """The last task sent to an actuator: its setpoint, when (real ms of the sender), valid for how long."""

    setpoint: float
    sent_ms: int
    valid_ms: int


def worth_sending(
    proposal: Proposal, active: Active | None, now_ms: int, *, deadband: float = DEADBAND
) -> bool:
    """Return True if nothing is active, the setpoint moved beyond `deadband`, or half its time is over."""
    if active is None or abs(proposal.setpoint - active.setpoint) > deadband:
        return True
    return 2 * (now_ms - active.sent_ms) > active.valid_ms


def activated(proposal: Proposal, now_ms: int) -> Active:
    """Return what to remember after sending a proposal."""
    return Active(proposal.setpoint, now_ms, proposal.valid_ms)
