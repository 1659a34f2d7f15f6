"""The status LED: each state has its own pattern, the gravest wins, and the table in the docs is what boards show."""

import re
from pathlib import Path
from typing import Any

import pytest

from firmware.core import lamp
from firmware.kit import board_file, bundle

PATTERNS = ("SAFE_MODE", "STOPPED", "SENSOR_FAULT", "LINKED", "ALONE")
DOCS = Path(__file__).parents[2] / "docs" / "firmware.md"


def shown(board: Any) -> str:
    """What the LED shows in two seconds, from a multiple of two seconds on."""
    board.node.clock.ms = 20_000
    levels = []
    for _ in range(lamp.SLOTS):
        levels.append(lamp.level(board.node))
        board.node.clock.ms += lamp.SLOT_MS
    return "".join("-#"[level] for level in levels)


def test_the_gravest_state_wins(board: Any, probe: Any, drive: Any) -> None:
    board.sensor(probe)
    board.actuator(drive)
    button = [0]
    board.node.actuators.watch_stop(lambda: button[0], 1)
    assert shown(board) == "#---------------"
    board.hello()
    assert shown(board) == "-###############"
    board.node.sensors.sensors[0].code = 1
    assert shown(board) == "#-#-------------"
    button[0] = 1
    board.node.actuators.step()
    assert shown(board) == "########--------"
    board.node.boot.safe_mode = True
    assert shown(board) == "#-#-#-#-#-#-#-#-"


def test_the_docs_show_these_patterns_and_no_two_look_alike() -> None:
    rows = re.findall(r"^\| .+ \| `([#-]{16})` \| (.+) \|$", DOCS.read_text(), re.M)
    documented = {row for row, _ in rows}
    assert len(documented) == len(rows) == len(PATTERNS) + 3
    for name in PATTERNS:
        bits = getattr(lamp, name)
        assert "".join("-#"[bits >> slot & 1] for slot in range(lamp.SLOTS)) in documented, name


@pytest.mark.parametrize(("name", "has"), [("pico", True), ("sluice_gate", False)])
def test_only_boards_with_an_led_have_the_code(name: str, has: bool) -> None:
    sources = {path.stem for path in bundle.sources(board_file.load(board_file.board_path(name)))}
    assert ("lamp" in sources) == has
