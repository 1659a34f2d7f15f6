"""What a rule of an actuator says right after the node has started."""

import pytest

from edge_node.reaction.guard import Guard
from edge_node.reaction.task_entry import TaskEntry
from protocol import task_codes as codes
from service.risk import Rule

from .scripted_board import river_manifest
from .test_guard import GATE, NOW, PUBLIC, dispatch, leased, order, task_for
from .test_guard_people import S, guard_of, said, seen


def test_a_node_that_has_just_started_has_no_evidence_yet() -> None:
    """Its boottime is younger than what the rule allows: that makes nothing recent that was never seen."""
    guard, young = guard_of(Rule(evidence_s=10.0)), 5 * S
    fence = leased(guard, "city", young)
    soon = {"not_after_us": young + S}
    effects = order(guard, task_for(guard, fence, 1, stamps={"sample": young * 1000}, **soon), young)
    assert said(effects) == ("refused", "stale_evidence"), "its feedback was not seen since the start"
    seen(guard, young)
    effects = order(guard, task_for(guard, fence, 2, stamps={}, **soon), young)
    assert said(effects) == ("refused", "stale_evidence"), "nobody knows how old its cause is"
    dispatch(guard, task_for(guard, fence, 3, stamps={"sample": young * 1000}, **soon), young)


@pytest.mark.parametrize("stamp", ["edge_tx", "edge_rx"])
def test_a_restart_does_not_begin_the_minute_anew(stamp: str) -> None:
    """What left, or may have left as its intent was on disk, counts in the next run; what was refused does not."""
    first, stamps = guard_of(), {"edge_rx": (NOW - 3 * S) * 1000, "edge_tx": (NOW - 2 * S) * 1000}
    left = TaskEntry(b"", task_for(first, 1, not_after_us=NOW + S), "city", codes.UNKNOWN)
    left.stamps = {stamp: stamps[stamp]}
    refused = TaskEntry(b"", task_for(first, 1, 2), "city", codes.REFUSED, stamps={"edge_rx": stamps["edge_rx"]})
    later = TaskEntry(b"", task_for(first, 1, 3), "city", codes.UNKNOWN, stamps={"edge_rx": (NOW + S) * 1000})
    made = Guard("edge-1", "0badcafe-4", PUBLIC, first_fence=200, rules={GATE: Rule(max_per_min=2)}, started_us=NOW)
    made.restore([left, refused, later])
    made.announce(river_manifest())
    made.board("river-1", codes.OK)
    fence = leased(made)
    dispatch(made, task_for(made, fence, 4))
    assert said(order(made, task_for(made, fence, 5))) == ("refused", "rate_limited")
