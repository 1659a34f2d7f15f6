"""Tasks, leases and safe states on the board."""

from typing import Any

import pytest

from firmware.core.tasks import REMEMBERED
from protocol import task_codes as codes
from protocol.board_link import Status, TaskResult


@pytest.fixture
def gate(board: Any, drive: Any) -> Any:
    """A linked board with one actuator that has reached its safe state."""
    board.actuator(drive)
    board.hello()
    board.run(700)
    assert drive.commands == [0.2] and drive.position == 0.2
    return board


def results(messages: list[Any]) -> list[tuple[int, int]]:
    """(state, code) of each task result."""
    return [(m.state, m.code) for m in messages if isinstance(m, TaskResult)]


def test_a_task_is_accepted_acted_and_done(gate: Any, drive: Any) -> None:
    gate.task(0.7)
    messages = gate.run(600)
    assert results(messages) == [(codes.ACCEPTED, 0), (codes.ACTING, 0), (codes.DONE, 0)]
    assert drive.position == 0.7
    stamps = [m.t_us for m in messages if isinstance(m, TaskResult)]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize(
    ("changes", "state", "code"),
    [
        ({"key": b"x" * 32}, codes.REFUSED, codes.UNSIGNED),
        ({"nonce": b"12345678"}, codes.REFUSED, codes.FOREIGN),
        ({"actuator": 3}, codes.REFUSED, codes.NO_ACTUATOR),
        ({"setpoint": 1.2}, codes.REFUSED, codes.OUT_OF_RANGE),
        ({"not_after_us": 5}, codes.EXPIRED, codes.CODE_EXPIRED),
        ({"counter": 0}, codes.REFUSED, codes.REPLAYED),
    ],
)
def test_wrong_tasks_move_nothing(gate: Any, drive: Any, changes: dict[str, Any], state: int, code: int) -> None:
    if "counter" in changes:
        gate.task(0.2)
        gate.run(600)
    before = list(drive.commands)
    gate.task(**({"setpoint": 0.9} | changes))
    assert results(gate.run(100)) == [(state, code)]
    assert drive.commands == before


def test_deadline_is_the_first_moment_that_is_too_late(gate: Any, drive: Any) -> None:
    gate.node.clock.tick()
    gate.task(0.6, not_after_us=gate.t_us)
    assert drive.commands == [0.2]
    gate.task(0.6, not_after_us=gate.t_us + 1000)
    assert drive.commands == [0.2, 0.6]


