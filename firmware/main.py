# Start of a board: first all outputs to their inactive level, then the program.
import json

import machine


def outputs_off(outputs):
    """Drive every output to its inactive level: [[pin name, level], ...]."""
    for pin, level in outputs:
        machine.Pin(pin, machine.Pin.OUT, value=level)


with open("board.json") as file:
    config = json.load(file)
outputs_off(config["outputs"])

from firmware.port import start  # noqa: E402

run = start.program(config)
del start
run(config, outputs_off)
