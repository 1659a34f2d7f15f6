"""Microchip MCP23017: one of its 16 lines as a switched output: a relay, contactor or lamp behind a transistor.

Microchip DS20001952C. I2C 0x20 to 0x27 (pins A2 to A0).

| command  | meaning     | unit | range  |
|----------|-------------|------|--------|
| setpoint | on from 0.5 | 1    | 0 .. 1 |

    pump = make(io, {"bus": "i2c0", "address": 0x20, "line": 3, "pull": "external-down"})
    pump.command(1.0)
    pump.step(now_ms)               # every 20 to 50 ms

Board file keys: `bus`; `address`; `line`: 0 to 7 are GPA0 to GPA7, 8 to 15 GPB0 to GPB7; `active_high` (true): the
level that switches on; `pull`: the resistor at the line, "external-down" if it is active high, else "external-up", as
a line floats until the board has reached the chip; `after_loss` ("setpoint"): what a chip is told that lost its power;
"safe" is the safe setpoint, and FAULT with TRIPPED until the next command; `position_at_closed` (0.0),
`position_at_open` (1.0), `deadband` (0.02): of a feedback.
Limits: 25 mA a line, no rest times: a compressor wants a relay on a pin. The level at the line is read back, so a short
shows as NO_FEEDBACK; what the load does is not seen. No id. Interrupts are switched off. Inputs of the same chip:
`mcp23017_inputs.py`.
"""

from . import motion
from .remote import Remote

ADDRESSES = (0x20, 0x27)
PLACE = "line"
BESIDE = ("mcp23017_inputs", "lines")  # a sensor on the same chip, and what it names its places by

_IODIR = 0x00  # table 3-5, IOCON.BANK 0: port A, port B is one more; 1: input
_IPOL = 0x02
_BANK_1_IOCON = 0x05  # table 3-4: IOCON of a chip in BANK 1; GPINTENB in BANK 0
_IOCON = 0x0A
_GPIO = 0x12
_OLAT = 0x14


class MCP23017(Remote):
    """The output. See `remote.Remote` for what it does when the bus or the chip fails."""

    def __init__(self, bus, cfg, feedback=None) -> None:
        """Raises: ValueError for a wrong option."""
        line = cfg.get("line")
        if line not in range(16):
            raise ValueError("line: found %s; expected 0 to 15" % line)
        self._active_high = cfg.get("active_high", True)
        pull = "external-down" if self._active_high else "external-up"
        if cfg.get("pull") != pull:
            raise ValueError('pull: found %s; expected "%s", and that resistor' % (cfg.get("pull"), pull))
        self._port = line >> 3
        self._bit = 1 << (line & 7)
        self._one = bytearray(1)
        super().__init__(bus, cfg, feedback)
        self._safe = self._level = self._from = _switched(self._safe)

    def command(self, setpoint: float) -> None:
        """Want on (0.5 and more) or off from the next step; clears a fault. Raises: ValueError outside 0 to 1."""
        super().command(setpoint)
        self._level = _switched(setpoint)

    def _read(self, register: int) -> int:
        self.bus.read_register_into(self._address, register, self._one)
        return self._one[0]

    def _put(self, register: int, on: bool) -> None:
        """Set or clear the line's bit, and leave those of the other lines."""
        register += self._port
        before = self._read(register)
        after = before | self._bit if on else before & ~self._bit
        if after != before:
            self.bus.write_register(self._address, register, after)

    def _tell(self, level: float) -> bool:
        """BANK 0 whatever it was (3.2.1), then the latch before the direction, so that the line never shows another."""
        self.bus.write_register(self._address, _BANK_1_IOCON, 0)
        self.bus.write_register(self._address, _IOCON, 0)
        self._put(_OLAT, (level >= 0.5) == self._active_high)
        self._put(_IPOL, False)
        self._put(_IODIR, False)
        return True

    def _holds(self, level: float) -> bool:
        """Whether registers are where they were, the line is an output, and latch and line have the level."""
        if self._read(_BANK_1_IOCON) or self._read(_IODIR + self._port) & self._bit:
            return False
        wanted = self._bit if (level >= 0.5) == self._active_high else 0
        for register in (_OLAT, _GPIO):
            if self._read(register + self._port) & self._bit != wanted:
                return False
        return True


def _switched(setpoint: float) -> float:
    return 1.0 if setpoint >= 0.5 else 0.0


def make(io, cfg) -> MCP23017:
    """The output that a board file's entry describes."""
    feedback = motion.scaled(io, cfg) if "position" in cfg else None
    return MCP23017(io.i2c(cfg["bus"]), cfg, feedback)
