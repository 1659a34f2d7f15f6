"""Inputs of an MCP23017: levels, pull-ups, and outputs on the same chip that stay as they are."""

from typing import Any

import pytest

from drivers import errors, mcp23017_inputs
from simulator.chips import mcp23017 as chip_mcp23017
from tests.drivers.remote_rig import Rig

CASE = {
    "cfg": {"bus": "i2c0", "address": 0x20, "lines": [0, 5, 8, 14], "active_high": True},
    "shows": ["outside[0]", "outside[5]", "outside[8]", "outside[14]"],
    "heap": 64,
    "too_early": None,
}


def wired(bench: Any, **cfg: Any) -> tuple[Any, Any]:
    chip = chip_mcp23017.make(bench.clock.ns)
    bench.virtual.add(chip)
    return mcp23017_inputs.make(bench, {"bus": "i2c0", "address": 0x20, **cfg}), chip


@pytest.mark.parametrize(
    ("levels", "line", "active_high", "closed"),
    [(0x0001, 0, True, 1), (0x0001, 0, False, 0), (0x8000, 15, True, 1), (0x7FFF, 15, False, 1), (0x0100, 8, True, 1)],
)
def test_levels(levels: int, line: int, active_high: bool, closed: int) -> None:
    """DS20001952C register 3-10: GP7 to GP0 of port A, then of port B."""
    assert mcp23017_inputs.compensate_closed(levels, line, active_high) == closed


@pytest.mark.parametrize("line", range(16))
def test_a_contact_to_ground_and_no_other(bench: Any, line: int) -> None:
    driver, chip = wired(bench)
    assert bench.acquire(driver, 16) == [0] * 16
    chip.outside[line] = 0
    assert bench.acquire(driver, 16) == [int(other == line) for other in range(16)]


def test_the_channels_are_those_of_the_lines() -> None:
    assert [channel[0] for channel in mcp23017_inputs.channels({"lines": [9, 2]})] == ["input9", "input2"]
    assert mcp23017_inputs.channels({}) == mcp23017_inputs.CHANNELS


def test_without_pull_ups_what_is_outside_decides(bench: Any) -> None:
    driver, chip = wired(bench, lines=[1, 2], pull_up=False, active_high=True)
    chip.pulls[1] = 1
    assert bench.acquire(driver, 2) == [1, 0]
    assert chip.ports[0]["GPPU"] == 0


@pytest.mark.parametrize("foreign", [b"\x0a\x80", b"\x0a\x20", b"\x02\xff\xff", b"\x00\x00\x00", b"\x0c\x00\x00"])
def test_what_somebody_else_told_the_chip_is_mended_by_the_next_reading(bench: Any, foreign: bytes) -> None:
    driver, chip = wired(bench, lines=[3, 12])
    chip.outside[12] = 0
    bench.acquire(driver, 2)
    chip.write(foreign)
    assert bench.acquire(driver, 2) == [0, 1]


def test_a_line_that_became_an_output_is_no_reading(bench: Any) -> None:
    driver, chip = wired(bench, lines=[3])
    driver.start()
    chip.write(b"\x00\x00\xff")
    with pytest.raises(errors.DriverError, match="MCP23017 at 0x20 on i2c0: its lines are not set up") as caught:
        driver.read_into([0.0])
    assert caught.value.code == errors.NOT_READY


def test_an_output_beside_inputs_stays_on_and_they_stay_inputs() -> None:
    board = Rig("mcp23017", 0x20, line=4, pull="external-down", safe=0.0)
    inputs = mcp23017_inputs.make(board.bench, {"bus": "i2c0", "address": 0x20, "lines": [3, 5, 12]})
    board.command(1.0, 2000)
    board.run(100)
    board.chip.outside[5] = 0
    for _ in range(3):
        assert board.bench.acquire(inputs, 3) == [0, 1, 0]
        board.run(550)
        assert board.chip.level(4) == 1
    assert board.driver.losses == 0
