"""Tasks that a real edge node must refuse: each is counted, audited, and shown by `city status`; nothing moves."""

from collections.abc import Iterator
from typing import Any

import pytest

from protocol import city_link as cl
from protocol import task_codes as codes
from protocol import tasks
from service import audit
from tests.waiting import until

from .key_town import run_city
from .stack import Stack
from .test_edge_process import becomes, last_state, order

pytestmark = pytest.mark.system
GATE = "river-1/opening"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A board, an edge node as a process, a small city that holds the lease of the gate."""
    made = Stack(tmp_path_factory.mktemp("s"))
    made.start_edge()
    try:
        until(lambda: made.stored("river-1") > 20)
        ask(made)
        yield made
    finally:
        made.close()


def ask(stack: Stack) -> None:
    """Have the lease of the gate, which lapses by itself."""
    told_before = len(stack.city.of(cl.LeaseState))
    stack.city.outbox.append(cl.LeaseRequest(GATE, "city"))
    until(lambda: any(lease.holder == "city" for lease in stack.city.of(cl.LeaseState)[told_before:]))


def fence(stack: Stack) -> int:
    return max(lease.fence for lease in stack.city.of(cl.LeaseState))


def told(stack: Stack, reason: str, count: int) -> None:
    """A refusal is counted, in the audit log, and on both faces of `city status`."""
    until(lambda: stack.get("health")["refused"].get(reason, 0) >= count)
    row = next(row for row in stack.get("health")["refusals"] if row["reason"] == reason)
    assert (row["who"], row["count"] >= count) == ("city", True) and row["text"]
    lines = lambda: [line for line in audit.read(stack.folder / "edge") if line.get("reason") == reason]  # noqa: E731
    until(lines)
    assert (lines()[0]["event"], lines()[0]["who"]) == ("refused", "city")
    text, shown = run_city(stack.folder, "status", "--dir", ".", codes=(0, 1)), f"refused {reason} at edge-1: "
    assert shown in text, text
    assert f'"reason": "{reason}"' in run_city(stack.folder, "status", "--dir", ".", "--json", codes=(0, 1))


def refused(stack: Stack, reason: str, state: int, **changes: Any) -> None:
    before = list(stack.board.tasks)
    count = stack.get("health")["refused"].get(reason, 0)
    task = order(stack, 0.6, fence(stack), **changes)
    becomes(stack, task, state)
    told(stack, reason, count + 1)
    assert stack.board.tasks == before, "nothing reached the board"


def test_an_expired_task(stack: Stack) -> None:
    refused(stack, "expired", codes.EXPIRED, not_after_us=1)


def test_a_task_for_another_node(stack: Stack) -> None:
    refused(stack, "foreign", codes.REFUSED, edge="edge-2")


def test_a_task_for_another_board(stack: Stack) -> None:
    refused(stack, "no_actuator", codes.REFUSED, actuator="river-9/opening")


def test_a_task_in_the_clock_of_another_boot(stack: Stack) -> None:
    refused(stack, "stale_clock", codes.REFUSED, edge_boot="0badcafe-1")


def test_a_task_that_somebody_else_signed(stack: Stack) -> None:
    genuine, stack.keys["sign.private"] = stack.keys["sign.private"], tasks.new_keys()[0]
    try:
        refused(stack, "unsigned", codes.REFUSED)
    finally:
        stack.keys["sign.private"] = genuine


def test_a_replayed_task_is_executed_once(stack: Stack) -> None:
    ask(stack)
    task = order(stack, 0.7, fence(stack))
    again = stack.city.outbox[-1]
    becomes(stack, task, codes.OBSERVED)
    for _ in range(2):
        stack.city.outbox.append(again)
    changed = tasks.decode(again.task)
    changed.setpoint = 0.1
    payload = tasks.encode(changed)
    stack.city.outbox.append(cl.TaskOrder(tasks.sign(stack.keys["sign.private"], payload), payload))
    told(stack, "replayed", 3)
    assert stack.board.tasks.count(task.task_id) == 1 and stack.board.position == pytest.approx(0.7)


def test_a_replayed_task_after_a_restart_of_the_node(stack: Stack) -> None:
    ask(stack)
    task = order(stack, 0.5, fence(stack))
    again = stack.city.outbox[-1]
    becomes(stack, task, codes.OBSERVED)
    tried = stack.board.tasks.count(task.task_id)
    stack.stop_edge(9)
    stack.start_edge()
    boot = stack.city.of(cl.Heartbeat)[-1].boot
    until(lambda: stack.city.of(cl.Heartbeat)[-1].boot != boot)
    stack.city.outbox.append(again)
    told(stack, "replayed", 1)
    assert stack.board.tasks.count(task.task_id) == tried == 1


def test_a_message_that_is_none(stack: Stack) -> None:
    stack.city.outbox.append([b"\xc1", b""])  # type: ignore[arg-type]
    told(stack, "malformed", 1)


def test_the_second_signing_key_takes_over_with_its_first_task(stack: Stack) -> None:
    private, public = tasks.new_keys()
    run_city(stack.folder, "keys", "trust", "--config", "edge.toml", "--verify", public.hex())
    assert stack.get("keys")["verify_keys"] == 2
    refused_before = stack.get("health")["refused"].get("unsigned", 0)
    old, stack.keys["sign.private"] = stack.keys["sign.private"], private
    task = order(stack, 0.4, fence(stack))
    until(lambda: last_state(stack, task) is not None)
    assert stack.get("health")["refused"].get("unsigned", 0) == refused_before
    until(lambda: (stack.folder / "keys" / "sign.public").read_text() == public.hex())
    assert stack.get("keys")["verify_keys"] == 1
    stack.keys["sign.private"] = old
    late = order(stack, 0.3, fence(stack))
    becomes(stack, late, codes.REFUSED)
    told(stack, "unsigned", 1)
