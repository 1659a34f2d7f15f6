"""A virtual bench: board and fixture, each on a VM of its own, wired by the table. `python -m hil_tests.virtual DIR`.

Prints `ready` once DIR/dev/bench-1 and DIR/dev/fixture are there; ends with its standard input.
"""

import asyncio
import os
import sys
from pathlib import Path

from simulator.pins import pin_number
from simulator.scenario import BoardPlace
from simulator.wiring import WiredBoard, unit_number

from . import files, wires
from .wires import Wire

AIR = {"name": "air", "chip": "bme280", "bus": "i2c0", "address": 0x76}


def solder(wire: Wire, fixture: WiredBoard, board: WiredBoard) -> None:
    """Join two pins; SDA and the power are no pins of the firmware's, and joined to what they are."""
    pin, pins = pin_number(wire.fixture), fixture.io.pins
    if wire.does == "power":
        pins.net(pin).outside_pull = 0
        pins.watch(pin, lambda high: board.board.power_off() if high else board.power_on())
    elif wire.does == "i2c fault":
        bus = board.io.i2c[unit_number(wire.of)]
        pins.net(pin).outside_pull = 1
        pins.watch(pin, lambda high: setattr(bus, "sda_stuck", not high))
    else:
        pins.wire(pin, board.io.pins, pin_number(wire.board))


async def run(folder: Path) -> None:
    """Run both until the standard input ends."""
    files.write(folder)
    table = wires.load(files.WIRES)
    relays = [{"pin": wire.board, "drives": wire.of} for wire in table if wire.does == "relay"]
    place = {"thing": files.THING, "board": "hil_bench", "clock_ppm": 25.0, "chips": [AIR], "outputs": relays}
    board = WiredBoard(BoardPlace.model_validate(place), folder / "board", folder)
    fixture = WiredBoard(BoardPlace(thing="fixture", board="fixture", clock_ppm=-15.0), folder / "fixture", folder)
    for wire in table:
        solder(wire, fixture, board)
    ended = asyncio.Event()

    def look() -> None:
        if not os.read(sys.stdin.fileno(), 64):
            ended.set()

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), look)
    try:
        board.board.power_on()
        fixture.board.power_on()
        print("ready", flush=True)
        await ended.wait()
    finally:
        await fixture.stop()
        await board.stop()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
