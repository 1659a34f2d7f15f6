"""What scan and selftest of the console say of actuators and their chips."""

from types import SimpleNamespace

import pytest

from drivers import mcp4725 as driver_mcp4725
from drivers import motion
from firmware.console import scan
from protocol.record import GOOD
from simulator.bus import VirtualI2C
from simulator.chips import mcp4725
from simulator.faces import ContractI2C

from .technician import Bench, Port


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (motion.NO_FEEDBACK, "its feedback gives no sound position, so it stopped; check the sensor"),
        (motion.TIMEOUT, "what it moves was not where it should be in time; look for what blocks it"),
        (motion.INTERLOCKED, "both limit switches are met; check the switches and their wires"),
        (99, ""),
    ],
)
def test_selftest_says_what_to_check_of_an_actuator_at_fault(fault: int, check: str) -> None:
    bench = Bench()
    bench.drive.fault = fault
    lines = bench.say("selftest")
    assert lines[1] == f"opening                      fault {fault}, start"
    assert ("gate drive: " + check in plain(lines)) == bool(check)
    assert "err E-PARTS found 1 of 2 at fault" in plain(lines)


def plain(lines: list[str]) -> str:
    """The text of folded lines."""
    return " ".join(" ".join(lines).split())


class Wires:
    """What a driver needs of the board: the bus, and a feedback that is where the converter says."""

    def __init__(self, chip: mcp4725.MCP4725) -> None:
        self.virtual = VirtualI2C([chip])
        self.bus = ContractI2C(self.virtual)
        self.chip = chip

    def i2c(self, name: str) -> ContractI2C:
        assert name == "i2c0"
        return self.bus

    def reading(self, sensor: str, channel: str) -> tuple[float, int, int]:
        return (self.chip.output_v / 3.3 - 0.2) / 0.8, GOOD, 0


def test_scan_and_selftest_say_of_an_actuators_chip_what_they_say_of_a_sensors() -> None:
    wires = Wires(mcp4725.MCP4725(lambda: 0, 0x60))
    entry = {"bus": "i2c0", "address": 0x60, "safe": 0.2, "output_at_0": 0.2, "position": ["feedback", "x"]}
    bench = Bench(name="gate_positioner", drive=driver_mcp4725.make(wires, entry))
    assert bench.say("selftest")[1:] == ["opening                      works", "ok"]
    lines = bench.say("scan")
    assert lines[0] == "i2c0: 1 of 112 addresses answer"
    assert "  0x48 ads1115      feedback                 NO ANSWER: try selftest" in lines
    assert "  0x60 mcp4725      opening                  answers" in lines

    wires.chip.unplugged = True
    lines = bench.say("selftest")
    assert lines[1].startswith("opening                      fault 12, ")
    assert "MCP4725: no answer at 0x60 on i2c0, or it does not hold what it was told" in plain(lines)
    assert "3.3 V, that A0 is wired to GND" in plain(lines)
    assert "NO ANSWER: try selftest" in next(line for line in bench.say("scan") if "mcp4725" in line)
    wires.chip.unplugged = False
    assert bench.say("selftest")[-1] == "ok", "it was told again"
    wires.virtual.sda_stuck = True
    assert "err E-SDA-LOW found SDA is held low" in plain(bench.say("scan"))


def test_two_actuators_on_one_chip_are_both_there() -> None:
    files = {"board.txt": "a\tone\t0\tpca9685\ti2c0\t0x40\t1\t1\t0\na\ttwo\t1\tpca9685\ti2c0\t0x40\t1\t1\t0\nc\tx\n"}
    lines = list(scan.answers(SimpleNamespace(port=Port(files)), "i2c0", [0x40, 0x41]))
    assert [line.split()[2] for line in lines[1:3]] == ["one", "two"]
    assert all(line.endswith(" answers") for line in lines[1:3])
    assert lines[3:] == ["  0x41 answers, but is not in the board file"]
