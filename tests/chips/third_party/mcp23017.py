"""adafruit-circuitpython-mcp230xx switches outputs of the virtual MCP23017 and reads inputs and pull-ups."""

import sys
from typing import Any

NEEDS = "adafruit_mcp230xx"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    digitalio: Any = sys.modules["digitalio"]
    digitalio.Direction = type("Direction", (), {"INPUT": "in", "OUTPUT": "out"})
    digitalio.Pull = type("Pull", (), {"UP": "up", "DOWN": "down"})
    from adafruit_mcp230xx.mcp23017 import MCP23017  # noqa: PLC0415

    driver = MCP23017(bench.busio, address=0x20)
    for line in (0, 7, 8, 15):
        pin = driver.get_pin(line)
        pin.switch_to_output(value=True)
        bench.near(chip.level(line), 1, 0)
        bench.near(pin.value, 1, 0)
        pin.value = False
        bench.near(chip.level(line), 0, 0)
    for line in (3, 12):
        pin = driver.get_pin(line)
        pin.switch_to_input(pull=digitalio.Pull.UP)
        bench.near(pin.value, 1, 0)
        chip.outside[line] = 0
        bench.near(pin.value, 0, 0)
