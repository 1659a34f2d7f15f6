"""Virtual MCP23017 at register level, as its datasheet has it."""

import pytest

from simulator.chips import mcp23017
from simulator.chips.mcp23017 import MCP23017
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> MCP23017:
    return mcp23017.make(clock)


def registers(chip: MCP23017, first: int, count: int) -> bytes:
    chip.write(bytes((first,)))
    return chip.read(count)


def test_reset_values_and_the_end_of_the_registers(chip: MCP23017) -> None:
    assert registers(chip, 0, 22) == b"\xff\xff" + bytes(20)
    assert registers(chip, 0x15, 2) == b"\x00\xff"


def test_an_output_shows_its_latch_and_gpio_writes_go_there(chip: MCP23017) -> None:
    chip.write(b"\x00\xf7\xff")
    chip.write(b"\x12\x08")
    assert [chip.level(line) for line in range(4)] == [0, 0, 0, 1]
    assert registers(chip, 0x14, 1) == b"\x08"
    chip.outside[3] = 0
    assert (registers(chip, 0x12, 1), registers(chip, 0x14, 1)) == (b"\x00", b"\x08")


def test_inputs_pull_ups_and_inversion(chip: MCP23017) -> None:
    chip.outside[8] = 1
    chip.pulls[9] = 1
    chip.write(b"\x0d\x04")
    assert registers(chip, 0x13, 1) == b"\x07"
    chip.write(b"\x03\x05")
    assert registers(chip, 0x13, 1) == b"\x02"
    chip.write(b"\x15\xff")
    assert chip.level(11) == 0, "the latch of an input does not show"


def test_bank_1_moves_every_register(chip: MCP23017) -> None:
    chip.write(b"\x0a\x80")
    assert registers(chip, 0x05, 1) == registers(chip, 0x15, 1) == b"\x80"
    chip.write(b"\x10\xfe")
    chip.write(b"\x1a\x01")
    assert (chip.level(8), chip.level(0)) == (1, 0)
    assert registers(chip, 0x0B, 1) == b"\x00"
    chip.write(b"\x05\x00")
    assert registers(chip, 0x00, 2) == b"\xff\xfe"
    chip.write(b"\x05\x00")
    assert registers(chip, 0x00, 2) == b"\xff\xfe", "in BANK 0 this is GPINTENB"


def test_byte_mode_stays_with_its_pair(chip: MCP23017) -> None:
    chip.outside[0] = chip.outside[9] = 1
    chip.write(b"\x0a\x20")
    assert registers(chip, 0x12, 4) == b"\x01\x02\x01\x02"
    chip.write(b"\x0a\xa0")
    assert registers(chip, 0x09, 2) == b"\x01\x01"


def test_read_only_unimplemented_and_power_on(chip: MCP23017) -> None:
    for place in (0x0E, 0x0F, 0x10, 0x11):
        chip.write(bytes((place, 0xFF)))
        assert registers(chip, place, 1) == b"\x00"
    chip.write(b"\x0a\x01")
    assert registers(chip, 0x0A, 2) == b"\x00\x00"
    chip.write(b"\x00\x00\x00")
    chip.write(b"\x14\xff\xff")
    chip.unplugged = True
    assert chip.level(5) == 0
    chip.unplugged = False
    assert registers(chip, 0x00, 2) == b"\xff\xff"
