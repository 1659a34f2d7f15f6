"""The virtual I2C bus, its faults, and that virtual chips know nothing of drivers."""

import ast
from pathlib import Path

import pytest

from simulator.bus import Nack, Stuck, VirtualI2C
from simulator.chips import a02yyuw, ads1115

CHIPS = sorted((Path(__file__).parents[2] / "simulator" / "chips").glob("*.py"))


def bus() -> VirtualI2C:
    return VirtualI2C([ads1115.make(lambda: 0)])


def test_write_repeated_start_read() -> None:
    assert bus().transfer(0x48, b"\x01", 2) == b"\x85\x83"


def test_probe() -> None:
    assert bus().transfer(0x48, b"", 0) == b""
    with pytest.raises(Nack):
        bus().transfer(0x49, b"", 0)


def test_unplugged_is_a_nack() -> None:
    virtual = bus()
    virtual.chips[0x48].unplugged = True
    with pytest.raises(Nack):
        virtual.transfer(0x48, b"", 0)


@pytest.mark.parametrize("line", ["sda_stuck", "scl_stuck"])
def test_a_stuck_line_stops_everything(line: str) -> None:
    virtual = bus()
    setattr(virtual, line, True)
    with pytest.raises(Stuck, match=line[:3].upper()):
        virtual.transfer(0x48, b"", 0)
    setattr(virtual, line, False)
    virtual.transfer(0x48, b"", 0)


def test_clocks_free_a_held_sda_but_not_past_a_stuck_scl() -> None:
    virtual = bus()
    virtual.sda_held_clocks = 2
    virtual.scl_stuck = True
    virtual.clock()
    assert virtual.sda_held_clocks == 2
    virtual.scl_stuck = False
    virtual.clock()
    assert virtual.sda_stuck
    virtual.clock()
    assert not virtual.sda_stuck


def test_two_chips_at_one_address_are_refused() -> None:
    with pytest.raises(ValueError, match="0x48"):
        VirtualI2C([ads1115.make(lambda: 0), ads1115.make(lambda: 0)])


def test_ultrasonic_sensor_sends_every_100_ms_and_never_bunches() -> None:
    chip = a02yyuw.make(lambda: 0)
    chip.distance_mm = 1953.0
    assert chip.tick(0) == bytes((0xFF, 0x07, 0xA1, 0xA7))
    assert chip.tick(99_999_999) == b""
    assert len(chip.tick(100_000_000)) == 4
    assert len(chip.tick(950_000_000)) == 4
    assert chip.tick(999_999_999) == b""
    assert chip.next_ns() == 1_000_000_000
    chip.silent = True
    assert chip.tick(1_000_000_000) == b""
    chip.silent = False
    assert len(chip.tick(1_100_000_000)) == 4


@pytest.mark.parametrize("path", CHIPS, ids=lambda path: path.stem)
def test_chips_import_nothing_from_drivers(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        assert not any(name.split(".")[0] == "drivers" for name in [*names, module])