def test_deadline_across_a_wrap_of_the_ticks(gate: Any, drive: Any) -> None:
    left_us = (1 << 30) - gate.node.clock.ticks
    gate.task(0.6, not_after_us=gate.t_us + left_us + 10_000)
    gate.run(left_us // 1000 + 5)
    assert gate.node.clock.wrap == 1
    assert drive.commands[1] == 0.6


def test_a_repeated_task_runs_once_and_answers_with_its_state(gate: Any, drive: Any) -> None:
    for _ in range(3):
        gate.task(0.5, counter=41, task_id=b"t" * 16)
    assert drive.commands == [0.2, 0.5]
    found = results(gate.run(600))
    assert found[:3] == [(codes.ACCEPTED, 0)] * 3
    assert found[-1] == (codes.DONE, 0)


@pytest.mark.parametrize("others", [0, 1, REMEMBERED - 1])
def test_a_known_task_id_is_refused_under_a_higher_counter(gate: Any, drive: Any, others: int) -> None:
    gate.task(0.5, task_id=bytes(16))
    for _ in range(others):
        gate.task(0.6)
    gate.run(100)
    before = list(drive.commands)
    gate.task(0.9, task_id=bytes(16))
    assert results(gate.run(10)) == [(codes.REFUSED, codes.REPLAYED)]
    assert drive.commands == before and len(gate.node.desk._ids) == 16 * REMEMBERED


def test_the_id_of_a_refused_task_may_be_executed_later(gate: Any, drive: Any) -> None:
    gate.task(7.0, task_id=b"a" * 16)
    gate.task(0.5, task_id=b"a" * 16)
    assert drive.commands == [0.2, 0.5]


def test_the_counter_of_a_refused_task_is_used_up(gate: Any, drive: Any) -> None:
    gate.task(7.0, counter=50, task_id=b"a" * 16)
    gate.task(0.5, counter=50, task_id=b"b" * 16)
    gate.task(0.5, counter=49, task_id=b"c" * 16)
    assert drive.commands == [0.2]


def test_a_newer_task_supersedes(gate: Any, drive: Any) -> None:
    gate.task(0.9)
    gate.run(100)
    gate.task(0.4)
    found = results(gate.run(700))
    assert (codes.SUPERSEDED, 0) in found and found[-1] == (codes.DONE, 0)
    assert drive.position == 0.4


def test_lease_lapse_goes_to_the_safe_state(gate: Any, drive: Any, pick: Any) -> None:
    gate.task(0.7, lease_ms=1000)
    gate.run(990)
    assert drive.commands[-1] == 0.7
    gate.run(20)
    assert drive.commands == [0.2, 0.7, 0.2]
    state = pick(Status, gate.run(2500))[-1].actuators[0]
    assert (state.reason, state.lease_left_ms) == (1 + 1, 0)
    assert state.setpoint == pytest.approx(0.2)


def test_renewed_lease_holds_and_a_lapsed_one_cannot_be_renewed(gate: Any, drive: Any) -> None:
    gate.task(0.7, lease_ms=1000)
    for _ in range(5):
        gate.run(900)
        gate.lease(1000)
    assert drive.commands == [0.2, 0.7]
    gate.run(1100)
    assert drive.commands[-1] == 0.2
    gate.lease(1000)
    gate.run(500)
    assert drive.commands[-1] == 0.2
    assert gate.node.desk.refused == 1


def test_lease_is_never_longer_than_the_board_file_says(gate: Any, drive: Any) -> None:
    gate.task(0.7, lease_ms=3_600_000)
    gate.run(3010)
    assert drive.commands[-1] == 0.2


@pytest.mark.parametrize("held", [False, True])
def test_a_task_with_a_lease_of_zero_goes_safe_at_once(gate: Any, drive: Any, pick: Any, held: bool) -> None:
    if held:
        gate.task(0.7)
        gate.run(600)
    gate.task(0.9, lease_ms=0)
    assert 0.9 not in drive.commands and drive.commands[-1] == 0.2
    messages = gate.run(2500)
    assert results(messages) == [(codes.ACCEPTED, 0), (codes.FAILED, codes.LINK_DOWN)]
    state = pick(Status, messages)[-1].actuators[0]
    assert (state.reason, state.lease_left_ms) == (3, 0)
    assert drive.position == 0.2


def test_release_and_forged_lease(gate: Any, drive: Any) -> None:
    gate.task(0.7)
    gate.lease(0, key=b"x" * 32)
    gate.run(50)
    assert drive.commands[-1] == 0.7
    gate.lease(0)
    gate.run(50)
    assert drive.commands[-1] == 0.2


def test_a_silent_host_ends_every_lease(make_board: Any, drive: Any) -> None:
    board = make_board()
    board.actuator(drive, lease_ms=60_000)
    board.hello()
    board.task(0.7, lease_ms=60_000)
    board.run(4900, talking=False)
    assert drive.commands[-1] == 0.7
    board.run(200, talking=False)
    assert drive.commands[-1] == 0.2


def test_lapse_while_moving_fails_the_task(gate: Any) -> None:
    gate.task(0.9, lease_ms=200)
    assert results(gate.run(400))[-1] == (codes.FAILED, codes.LINK_DOWN)


def test_a_driver_fault_fails_the_task(gate: Any, drive: Any) -> None:
    gate.task(0.9)
    gate.run(100)
    drive.fault = codes.TIMEOUT
    assert results(gate.run(100))[-1] == (codes.FAILED, codes.TIMEOUT)


def test_a_driver_that_raises_is_stopped(gate: Any, drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.task(0.9)

    def broken(now_ms: int) -> None:
        raise RuntimeError("interlock")

    monkeypatch.setattr(drive, "step", broken)
    assert results(gate.run(100))[-1][0] == codes.FAILED
    assert drive.settled and gate.node.actuators.errors > 0


def test_nothing_from_before_a_restart_is_executed(gate: Any, make_board: Any, drive: Any) -> None:
    old = gate.boot.nonce
    fresh = make_board(gate.flash)
    fresh.boot.nonce = fresh.node.desk._nonce = b"newnonce"
    fresh.actuator(drive)
    fresh.hello()
    fresh.task(0.9, nonce=old)
    assert results(fresh.run(50)) == [(codes.REFUSED, codes.FOREIGN)]
    assert drive.commands[-1] == 0.2
