"""What a board on the real VM sees of its pins in shared memory, and how its end is told."""

from pathlib import Path

import pytest

from simulator.bridge import BoardIO
from simulator.bus import VirtualI2C
from tests.simulator.vm_bench import Bench

pytestmark = [pytest.mark.system, pytest.mark.anyio]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_board_reads_its_own_outputs_and_stuck_lines_as_they_are_now(tmp_path: Path) -> None:
    program = """
import machine
i2c = machine.I2C(0, sda=machine.Pin("GP4"), scl=machine.Pin("GP5"), freq=400000)
out = machine.Pin(10, machine.Pin.OUT, value=0)
wrong = 0
for n in range(500):
    out.value(n & 1)
    wrong += out.value() != n & 1
print("wrong", wrong, "lines", machine.Pin("GP4").value(), machine.Pin("GP5").value())
while machine.Pin("GP4").value():
    pass
print("low", machine.Pin("GP5").value())
while not machine.Pin("GP4").value():
    pass
print("end")
"""
    bus = VirtualI2C([], "i2c0")
    bench = Bench(tmp_path, program, BoardIO(i2c={0: bus}))
    bench.board.power_on()
    await bench.prints("lines")
    bus.sda_held_clocks = 1
    await bench.prints("low")
    bus.clock()
    text = await bench.prints("end")
    await bench.board.stop()
    assert "wrong 0 lines 1 1" in text and "low 1" in text


async def test_the_end_of_a_program_is_counted_with_its_code(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "import sys; sys.exit(3)")
    bench.board.power_on()
    await bench.prints("ended with code 3")
    assert bench.board.counters.exits == 1 and not bench.board.running
    bench.board.reset()
    await bench.until(lambda: bench.board.counters.exits == 2)
    await bench.board.stop()
