"""MCP23017: lines, polarity, banks, shorts, and lines of others that stay as they are."""

from typing import Any

import pytest

from drivers import mcp23017, motion
from tests.drivers.remote_rig import Rig

HIGH = {"active_high": True, "pull": "external-down"}
LOW = {"active_high": False, "pull": "external-up"}


def rig(line: int = 3, **cfg: Any) -> Rig:
    return Rig("mcp23017", 0x20, line=line, **({**HIGH, "safe": 0.0} | cfg))


@pytest.mark.parametrize("line", range(16))
def test_switches_its_line_and_no_other(line: int) -> None:
    board = rig(line)
    board.run(100)
    before = [board.chip.level(other) for other in range(16)]
    board.command(1.0)
    board.run(100)
    expected = list(before)
    expected[line] = 1
    assert [board.chip.level(other) for other in range(16)] == expected
    assert board.chip.ports[line >> 3]["IODIR"] == 0xFF & ~(1 << line % 8)


@pytest.mark.parametrize(("setpoint", "on"), [(0.0, 0), (0.49, 0), (0.5, 1), (1.0, 1)])
@pytest.mark.parametrize("wired", [HIGH, LOW])
def test_on_from_a_half_in_either_polarity(setpoint: float, on: int, wired: dict[str, Any]) -> None:
    board = rig(**wired)
    board.command(setpoint)
    board.run(100)
    assert board.chip.level(3) == (on if wired is HIGH else 1 - on)
    assert (board.driver.position, board.driver.settled, board.driver.setpoint) == (on, True, setpoint)


def test_the_line_never_shows_the_other_level_on_its_way() -> None:
    board = rig(**LOW, before=None)
    board.power_dip()
    board.chip.pulls[3] = 1
    seen: list[int] = []
    store = board.chip._store
    board.chip._store = lambda byte: (store(byte), seen.append(board.chip.level(3)))
    board.run(1000)
    assert seen
    assert set(seen) == {1}


def test_two_lines_of_one_chip_leave_each_other_alone() -> None:
    board = rig(3)
    other = mcp23017.make(board.bench, {"bus": "i2c0", "address": 0x20, "line": 4, "safe": 1.0, **HIGH})
    board.core.add(other, {"name": "other", "lower": 0.0, "upper": 1.0, "safe": 1.0, "lease_ms": 2000})
    for setpoint in (1.0, 0.0):
        board.command(setpoint)
        board.run(1200)
        assert (board.chip.level(3), board.chip.level(4)) == (setpoint, 1)
    assert (board.driver.losses, other.losses) == (0, 0)


@pytest.mark.parametrize("line", [3, 12])
@pytest.mark.parametrize(
    "foreign",
    [b"\x0a\x80", b"\x0a\xa0", b"\x00\xff\xff", b"\x14\x00\x00", b"\x02\xff\xff"],
    ids=["bank 1", "bank 1, byte mode", "inputs", "latch", "inverted"],
)
def test_what_somebody_else_tells_the_chip_is_noticed(line: int, foreign: bytes) -> None:
    board = rig(line)
    board.command(1.0)
    board.run(200)
    board.chip.write(foreign)
    board.run(900)
    assert (board.chip.level(line), board.driver.losses, board.driver.state) == (1, 1, motion.IDLE)
    assert board.chip.iocon == 0


@pytest.mark.parametrize("line", [3, 12])
def test_a_start_finds_a_chip_in_bank_1_and_the_line_on(line: int) -> None:
    before = rig(line)
    before.command(1.0)
    before.run(200)
    before.chip.write(b"\x0a\x80")
    again = rig(line, before=before)
    assert again.chip.level(line) == 0


def test_a_shorted_line_is_a_fault() -> None:
    board = rig()
    board.run(100)
    board.chip.outside[3] = 0
    board.command(1.0)
    board.run(200)
    assert (board.driver.state, board.driver.fault) == (motion.FAULT, motion.NO_FEEDBACK)
    board.chip.outside[3] = None
    board.run(1000)
    assert (board.driver.state, board.chip.level(3)) == (motion.IDLE, 1)


@pytest.mark.parametrize(
    ("cfg", "match"),
    [
        ({"line": 16}, "line: found 16; expected 0 to 15"),
        ({"line": None}, "line: found None"),
        ({"pull": None}, 'pull: found None; expected "external-down", and that resistor'),
        ({"pull": "external-up"}, 'expected "external-down"'),
        ({"active_high": False}, 'pull: found external-down; expected "external-up"'),
    ],
)
def test_refuses_options_that_cannot_be(cfg: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Rig("mcp23017", 0x20, **({"line": 3, **HIGH} | cfg))
