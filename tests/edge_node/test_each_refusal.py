"""Every refusal of the real guard: its code, its line in the real audit log of the node, and nothing that moves."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cityreflex import exits
from cityreflex.task_desk import judged
from edge_node.reaction.effects import DoTask, Effect
from edge_node.reaction.guard import Guard
from protocol import task_codes as codes
from protocol import tasks
from protocol.city_link import TaskReport
from service import audit
from service.risk import LOW, Rule

from .scripted_board import river_manifest
from .test_guard import GATE, NOW, PRIVATE, PUBLIC, dispatch, leased, task_for

STRANGER, _ = tasks.new_keys()
HIGH = Rule("high", approvals=2)


class Node:
    """A guard with its audit log; `send` is what the city says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, audit.AuditLog(folder)
        self.guard = Guard("edge-1", "0badcafe-3", PUBLIC, first_fence=100, interlocks=[[GATE, "river-2/opening"]])
        for thing in ("river-1", "river-2"):
            self.guard.announce(river_manifest(thing))
            self.guard.board(thing, codes.OK)
        self.rule(LOW)
        self.fence = leased(self.guard, "operator")

    def rule(self, rule: Rule) -> None:
        self.guard.actuators[GATE].rule = rule

    def send(self, task: tasks.Task, key: bytes = PRIVATE, now_us: int = NOW) -> list[Effect]:
        payload = tasks.encode(task)
        return self.guard.order(tasks.sign(key, payload), payload, now_us)

    def good(self, step: int = 1, **changes: Any) -> tasks.Task:
        """Return an order of anna that nothing is wrong with."""
        whole = {"rank": "operator", "person": "anna", "fence": self.fence, **changes}
        return replace(task_for(self.guard, self.fence, step), **whole)

    def audited(self) -> list[dict[str, Any]]:
        """Return the rows of the audit log, all written."""
        self.log.note(self.guard.refused.take_lines(NOW, last=True))
        self.log.close()
        return list(audit.read(self.folder))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    yield Node(tmp_path)


def expired(node: Node) -> list[Effect]:
    return node.send(node.good(not_after_us=NOW))


def replayed(node: Node) -> list[Effect]:
    dispatch(node.guard, node.good())
    node.send(node.good())
    return node.send(node.good(setpoint=0.5))


def foreign(node: Node) -> list[Effect]:
    return node.send(node.good(edge="edge-2"))


def unsigned(node: Node) -> list[Effect]:
    return node.send(node.good(), STRANGER)


def unauthorised(node: Node) -> list[Effect]:
    return node.send(node.good(rank="safety"))


def interlocked(node: Node) -> list[Effect]:
    node.guard.board_says("river-2/opening", 1.0, 1.0)
    return node.send(node.good())


def tripped(node: Node) -> list[Effect]:
    node.guard.trip(GATE, "a boat in the gate", NOW)
    node.fence = node.guard.actuators[GATE].arbiter.fence
    return node.send(node.good())


def out_of_range(node: Node) -> list[Effect]:
    return node.send(node.good(setpoint=1.01))


def lease_held(node: Node) -> list[Effect]:
    return node.send(node.good(fence=7))


def stale_clock(node: Node) -> list[Effect]:
    return node.send(node.good(edge_boot="0badcafe-2"))


def no_actuator(node: Node) -> list[Effect]:
    return node.send(node.good(actuator="river-1/door"))


def link_down(node: Node) -> list[Effect]:
    node.guard.board("river-1", codes.LINK_DOWN)
    return node.send(node.good())


def old_epoch(node: Node) -> list[Effect]:
    node.guard.epoch = 2
    return node.send(node.good(epoch=1))


def stale_evidence(node: Node) -> list[Effect]:
    node.rule(Rule(evidence_s=10.0))
    return node.send(node.good())


def approval_absent(node: Node) -> list[Effect]:
    node.rule(HIGH)
    return node.send(node.good(approved=["anna"]))


def rate_limited(node: Node) -> list[Effect]:
    node.rule(Rule(max_per_min=1))
    dispatch(node.guard, node.good())
    return node.send(node.good(2))


def not_selected(node: Node) -> list[Effect]:
    node.rule(Rule(hazardous=True))
    node.send(node.good(verb=tasks.SELECT))
    return node.send(node.good(setpoint=0.7))


def local_stop(node: Node) -> list[Effect]:
    node.guard.stop("work in the shaft", "local:pi", NOW)
    node.fence = node.guard.actuators[GATE].arbiter.fence
    return node.send(node.good())


CASES: list[Callable[[Node], list[Effect]]] = [
    expired, replayed, foreign, unsigned, unauthorised, interlocked, tripped, out_of_range, lease_held, stale_clock,
    no_actuator, link_down, old_epoch, stale_evidence, approval_absent, rate_limited, not_selected, local_stop,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.__name__ for case in CASES])
def test_a_refusal_has_its_code_its_audit_line_and_exit_7(node: Node, case: Callable[[Node], list[Effect]]) -> None:
    effects, word = case(node), case.__name__
    assert not [effect for effect in effects if isinstance(effect, DoTask)]
    assert sum(entry.sends for entry in node.guard.entries.values()) == (word in MOVED_BEFORE)
    for report in (effect for effect in effects if isinstance(effect, TaskReport)):
        assert codes.CODES[report.code] == word and report.text
        row = {"id": report.task_id.hex(), "actuator": GATE, "text": report.text}
        with pytest.raises(exits.CityError) as ended:
            judged({**row, "state": codes.STATES[report.state], "code": codes.CODES[report.code]})
        assert ended.value.code == exits.REFUSED and word in str(ended.value) and ended.value.hint
    lines = [row for row in node.audited() if row["event"] == "refused"]
    assert [line["reason"] for line in lines] == [word], json.dumps(lines)
    assert lines[0]["who"] and (GATE.split("/", maxsplit=1)[0] in lines[0]["text"])
    assert word in SILENT or any(isinstance(effect, TaskReport) for effect in effects)


MOVED_BEFORE = ("replayed", "rate_limited")
SILENT = ("replayed",)  # the id is that of a task whose state would be told


def test_no_code_of_a_refusal_is_left_out() -> None:
    """Of what is no refusal: ok, the results of a move that began, and what a person took back."""
    others = {"ok", "no_feedback", "timeout", "not_observed", "cancelled"}
    assert {case.__name__ for case in CASES} == set(codes.CODES.values()) - others
