"""The stop input of a board: safe at once, whatever anybody sends; the host hears of it however short it was."""

from typing import Any

import pytest

from edge_node.reaction.latches import LATCHED
from firmware.core.actuators import REASONS, STOPPED
from firmware.kit import board_file, describe
from firmware.kit.errors import BoardFileError
from protocol import board_link
from protocol import task_codes as codes
from protocol.board_link import Status, TaskResult


@pytest.fixture
def button() -> list[int]:
    """The level of the stop's pin: 1 while somebody stops."""
    return [0]


@pytest.fixture
def gate(board: Any, drive: Any, button: list[int]) -> Any:
    board.actuator(drive)
    board.node.actuators.watch_stop(lambda: button[0], 1)
    board.hello()
    board.run(700)
    return board


def results(messages: list[Any]) -> list[tuple[int, int]]:
    return [(m.state, m.code) for m in messages if isinstance(m, TaskResult)]


def test_a_stop_ends_what_moves_and_refuses_all_until_the_host_knows(gate: Any, drive: Any, button: list[int]) -> None:
    gate.task(0.9)
    gate.run(50)
    button[0] = 1
    assert results(gate.run(50))[-1] == (codes.FAILED, codes.LOCAL_STOP)
    assert drive.commands[-1] == 0.2 and REASONS[gate.node.actuators.actuators[0].reason] == "stopped here"
    gate.task(0.8)
    gate.task(0.2)
    assert results(gate.run(50)) == [(codes.REFUSED, codes.LOCAL_STOP)] * 2
    button[0] = 0
    gate.run(60_000)
    gate.task(0.8)
    assert results(gate.run(50)) == [(codes.REFUSED, codes.LOCAL_STOP)], "latched, as nobody has taken it over"
    gate.lease(0)
    gate.run(50)
    gate.task(0.8)
    assert results(gate.run(600))[-1] == (codes.DONE, codes.OK)


@pytest.mark.parametrize("told_while_pressed", [True, False])
def test_no_word_of_the_host_ends_a_stop_that_is_pressed(
    gate: Any, button: list[int], told_while_pressed: bool
) -> None:
    button[0] = 1
    gate.run(50)
    if told_while_pressed:
        gate.lease(0)
        gate.run(50)
    gate.task(0.8)
    assert (codes.REFUSED, codes.LOCAL_STOP) in results(gate.run(50))
    button[0] = 0
    gate.run(50)
    gate.task(0.8)
    assert ((codes.REFUSED, codes.LOCAL_STOP) in results(gate.run(600))) != told_while_pressed


def test_each_press_has_to_be_taken_over(gate: Any, button: list[int]) -> None:
    gate.lease(0)
    for pressed in (1, 2):
        button[0] = 1
        gate.run(50)
        button[0] = 0
        gate.run(50)
        assert gate.node.actuators.stopped and gate.node.actuators.stops == pressed
        gate.lease(0)
        gate.run(50)
        assert not gate.node.actuators.stopped


def test_no_renewal_holds_against_a_stop(gate: Any, drive: Any, button: list[int]) -> None:
    gate.task(0.9)
    gate.run(600)
    button[0] = 1
    gate.lease(3000)
    gate.run(20)
    assert drive.commands[-1] == 0.2 and not gate.node.actuators.actuators[0].held


def test_a_short_press_is_counted_in_the_status(gate: Any, button: list[int]) -> None:
    button[0] = 1
    gate.run(2)
    button[0] = 0
    (status,) = [m for m in gate.run(60_000) if isinstance(m, Status)][-1:]
    assert (status.counters["stops"], status.counters["stopped"]) == (1, LATCHED)
    gate.lease(0)
    (status,) = [m for m in gate.run(2000) if isinstance(m, Status)][-1:]
    assert (status.counters["stops"], status.counters["stopped"]) == (1, 0)


def test_a_host_of_version_1_reads_tripped(gate: Any, button: list[int]) -> None:
    gate.receive(board_link.encode_hello(2, 1, 1))
    gate.run(50)
    button[0] = 1
    gate.task(0.8)
    gate.run(5)
    gate.task(0.7)
    assert (codes.REFUSED, codes.TRIPPED) in results(gate.run(50)) and len(REASONS) > STOPPED


def test_the_board_file_names_the_pin_once() -> None:
    path = board_file.board_path("sluice_gate")
    board = board_file.load(path, {"stop": {"pin": "GP22", "active": "high", "pull": "up"}})
    assert describe.board_config(board, "gate-1")["stop"] == ["GP22", "up", 1]
    assert "stop" not in describe.board_config(board_file.load(path, {}), "gate-1")
    with pytest.raises(BoardFileError, match="used twice"):
        board_file.load(path, {"stop": {"pin": board.link.tx, "active": "high"}})
