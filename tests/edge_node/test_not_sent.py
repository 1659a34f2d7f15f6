"""What an edge node says of a proposal that has become no task."""

from types import SimpleNamespace
from typing import Any

import pytest

from edge_node.pages.processes import IN_FORCE, _became
from protocol import task_codes

DECISION: Any = SimpleNamespace(task_ids={"gate": b"1"}, actuators={"gate": "gate-1/opening"})


def core(holder: str | None, entries: Any = ()) -> Any:
    """A node whose gate has this holder; None: it has no gate."""
    gate = SimpleNamespace(arbiter=SimpleNamespace(holder=lambda now_us: holder))
    guard = SimpleNamespace(entries=dict(entries),
                            actuators={} if holder is None else {"gate-1/opening": gate})  # fmt: skip
    return SimpleNamespace(guard=guard, now=lambda: 0)


@pytest.mark.parametrize(
    ("holder", "text"),
    [
        (None, "not sent: no board of this node has gate-1/opening"),
        ("city", "not sent: the lease of gate-1/opening is held by city"),
        ("operator", "not sent: the lease of gate-1/opening is held by operator"),
        ("", "not sent: this node does not hold the lease of gate-1/opening"),
        ("edge", IN_FORCE),
    ],
)
def test_why_a_proposal_was_not_sent(holder: str | None, text: str) -> None:
    assert _became(core(holder), DECISION, "gate") == text


def test_which_task_a_proposal_became() -> None:
    entry = SimpleNamespace(task=SimpleNamespace(task_id=b"\x0a"), state=task_codes.DONE)
    assert _became(core("edge", {b"1": entry}), DECISION, "gate") == "task 0a: done"
