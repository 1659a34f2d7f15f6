"""The edge node as a process, with a scripted board on a PTY and a small city: nothing is lost, whatever dies."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol import city_link as cl
from protocol import task_codes as codes
from protocol import tasks
from service import audit
from tests.waiting import until

from .scripted_board import records_of
from .stack import Stack

pytestmark = pytest.mark.system
TAKE_OVER_MS = 10_000
"""After so long a silence of the city the local process acts: long enough that a busy machine is not taken for it."""


@pytest.fixture
def stack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    process = getattr(request, "param", False)
    made = Stack(tmp_path, process=process, city_lease_ms=TAKE_OVER_MS if process else 60_000)
    made.start_edge()
    yield made
    made.close()


def test_samples_reach_the_city_unchanged_and_are_accounted_for(stack: Stack) -> None:
    until(lambda: stack.stored("river-1") > 100 and stack.stored("edge-1") > 50)
    until(stack.everything_arrived)
    assert stack.city.conflicts == 0
    assert stack.city.infos["river-1", stack.board.boot_text].vm == "scripted 1"
    health = stack.get("health")
    assert health["boards"][0]["link"] == "up" and health["boards"][0]["clock"]["synced"]
    assert stack.get("ledger")["totals"]["unexplained"] == 0
    assert json.dumps(health)
    assert stack.stop_edge() == 0
    assert b"Traceback" not in (stack.folder / "edge.log").read_bytes()


def test_kill_9_of_the_edge_loses_nothing(stack: Stack) -> None:
    for _ in range(3):
        already = stack.stored("river-1")
        until(lambda already=already: stack.stored("river-1") > already + 30)
        stack.stop_edge(signal.SIGKILL)
        stack.start_edge()
    already = stack.stored("river-1")
    until(lambda: stack.stored("river-1") > already + 50 and stack.everything_arrived())
    boots = {hello.boot for hello in stack.city.of(cl.EdgeHello)}
    assert len(boots) == 4, "each start has its own boot id"
    assert stack.city.conflicts == 0


def test_a_city_that_was_away_gets_the_backlog(stack: Stack) -> None:
    until(lambda: stack.stored("river-1") > 20)
    stack.city.kill()
    stored, head = stack.stored("river-1"), stack.board.head
    until(lambda: stack.board.head > head + 100)
    assert stack.stored("river-1") == stored
    stack.city.start()
    until(lambda: stack.stored("river-1") > stored + 100 and stack.everything_arrived())


def order(stack: Stack, setpoint: float, fence: int, copies: int = 1, **changes) -> tasks.Task:
    """Send an order, so many times; it may be late: only tests about deadlines give it a short one."""
    beat = stack.city.of(cl.Heartbeat)[-1]
    task = tasks.Task(
        task_id=tasks.task_id("test", time.monotonic_ns(), "gate"), actuator="river-1/opening",
        setpoint=setpoint, lease_ms=60_000, instance="test", step_utc_us=0, edge="edge-1",
        edge_boot=beat.boot, not_after_us=beat.boottime_us + 60_000_000, fence=fence,
    )  # fmt: skip
    for name, value in changes.items():
        setattr(task, name, value)
    payload = tasks.encode(task)
    signed = cl.TaskOrder(tasks.sign(stack.keys["sign.private"], payload), payload)
    stack.city.outbox.extend([signed] * copies)
    return task


def taken(stack: Stack, setpoint: float, fence: int, copies: int) -> tasks.Task:
    """Order until the guard takes it: at a start it refuses while it does not trust the board's clock enough."""

    def accepted() -> tasks.Task | None:
        task = order(stack, setpoint, fence, copies=copies)
        until(lambda: last_state(stack, task) is not None, look=stack.story)
        reports = [report for report in stack.city.of(cl.TaskReport) if report.task_id == task.task_id]
        return None if reports[-1].code == codes.STALE_CLOCK else task

    return until(accepted, "the guard takes an order", look=stack.story)


def last_state(stack: Stack, task: tasks.Task) -> int | None:
    reports = [r for r in stack.city.of(cl.TaskReport) if r.task_id == task.task_id]
    return reports[-1].state if reports else None


