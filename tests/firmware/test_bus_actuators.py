"""Board files with actuators behind a chip on I2C: what a board gets, and mistakes that are explained."""

from typing import Any

import pytest

from firmware.kit import board_file, bundle, describe
from tests.firmware.test_board_files import data, problems


def remote(**changes: Any) -> dict[str, Any]:
    """A board file with one more actuator: a chip on the bus of its converter, which is at 0x48."""
    board = data()
    speed = {"name": "speed", "kind": "mcp4725", "bus": "i2c0", "address": 0x60, "safe": 0.1, "lease_ms": 3000}
    board["actuators"].append({key: value for key, value in (speed | changes).items() if value is not None})
    return board


def test_an_actuator_on_a_bus_gets_its_bus_and_needs_no_pin() -> None:
    board = board_file.check(remote(options={"output_at_0": 0.2}, feedback="opening_feedback"), "b.toml")
    config = describe.board_config(board, "")
    assert config["actuators"][1] == {
        "name": "speed", "kind": "mcp4725", "bus": "i2c0", "address": 0x60, "lower": 0.0, "upper": 1.0, "safe": 0.1,
        "lease_ms": 3000, "travel_ms": 0, "position": ["feedback", "opening_feedback"], "output_at_0": 0.2,
    }  # fmt: skip
    assert len(config["outputs"]) == 2
    assert {"mcp4725", "remote"} <= {path.stem for path in bundle.sources(board)}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"bus": "i2c1"}, "actuators.speed: bus 'i2c1' is not among [buses] ['i2c0']"),
        ({"bus": None}, "a chip on a bus needs its address"),
        ({"address": None}, "a chip on a bus needs its address"),
        ({"address": 0x40}, "actuators[1] (speed).address: found 0x40; expected 0x60 to 0x67"),
        ({"address": 0x48}, "actuators.speed: 0x48 on i2c0 is that of sensors.feedback, too"),
        ({"outputs": {"on": {"pin": "GP16", "active": "high"}}}, "expected exactly one of outputs (pins) and bus"),
        ({"inputs": {"open": {"pin": "GP16", "active": "high"}}}, "a chip on a bus is observed by feedback"),
        ({"kind": "relay"}, "relay needs outputs (pins)"),
        ({"options": {"output_at_1": 1.5}}, "output_at_0 and output_at_1: found 1.5; expected 0 to 1"),
        ({"options": {"output_at_1": "full"}}, "actuators[1] (speed).options: "),
        ({"options": {"output_at": 1.0}}, "did you mean 'output_at_1'?"),
        ({"options": {"after_loss": "off"}}, 'after_loss: found "off"; expected "setpoint" or "safe"'),
        ({"upper": 10.0}, "lower and upper: expected 0 to 1"),
    ],
)
def test_mistakes_at_an_actuator_on_a_bus_are_explained(changes: dict[str, Any], found: str) -> None:
    assert found in problems(remote(**changes))


def test_an_interlock_with_a_chip_on_a_bus_says_why_that_cannot_be() -> None:
    wrong = remote()
    wrong["interlocks"].append({"outputs": ["opening.open", "speed.output"]})
    text = problems(wrong)
    assert "interlocks: 'speed.output' is a chip at 0x60 on i2c0; an interlock holds pins alone" in text


def test_two_actuators_at_one_address_are_one_too_many() -> None:
    wrong = remote()
    wrong["actuators"].append({**wrong["actuators"][-1], "name": "second"})
    assert "actuators.second: 0x60 on i2c0 is that of actuators.speed, too; expected one actuator" in problems(wrong)


def shared(**changes: Any) -> dict[str, Any]:
    """Two outputs of one chip, the second one changed."""
    wrong = remote(kind="pca9685", address=0x40, options={"channel": 0, "frequency_hz": 50})
    first = wrong["actuators"][-1]
    wrong["actuators"].append({**first, "name": "flap", "options": {**first["options"], "channel": 1, **changes}})
    return wrong


def test_outputs_of_one_chip_are_actuators_of_their_own() -> None:
    config = describe.board_config(board_file.check(shared(), "b.toml"), "")
    assert [entry.get("channel") for entry in config["actuators"]] == [None, 0, 1]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"channel": 0}, "with the same channel 0; expected another channel for each"),
        ({"frequency_hz": 60}, "frequency_hz is the whole chip's: found 50 and 60; expected the same"),
        ({"oscillator_hz": 26e6}, "oscillator_hz is the whole chip's: found None and 26000000.0"),
        ({"channel": 16}, "channel: found 16; expected 0 to 15"),
        ({"pulse_at_1_us": 2600}, "found 2600; expected 500 to 2500"),
    ],
)
def test_what_outputs_of_one_chip_cannot_have(changes: dict[str, Any], found: str) -> None:
    assert f"{found}" in problems(shared(**changes))


def test_two_kinds_cannot_be_one_chip() -> None:
    wrong = shared()
    wrong["actuators"][-1]["kind"] = "mcp4725"
    text = problems(wrong)
    assert "found 0x40; expected 0x60 to 0x67" in text
    assert "expected one actuator at an address" in text


def test_inputs_and_outputs_share_an_expander_but_no_line() -> None:
    board = remote(kind="mcp23017", address=0x20, options={"line": 4, "pull": "external-down"})
    doors = {"name": "doors", "chip": "mcp23017_inputs", "bus": "i2c0", "address": 0x20, "period_ms": 500}
    board["sensors"].append({**doors, "options": {"lines": [3, 5]}})
    assert board_file.check(board, "b.toml").sensors[1].name == "doors"
    for options in ({"lines": [3, 4]}, {}):
        board["sensors"][1]["options"] = options
        assert "0x20 on i2c0 is that of sensors.doors, too, with line 4 among its lines" in problems(board)
