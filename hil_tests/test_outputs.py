"""Does an output follow its orders, and drop when nobody may hold it any more? The fixture reads it, with times."""

from collections.abc import Callable
from typing import Any

import pytest

from firmware.core.actuators import LAPSED
from hil_tests import needs
from protocol import task_numbers as codes

pytestmark = pytest.mark.system
LEASE_MS, LONG_MS, SILENCE_MS, BY_HAND_MS = 1500, 9000, 5000, 10000
DONE = (codes.DONE, codes.OK)
STOPPED = (codes.REFUSED, codes.LOCAL_STOP)
Note = Callable[[str], None]


def relay(board: Any, fixture: Any) -> Any:
    """The actuator at the wire that listens; the board is linked and nobody stops it."""
    board.greet()
    wire = fixture.wire("relay")
    found = [actuator for actuator in board.manifest().actuators if actuator.name == wire.of]
    assert found, f"wire {wire.name}: the board has no actuator {wire.of}; correct `of` in the wiring table"
    board.take_over()
    return found[0]


def held_ms(fixture: Any) -> float:
    """How long the output was on, by the fixture's clock: it rose once and fell once."""
    (on_us, on), (off_us, off) = fixture.edges("relay")
    assert (on, off) == (1, 0)
    return float(off_us - on_us) / 1000


def fell(board: Any, fixture: Any) -> None:
    """Wait until the output is low."""
    board.until(lambda: fixture.level("relay") == 0, "the output is off")


@pytest.mark.needs("relay", "key")
def test_an_output_follows_its_orders_and_drops_when_the_lease_lapses(
    board: Any, fixture: Any, bench: Any, measured: Note
) -> None:
    lamp = relay(board, fixture)
    for setpoint in (1.0, 0.0):
        assert board.result(board.order(lamp.index, setpoint, LEASE_MS)) == DONE
        assert fixture.level("relay") == setpoint
    fixture.watch("relay")
    assert board.result(board.order(lamp.index, 1.0, LEASE_MS)) == DONE
    board.listen(lambda: len(fixture.edges("relay")) == 2, "the output rises and falls")
    held = held_ms(fixture)
    measured(f"on for {held:.0f} ms under a lease of {LEASE_MS} ms")
    assert LEASE_MS - bench.early_ms < held < LEASE_MS + bench.slack_ms
    assert board.status().actuators[lamp.index].reason == LAPSED


@pytest.mark.needs("relay", "stop", "key")
def test_a_stop_drops_an_output_and_holds_until_the_host_has_taken_it_over(
    board: Any, fixture: Any, measured: Note
) -> None:
    lamp = relay(board, fixture)
    fixture.watch("relay")
    assert board.result(board.order(lamp.index, 1.0, LONG_MS)) == DONE
    fixture.let("stop")
    fell(board, fixture)
    held = held_ms(fixture)
    measured(f"on for {held:.0f} ms, then stopped")
    assert held < min(LONG_MS, lamp.lease_ms), "the stop ended it, not the lease"
    assert board.result(board.order(lamp.index, 1.0, LONG_MS)) == STOPPED
    fixture.pull("stop")
    assert board.result(board.order(lamp.index, 1.0, LONG_MS)) == STOPPED, "released, and not taken over"
    board.take_over()
    assert board.result(board.order(lamp.index, 1.0, LEASE_MS)) == DONE


@pytest.mark.needs("relay", "key")
def test_an_output_drops_when_the_host_falls_silent(
    board: Any, fixture: Any, bench: Any, request: pytest.FixtureRequest, measured: Note
) -> None:
    lamp = relay(board, fixture)
    if lamp.lease_ms < LONG_MS:
        needs.give_up(request.node, f"a lease of {LONG_MS} ms, as the silence of a host ends after {SILENCE_MS} ms")
    board.result(board.order(lamp.index, 0.0, LONG_MS))
    fixture.watch("relay")
    assert board.result(board.order(lamp.index, 1.0, LONG_MS)) == DONE
    board.text()
    fell(board, fixture)
    held = held_ms(fixture)
    measured(f"on for {held:.0f} ms, the host silent, under a lease of {LONG_MS} ms")
    assert SILENCE_MS - bench.early_ms < held < SILENCE_MS + bench.slack_ms
    assert f"{lamp.name}: link silent".encode() in board.ask("outputs")


def text_and_free(board: Any, fixture: Any) -> None:
    """Text mode, with nobody who stops."""
    board.text()
    if b"nobody stops" not in board.ask("outputs"):
        relay(board, fixture)
        board.text()


@pytest.mark.needs("relay", "jumper", "key")
def test_only_the_jumper_lets_people_move_an_output_by_hand(
    board: Any, fixture: Any, measured: Note
) -> None:
    text_and_free(board, fixture)
    order = f"outputs test {fixture.wire('relay').of} 1"
    fixture.watch("relay")
    assert b"jumper   not set" in board.ask("outputs")
    assert b"err E-PRESENCE" in board.ask(order)
    assert fixture.edges("relay") == []
    fixture.pull("jumper")
    assert b"jumper   set" in board.ask("outputs")
    board.write(order.encode() + b"\r\n")
    board.until(lambda: fixture.level("relay") == 1, "the output is on")
    fixture.let("jumper")
    fell(board, fixture)
    held = held_ms(fixture)
    measured(f"on for {held:.0f} ms by hand, until the jumper was out")
    assert held < BY_HAND_MS / 2, "the jumper ended it, not the time"