def becomes(stack: Stack, task: tasks.Task, state: int) -> None:
    """Wait until the city hears that a task is in a state; any other end of it fails at once, and says why."""

    def ended() -> list[cl.TaskReport]:
        reports = [r for r in stack.city.of(cl.TaskReport) if r.task_id == task.task_id]
        return [r for r in reports if r.state == state or codes.is_final(r.state)]

    report = until(ended, f"the task is {codes.STATES[state]}", look=stack.story)[0]
    assert report.state == state, f"{codes.STATES[report.state]}, {codes.CODES[report.code]}: {report.text}"


def test_an_order_moves_the_gate_once_and_is_observed(stack: Stack) -> None:
    until(lambda: stack.stored("river-1") > 20)
    stack.city.outbox.append(cl.LeaseRequest("river-1/opening", "city"))
    until(lambda: any(lease.holder == "city" for lease in stack.city.of(cl.LeaseState)))
    fence = max(lease.fence for lease in stack.city.of(cl.LeaseState))
    task = taken(stack, 0.7, fence, copies=2)
    becomes(stack, task, codes.OBSERVED)
    assert stack.board.tasks == [task.task_id]
    until(lambda: stack.board.renewals >= 2)
    late = order(stack, 0.5, fence, not_after_us=1)
    becomes(stack, late, codes.EXPIRED)
    assert stack.board.tasks == [task.task_id]


@pytest.mark.parametrize("stack", [True], indirect=True)
def test_without_the_city_the_local_process_moves_the_gate(stack: Stack) -> None:
    until(lambda: stack.stored("river-1") > 20)
    assert not stack.board.tasks
    stack.city.kill()
    until(lambda: stack.board.tasks)
    assert stack.board.position == pytest.approx(0.4)
    stack.board.frozen_level = 1.5
    until(lambda: stack.board.position == pytest.approx(0.9))
    stack.city.start()
    until(lambda: any(r.state == codes.OBSERVED and r.task for r in stack.city.of(cl.TaskReport)))
    until(stack.everything_arrived)
    named = {hello.reflex for hello in stack.city.of(cl.EdgeHello) if hello.reflex}
    reflexes = lambda: [report for report in stack.city.of(cl.TaskReport) if report.task]  # noqa: E731
    logged = lambda: [row for row in audit.read(stack.folder / "edge") if row["event"] == "reflex"]  # noqa: E731
    until(lambda: [row["setpoint"] for row in logged()][:2] == ["0.4", "0.9"])
    until(lambda: {row["signature"] for row in logged()} <= {report.signature.hex() for report in reflexes()})
    assert len(named) == 1 and all(tasks.verify_reflex(*named, r.task, r.signature) for r in reflexes())


def test_what_a_board_kept_in_flash_over_a_restart_gets_its_old_identity(stack: Stack) -> None:
    until(lambda: stack.stored("river-1") > 20)
    board = stack.board
    before, boot, first, at_us = board.boot_text, board.boot, board.head + 2, board._t_us()
    kept = [records_of([(0, 1, at_us + 50_000 * i, 1.0 + i)]) for i in range(10)]
    board.earlier = [(boot, first + 5 * i, b"".join(kept[5 * i : 5 * i + 5])) for i in range(2)]
    board.restart()
    until(lambda: not board.earlier)
    until(lambda: stack.city.stored["river-1", before].covers(first, first + 10))
    assert [stack.city.values["river-1", before, first + i] for i in range(10)] == kept
    until(lambda: ("river-1", board.boot_text) in stack.city.stored)
    assert stack.city.conflicts == 0


def test_a_board_that_restarts_begins_a_new_stream(stack: Stack) -> None:
    until(lambda: stack.stored("river-1") > 20)
    stack.board.restart()
    until(lambda: ("river-1", stack.board.boot_text) in stack.city.stored)
    until(lambda: len([a for a in stack.city.of(cl.Heartbeat)[-1].accounts if a["thing"] == "river-1"]) == 2)
