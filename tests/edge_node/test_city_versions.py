"""The edge process and cities of other versions: release 0.1.0 is served, a foreign one is told apart."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from protocol import city_link as cl
from tests.waiting import until

from .small_city import SmallCity
from .stack import Stack

pytestmark = pytest.mark.system


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path)
    yield made
    if made.edge is not None and made.edge.poll() is None:
        made.stop_edge()
    made.city.kill()
    made.board.stop()


def problem(stack: Stack) -> str:
    """What the edge says is wrong with its city, "" until its API is there."""
    try:
        return stack.get("health")["uplink"]["problem"]
    except httpx.ConnectError:
        return ""


def test_a_city_of_0_1_0_gets_only_what_it_reads_and_everything(stack: Stack) -> None:
    stack.city.proto = 1
    stack.start_edge()
    until(lambda: stack.stored("river-1") > 40 and stack.city.of(cl.Heartbeat))
    assert stack.city.refused == []
    assert stack.get("health")["uplink"]["proto"] == 1
    port = stack.city.port
    stack.city.kill()
    stack.city = SmallCity((stack.keys["city.public"], stack.keys["city.secret"]))
    stack.city.port = port
    stack.city.start()
    until(lambda: [h for h in stack.city.of(cl.EdgeHello) if h.proto_min == 1 and h.proto == cl.PROTO])
    until(lambda: stack.get("health")["uplink"]["proto"] == 2)


def test_a_city_without_a_common_version_is_a_problem_that_says_what_to_update(stack: Stack) -> None:
    stack.city.proto = 9
    stack.start_edge()
    until(lambda: "update edge-1" in problem(stack))
    health = stack.get("health")
    assert not health["uplink"]["connected"] and health["bad_messages"]["no_common_proto"] >= 1
    assert not stack.city.stored


def test_a_refusal_is_shown_and_forgotten_when_the_city_takes_us(stack: Stack) -> None:
    stack.city.answer = cl.Refusal("no_common_proto", "edge-1 speaks 1, this city 3: update edge-1")
    stack.start_edge()
    until(lambda: "update edge-1" in problem(stack))
    assert stack.get("health")["bad_messages"]["refused_no_common_proto"] >= 1
    stack.city.answer = None
    until(lambda: stack.stored("river-1") > 10)
    assert stack.get("health")["uplink"]["problem"] == ""


def test_a_city_that_begins_anew_and_leaves_its_epoch_out_is_asked_again(stack: Stack) -> None:
    """As a city does that does not know our version yet: who has seen epoch 3 must not take it for an old one."""
    stack.city.epoch = 3
    stack.start_edge()
    until(lambda: stack.stored("river-1") > 10)
    stored, port = stack.stored("river-1"), stack.city.port
    stack.city.kill()
    stack.city.port, stack.city.forgetful = port, True
    stack.city.start()
    until(lambda: stack.stored("river-1") > stored + 20)
    health = stack.get("health")
    assert health["uplink"]["connected"] and health["uplink"]["problem"] == ""
