"""The longest run of an output: on the account itself, and through the actuator whatever arrives."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.relay import Relay
from firmware.core.actuators import TASK, TOO_LONG
from firmware.core.longest_run import LongestRun, TooLongError
from firmware.kit import board_file, bundle, describe
from firmware.kit.errors import BoardFileError
from protocol import task_codes as codes
from protocol.board_link import Status, TaskResult


def test_on_for_the_limit_then_off_for_as_long() -> None:
    run = LongestRun(1000)
    assert run.switch(True, 0) and not run.over(999)
    assert run.over(1000) and run.resting
    assert run.switch(False, 1000)
    assert not run.switch(True, 1999)
    assert run.switch(True, 2000) and not run.resting


def test_a_short_pause_begins_no_new_run() -> None:
    run = LongestRun(1000)
    run.switch(True, 0)
    run.switch(False, 900)
    run.switch(True, 910)
    assert not run.over(1019) and run.over(1020)


@given(st.lists(st.tuples(st.integers(1, 3000), st.booleans()), max_size=40))
def test_whatever_is_wanted_no_run_is_longer_and_off_is_always_obeyed(wishes: list[tuple[int, bool]]) -> None:
    run, now_ms, on, since_ms = LongestRun(1000), 0, False, 0
    for wait_ms, wanted in wishes:
        for _ in range(wait_ms):
            now_ms += 1
            if run.over(now_ms):
                assert now_ms - since_ms <= 1000
                on = not run.switch(False, now_ms)
        before = on
        on = run.switch(wanted, now_ms) and wanted
        assert wanted or not on
        if on and not before:
            since_ms = now_ms
    assert not on or now_ms - since_ms <= 1000


class Pin:
    """An output as the port has it, over a clock of the test."""

    def __init__(self, board: Any, limit_ms: int) -> None:
        self._board = board
        self.run = LongestRun(limit_ms)
        self.level = 0

    def on(self) -> None:
        if not self.run.switch(True, self._board.node.clock.ms):
            self.off()
            raise TooLongError
        self.level = 1

    def off(self) -> None:
        self.run.switch(False, self._board.node.clock.ms)
        self.level = 0

    def check(self) -> None:
        if self.run.over(self._board.node.clock.ms):
            self.off()
            raise TooLongError


@pytest.fixture
def pump(board: Any) -> Any:
    """A board whose relay may be on for two seconds."""
    board.pin = Pin(board, 2000)
    entry = {"name": "pump", "lower": 0.0, "upper": 1.0, "safe": 0.0, "lease_ms": 60_000}
    board.node.actuators.add(Relay(board.pin), entry, [board.pin])
    board.hello()
    board.run(50)
    return board


def test_no_task_and_no_lease_keeps_an_output_on_for_longer(pump: Any, pick: Any) -> None:
    levels = []
    for turn in range(70):
        if turn % 5 == 0:
            pump.task(1.0, lease_ms=60_000)
        pump.run(100)
        levels.append(pump.pin.level)
    assert sum(levels[:22]) in (19, 20, 21)
    assert not any(levels[22:40]) and any(levels[40:46]), "it rests as long, then tasks are obeyed again"


def test_the_host_learns_why(pump: Any, pick: Any) -> None:
    pump.task(1.0, lease_ms=60_000)
    pump.run(1500)
    assert pump.node.actuators.rows()[0][2] == TASK
    pump.run(1000)
    assert pump.pin.level == 0
    pump.task(1.0, lease_ms=60_000)
    seen = pump.run(1500)
    assert [(r.state, r.code) for r in pick(TaskResult, seen)][-1] == (codes.FAILED, codes.TRIPPED)
    assert pick(Status, seen)[-1].actuators[0].reason == TOO_LONG


def test_the_board_file_has_it_per_output_and_only_such_boards_have_the_code() -> None:
    data = tomllib.loads(board_file.board_path("sluice_gate").read_text())
    plain = board_file.check(data, "b.toml")
    assert "limits" not in describe.board_config(plain, "gate-1")
    assert not {"longest_run", "limited"} & {path.stem for path in bundle.sources(plain)}
    data["actuators"][0]["outputs"]["open"]["max_on_ms"] = 8000
    limited = board_file.check(data, "b.toml")
    assert describe.board_config(limited, "gate-1")["limits"] == [["GP10", 8000]]
    assert {"longest_run", "limited"} <= {path.stem for path in bundle.sources(limited)}
    data["actuators"][0]["outputs"]["open"]["max_on_ms"] = 50
    with pytest.raises(BoardFileError, match="max_on_ms: found 50; expected"):
        board_file.check(data, "b.toml")
