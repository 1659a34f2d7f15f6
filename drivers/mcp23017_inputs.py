"""Microchip MCP23017: lines of the expander as inputs: door contacts, limit and float switches, alarm contacts.

Microchip DS20001952C. I2C 0x20 to 0x27. Outputs of the same chip: `mcp23017.py`.

| channel         | property | unit | range  | sigma |
|-----------------|----------|------|--------|-------|
| input0..input15 | closed   | 1    | 0 .. 1 | 0     |

    doors = make(io, {"bus": "i2c0", "address": 0x20, "lines": [8, 9]})
    wait_ms = doors.start()
    doors.read_into(values)         # values[0]: 1.0 while the contact at GPB0 is closed, values[1]: that at GPB1

Board file keys: `bus`; `address`; `lines` (all 16): 0 to 7 are GPA0 to GPA7, 8 to 15 GPB0 to GPB7; `active_high`
(false): the level that means closed; `pull_up` (true): 100 kOhm of the chip to its supply.
Limits: sampled, not latched: a contact that closes for less than a period may be missed. A broken wire looks like an
open contact, so wire safety contacts normally closed. GPA7 and GPB7 are outputs alone by newer data sheets. No id.
"""

from .errors import NOT_READY, DriverError

CHANNELS = tuple([("input%d" % line, "closed", "1", 0, 1, 0, 1, 0, 0) for line in range(16)])
PERIOD_MIN_MS = 10

_IODIR = 0x00  # table 3-5, IOCON.BANK 0: ports A and B; 1: input
_IPOL = 0x02
_BANK_1_IOCON = 0x05  # table 3-4: IOCON of a chip in BANK 1; GPINTENB in BANK 0
_IOCON = 0x0A
_GPPU = 0x0C
_GPIO = 0x12
_SETTLE_MS = 1  # 100 kOhm and some metres of wire


def compensate_closed(levels: int, line: int, active_high: bool) -> int:
    """1 if the level of a line, of all 16, means a closed contact, else 0."""
    return 1 if bool(levels >> line & 1) == bool(active_high) else 0


def channels(cfg) -> tuple:
    """The channels of an entry, one per listed line."""
    return tuple([CHANNELS[line] for line in cfg.get("lines", range(16))])


class MCP23017Inputs:
    """The inputs of a chip at an address of an I2C bus."""

    def __init__(self, bus, cfg) -> None:
        self._bus = bus
        self._address = cfg["address"]
        self._lines = tuple(cfg.get("lines", range(16)))
        self._active_high = cfg.get("active_high", False)
        self._mask = 0
        for line in self._lines:
            self._mask |= 1 << line
        self._pulled = self._mask if cfg.get("pull_up", True) else 0
        self._pair = bytearray(2)
        self._order = bytearray(3)
        self._started = False

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"MCP23017 at 0x{self._address:02x} on {self._bus.name}"

    def start(self) -> int:
        """Make the lines inputs, if they are not, and leave those of others; the ms they need to settle."""
        self._started = False
        self._bus.write_register(self._address, _BANK_1_IOCON, 0)
        self._bus.write_register(self._address, _IOCON, 0)
        self._set(_IODIR, self._mask)
        self._set(_IPOL, 0)
        self._set(_GPPU, self._pulled)
        self._started = True
        return _SETTLE_MS

    def read_into(self, values) -> None:
        """Put 1 for each listed line whose contact is closed, else 0. Raises: DriverError."""
        if not self._started or self._read(_GPPU) & self._mask != self._pulled or self._mask & ~self._read(_IODIR):
            raise DriverError(NOT_READY, self.where() + ": its lines are not set up, so it lost its supply")
        levels = self._read(_GPIO)
        for place in range(len(self._lines)):
            values[place] = compensate_closed(levels, self._lines[place], self._active_high)

    def _read(self, register: int) -> int:
        """The register of port A, and above it that of port B."""
        self._bus.read_register_into(self._address, register, self._pair)
        return self._pair[0] | self._pair[1] << 8

    def _set(self, register: int, bits: int) -> None:
        """Give the listed lines these bits."""
        before = self._read(register)
        after = before & ~self._mask | bits
        if after != before:
            self._order[0] = register
            self._order[1] = after & 0xFF
            self._order[2] = after >> 8
            self._bus.write(self._address, self._order)


def make(io, cfg) -> MCP23017Inputs:
    """The inputs that a board file's entry describes."""
    return MCP23017Inputs(io.i2c(cfg["bus"]), cfg)
