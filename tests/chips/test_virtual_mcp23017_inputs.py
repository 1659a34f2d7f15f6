"""Virtual MCP23017, as far as inputs are concerned; all else: `test_virtual_mcp23017.py`."""

import pytest

from simulator.chips import mcp23017_inputs
from tests.chips.chip_clock import Clock


@pytest.mark.parametrize("line", range(16))
def test_a_contact_to_ground_pulls_its_line_down(clock: Clock, line: int) -> None:
    chip = mcp23017_inputs.make(clock)
    chip.write(b"\x0c\xff\xff")
    for outside, level in ((None, 1), (0, 0), (1, 1), (0.4, 0), (0.6, 1)):
        chip.outside[line] = outside
        chip.write(b"\x12")
        found = int.from_bytes(chip.read(2), "little")
        assert found == 0xFFFF & ~((1 - level) << line)


def test_the_latch_of_an_output_does_not_move_an_input(clock: Clock) -> None:
    chip = mcp23017_inputs.make(clock)
    chip.write(b"\x14\xff\xff")
    chip.write(b"\x00\xfe\xff")
    chip.write(b"\x12")
    assert chip.read(2) == b"\x01\x00"
