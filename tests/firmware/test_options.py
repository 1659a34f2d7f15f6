"""Options of a driver: what its docstring declares is what it reads, and nothing else is taken."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from firmware.kit import board_file, options
from firmware.kit.errors import BoardFileError

READ = re.compile(r'cfg(?:\.get\(|\[)"([a-z_0-9]+)"')
KINDS = [path.stem for path in sorted(board_file.DRIVERS.glob("*.py")) if "Board file keys:" in path.read_text()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_driver_declares_every_key_it_reads(kind: str) -> None:
    driver = board_file.driver_module(kind)
    read = set(READ.findall(Path(str(driver.__file__)).read_text()))
    assert read <= set(options.declared(driver))


def test_every_driver_declares_its_keys() -> None:
    assert board_file.driver_names() == KINDS


@pytest.mark.parametrize(
    ("table", "given", "expected"),
    [
        ("sensors", {"input": [0]}, r"sensors\[0\] \(feedback\)\.options\.input: unknown key.*did you mean 'inputs'"),
        ("actuators", {"deadbnd": 0.1}, r"actuators\[0\] \(opening\)\.options\.deadbnd: .*did you mean 'deadband'"),
    ],
)
def test_an_option_that_no_driver_has(table: str, given: dict[str, object], expected: str) -> None:
    data = tomllib.loads(board_file.board_path("sluice_gate").read_text())
    data[table][0]["options"] = given
    with pytest.raises(BoardFileError, match=expected):
        board_file.check(data, "gate.toml")


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("sensitivity_dbfs", "x", "'x'; expected a number from -29 to -23"),
        ("sensitivity_dbfs", 26.0, "26.0; expected a number from -29 to -23"),
        ("rate_hz", "16000", "'16000'; expected a multiple of 125 from 8000 to 48000"),
        ("rate_hz", 16000.0, "16000.0; expected a multiple of 125 from 8000 to 48000"),
    ],
)
def test_a_microphone_that_cannot_be(key: str, value: object, found: str) -> None:
    data = tomllib.loads(board_file.board_path("river_gauge").read_text())
    data["i2s"] = {"i2s0": {"sck": "GP10", "ws": "GP11", "sd": "GP16"}}
    data["sensors"] = [{"name": "mic", "chip": "inmp441", "i2s": "i2s0", "period_ms": 1000, "options": {key: value}}]
    with pytest.raises(BoardFileError) as caught:
        board_file.check(data, "b.toml")
    assert str(caught.value) == f"b.toml: sensors[0] (mic).options: {key}: found {found}"


def plain(name: str = "sluice_gate") -> dict[str, Any]:
    """A board file as plain data, to be spoilt."""
    return tomllib.loads(board_file.board_path(name).read_text())


def problems(wrong: dict[str, Any]) -> str:
    """What is said of a wrong board file."""
    with pytest.raises(BoardFileError) as caught:
        board_file.check(wrong, "b.toml")
    return str(caught.value)


@pytest.mark.parametrize(("name", "mcu", "most"), [("pico", "rp2040", 1408), ("pico_w", "rp2040-w", 848)])
def test_a_flash_ring_fits_the_file_system_of_its_chip(name: str, mcu: str, most: int) -> None:
    found = problems(plain(name) | {"flash": {"size_kb": most + 4}})
    assert f'flash.size_kb: found {most + 4}; expected at most {most}, the file system of mcu = "{mcu}"' in found
    board_file.check(plain(name) | {"flash": {"size_kb": most}}, "b.toml")


def test_a_switch_is_true_or_false() -> None:
    wrong = plain()
    wrong["sensors"][0]["polled"] = "yes"
    assert "sensors[0].polled: found 'yes'; expected true or false" in problems(wrong).replace('"', "'")
