"""Where a board does not go on, chips behind a bus are told their safe state: no reset of the board reaches them."""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from firmware.kit import board_file, describe
from simulator.bus import VirtualI2C
from simulator.chips import mcp4725
from simulator.faces import MachineI2C
from tests.firmware.port_modules import Clock, loaded, machine
from tests.firmware.test_bus_actuators import remote

SAFE = 0.25


@pytest.fixture
def bus() -> VirtualI2C:
    """Two converters, both fully on, as the program left them."""
    found = VirtualI2C([mcp4725.make(lambda: 0, address) for address in (0x60, 0x61)])
    for chip in found.chips.values():
        chip.register = (0, 4095)
    return found


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """What the board printed of errors."""
    found: list[BaseException] = []
    monkeypatch.setattr(sys, "print_exception", found.append, raising=False)
    return found


@pytest.fixture
def app(bus: VirtualI2C, said: list[BaseException]) -> Iterator[ModuleType]:
    clock = Clock()
    face = MachineI2C(bus)
    with loaded("app", clock, machine(clock, I2C=lambda *_, **__: face)) as module:
        yield module


def config() -> dict[str, Any]:
    """A board with outputs on pins and two converters."""
    board = remote(safe=SAFE)
    board["actuators"].append(board["actuators"][-1] | {"name": "second", "address": 0x61})
    return describe.board_config(board_file.check(board, "b.toml"), "")


def levels(bus: VirtualI2C) -> list[float]:
    return [round(chip.output_v / 3.3, 2) for chip in bus.chips.values()]  # type: ignore[attr-defined]


def test_each_chip_is_told_its_safe_state(app: ModuleType, bus: VirtualI2C, said: list[BaseException]) -> None:
    assert levels(bus) == [1.0, 1.0]
    app.calm(config())
    assert (levels(bus), said) == ([SAFE, SAFE], [])


def test_a_chip_that_is_gone_costs_no_other_its_safe_state(
    app: ModuleType, bus: VirtualI2C, said: list[BaseException]
) -> None:
    bus.chips[0x60].unplugged = True
    app.calm(config())
    assert levels(bus) == [0.0, SAFE]


def test_what_breaks_for_one_chip_is_told_and_costs_no_other_its_safe_state(
    app: ModuleType, bus: VirtualI2C, said: list[BaseException]
) -> None:
    broken = config()
    broken["actuators"][1]["kind"] = "no_such_driver"
    app.calm(broken)
    assert levels(bus) == [1.0, SAFE] and "no_such_driver" in str(said[0])


def test_a_program_that_fails_at_its_start_calms_them_and_waits_for_the_watchdog(
    app: ModuleType, bus: VirtualI2C, monkeypatch: pytest.MonkeyPatch, said: list[BaseException]
) -> None:
    class Bitten(BaseException):
        """The watchdog ends the wait."""

    def bite(_ms: int) -> None:
        raise Bitten

    def fail(_config: dict[str, Any]) -> None:
        raise ValueError("incompatible .mpy file")

    off: list[Any] = []
    notes: list[BaseException] = []
    monkeypatch.setattr(app, "App", fail)
    monkeypatch.setattr(app, "sleep_ms", bite)
    monkeypatch.setattr(app.machine, "WDT", lambda timeout: None, raising=False)
    monkeypatch.setattr(app.machine, "mem32", {}, raising=False)
    start = importlib.import_module("firmware.port.start")
    monkeypatch.setattr(start, "note_failure", notes.append)
    with pytest.raises(Bitten):
        app.run(config() | {"watchdog_ms": 5000}, off.append)
    assert off == [config()["outputs"]] and levels(bus) == [SAFE, SAFE]
    assert [str(error) for error in notes] == ["incompatible .mpy file"] == [str(error) for error in said]
