"""Microchip MCP4725: one analogue output of 12 bits, 0 V to its supply: speed of a drive, a proportional valve.

Microchip DS22039D. I2C 0x60 to 0x67.

| command  | meaning                                  | unit | range  |
|----------|------------------------------------------|------|--------|
| setpoint | from `output_at_0` to `output_at_1`      | 1    | 0 .. 1 |

    valve = make(io, {"bus": "i2c0", "address": 0x60, "output_at_0": 0.2, "safe": 0.0})
    valve.command(0.6)
    valve.step(now_ms)              # every 20 to 50 ms

Board file keys: `bus`; `address`; `output_at_0` (0.0), `output_at_1` (1.0): parts of the supply at setpoints 0 and 1;
`after_loss` ("setpoint"): what a chip is told that lost its power; "safe" is the safe setpoint, and FAULT with TRIPPED
until the next command; `position_at_closed` (0.0), `position_at_open` (1.0), `deadband` (0.02): of a feedback.
Limits: the output is a part of the supply, and as good as that. After power-on the chip gives what its EEPROM holds,
half of the supply as delivered, until the board has reached it: this driver never writes the EEPROM. The chip has no
id, so another one at its address shows as NO_FEEDBACK at best. What the wire carries behind the chip is not seen.
"""

from . import motion
from .errors import NOT_READY, DriverError
from .remote import Remote

ADDRESSES = (0x60, 0x67)  # 3.0, pin A0; A1 and A2 are set by the type
_FULL_SCALE = 4096  # 4.2: VOUT = VDD * code / 4096
_READY = 0x80  # 6.2: first byte of a read; low while the EEPROM is written, when all writes are ignored
_POWER_DOWN = 0x06  # 6.2: first byte, PD1 and PD0


def compensate_code(level: float, at_0: float, at_1: float) -> int:
    """Code of the chip for a setpoint from 0 to 1."""
    return min(_FULL_SCALE - 1, int((at_0 + (at_1 - at_0) * level) * _FULL_SCALE + 0.5))


class MCP4725(Remote):
    """The output. See `remote.Remote` for what it does when the bus or the chip fails."""

    def __init__(self, bus, cfg, feedback=None) -> None:
        """Raises: ValueError for a wrong option."""
        self._at_0 = cfg.get("output_at_0", 0.0)
        self._at_1 = cfg.get("output_at_1", 1.0)
        for at in (self._at_0, self._at_1):
            if not 0.0 <= at <= 1.0:
                raise ValueError("output_at_0 and output_at_1: found %g; expected 0 to 1, parts of the supply" % at)
        self._order_bytes = bytearray(2)
        self._answer = bytearray(3)
        super().__init__(bus, cfg, feedback)

    def _tell(self, level: float) -> bool:
        """Fast mode (6.1.1): the DAC register alone, power-down bits 0."""
        code = compensate_code(level, self._at_0, self._at_1)
        self._order_bytes[0] = code >> 8
        self._order_bytes[1] = code & 0xFF
        self.bus.write(self._address, self._order_bytes)
        return True

    def _holds(self, level: float) -> bool:
        """Whether the DAC register has the code of this level and the output is on (6.2)."""
        answer = self._answer
        self.bus.read_into(self._address, answer)
        if not answer[0] & _READY:
            raise DriverError(NOT_READY, "MCP4725 at 0x%02x writes its EEPROM" % self._address)
        code = answer[1] << 4 | answer[2] >> 4
        return not answer[0] & _POWER_DOWN and code == compensate_code(level, self._at_0, self._at_1)


def make(io, cfg) -> MCP4725:
    """The output that a board file's entry describes."""
    feedback = motion.scaled(io, cfg) if "position" in cfg else None
    return MCP4725(io.i2c(cfg["bus"]), cfg, feedback)
