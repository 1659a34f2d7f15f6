"""The wiring table of a bench: the one that is there fits the board file, mistakes are explained."""

from pathlib import Path
from typing import Any

import pytest
import tomlkit

from firmware.kit import board_file
from firmware.kit.schema import pin_uses
from hil_tests import files, wires


def table() -> dict[str, Any]:
    found: dict[str, Any] = tomlkit.parse(files.WIRES.read_text()).unwrap()["wires"]
    return found


def test_the_bench_is_wired_to_what_its_board_file_names() -> None:
    board = board_file.load(files.BOARD)
    uses = dict(pin_uses(board))
    found = {wire.does: uses.get(wire.board) for wire in wires.load(files.WIRES)}
    assert found == {
        "contact": "sensors.door", "tips": "sensors.rain", "flow": "sensors.water", "relay": "actuators.lamp.on",
        "jumper": "jumper", "stop": "stop", "i2c fault": "buses.i2c0.sda", "power": None,
    }  # fmt: skip
    assert set(found) == set(wires.DOES)
    assert {"door", "rain", "water"} <= {sensor.name for sensor in board.sensors}
    for wire in wires.load(files.WIRES):
        assert not wire.of or wire.of in {wire.name, "i2c0"}


@pytest.mark.parametrize(
    ("name", "change", "found"),
    [
        ("door", {"fixture": "GP0"}, "wires.door: found fixture = 'GP0'; expected a free pin of a Pico"),
        ("door", {"fixture": "GP3"}, "wires.rain: found fixture = 'GP3' again; expected another than"),
        ("door", {"does": "knock"}, "found does = 'knock'; expected one of contact, tips"),
        ("door", {"of": ""}, "found of = ''; expected what the wire belongs to"),
        ("stop", {"of": "x"}, "found of = 'x'; expected what the wire belongs to"),
        ("stop", {"colour": "red"}, "expected texts does, fixture, board and perhaps of"),
        ("stop", {"board": 20}, "expected texts does, fixture, board and perhaps of"),
    ],
)
def test_mistakes_in_the_table_are_explained(tmp_path: Path, name: str, change: dict[str, Any], found: str) -> None:
    changed = table()
    changed[name] |= change
    path = tmp_path / "bench.toml"
    path.write_text(tomlkit.dumps({"wires": changed}))
    with pytest.raises(wires.WiresError) as error:
        wires.load(path)
    assert found in str(error.value) and str(path) in str(error.value)


NO_TABLE = [("", "found no table"), ("wires = [", "not TOML"), ("wires = 3", "found 3")]


@pytest.mark.parametrize(("text", "found"), NO_TABLE)
def test_no_table_is_a_mistake_too(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "bench.toml"
    path.write_text(text)
    with pytest.raises(wires.WiresError, match=found):
        wires.load(path)


def test_a_fixture_that_tells_of_other_wires_is_refused() -> None:
    assert wires.told(wires.as_json(wires.load(files.WIRES))) == wires.load(files.WIRES)
    with pytest.raises(wires.WiresError, match="expected name, does"):
        wires.told([{"name": "door"}])
