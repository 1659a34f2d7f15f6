"""When a proposal becomes a new task."""

import pytest

from processes.contract import Proposal
from processes.dispatch import Active, activated, worth_sending

ACTIVE = Active(0.5, 10_000, 60_000)


@pytest.mark.parametrize(
    ("setpoint", "now_ms", "active", "expected"),
    [
        (0.5, 10_000, None, True),
        (0.5, 10_001, ACTIVE, False),
        (0.515, 10_001, ACTIVE, False),
        (0.53, 10_001, ACTIVE, True),
        (0.47, 10_001, ACTIVE, True),
        (0.5, 40_000, ACTIVE, False),
        (0.5, 40_001, ACTIVE, True),
    ],
)
def test_worth_sending(setpoint: float, now_ms: int, active: Active | None, expected: bool) -> None:
    assert worth_sending(Proposal("gate", setpoint, 60_000, ""), active, now_ms) is expected


def test_what_was_sent_is_active() -> None:
    assert activated(Proposal("gate", 0.5, 60_000, ""), 10_000) == ACTIVE
