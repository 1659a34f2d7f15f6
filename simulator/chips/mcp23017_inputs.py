"""The virtual MCP23017 under the name of the driver that reads its inputs; what it is stands in `mcp23017.py`."""

from .base import Clock
from .mcp23017 import MCP23017 as MCP23017  # noqa: PLC0414 (the chip of this module, too)


def make(clock: Clock, address: int = 0x20) -> MCP23017:
    """An expander after power-on, its contacts open."""
    return MCP23017(clock, address)
