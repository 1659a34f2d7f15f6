"""Virtual MCP4725 at byte level, as its datasheet has it."""

import pytest

from simulator.chips import mcp4725
from simulator.chips.mcp4725 import MCP4725
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> MCP4725:
    return mcp4725.make(clock)


def test_as_delivered_it_gives_half_of_its_supply(chip: MCP4725) -> None:
    assert chip.read(5) == bytes((0xC0, 0x80, 0x00, 0x08, 0x00))
    assert chip.output_v == pytest.approx(1.65)


def test_fast_mode_writes_the_register_only(chip: MCP4725) -> None:
    chip.write(b"\x0a\xbc")
    assert chip.read(5) == bytes((0xC0, 0xAB, 0xC0, 0x08, 0x00))
    assert chip.output_v == pytest.approx(3.3 * 0xABC / 4096)
    chip.write(b"\x01\x23\x04\x56")
    assert chip.read(3) == bytes((0xC0, 0x45, 0x60))


def test_register_command_and_power_down(chip: MCP4725) -> None:
    chip.write(b"\x40\x12\x30")
    assert chip.read(3) == bytes((0xC0, 0x12, 0x30))
    chip.write(b"\x46\x12\x30")
    assert (chip.read(3), chip.output_v) == (bytes((0xC6, 0x12, 0x30)), 0.0)
    chip.write(b"\x20\x00")
    assert chip.read(3) == bytes((0xC4, 0x00, 0x00))


def test_the_eeprom_takes_25_ms_and_ignores_commands_meanwhile(chip: MCP4725, clock: Clock) -> None:
    chip.write(b"\x60\xff\xf0")
    assert chip.read(5) == bytes((0x40, 0xFF, 0xF0, 0x0F, 0xFF))
    chip.write(b"\x00\x00")
    clock.advance_ms(24.9)
    assert chip.read(3) == bytes((0x40, 0xFF, 0xF0))
    clock.advance_ms(0.1)
    chip.write(b"\x00\x01")
    assert (chip.read(3), chip.eeprom_writes) == (bytes((0xC0, 0x00, 0x10)), 1)
    chip.unplugged = True
    assert chip.output_v == 0.0
    chip.unplugged = False
    assert chip.read(3) == bytes((0xC0, 0xFF, 0xF0))


@pytest.mark.parametrize("reserved", [0x80, 0xA0, 0xC0, 0xE0])
def test_reserved_and_cut_commands_change_nothing(chip: MCP4725, reserved: int) -> None:
    before = chip.read(5)
    for data in (bytes((reserved, 1, 2)), b"\x40\x12", b"\x0a", b""):
        chip.write(data)
    assert chip.read(5) == before
    assert chip.read(7) == before + before[:2]
