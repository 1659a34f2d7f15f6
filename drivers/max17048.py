"""MAX17048 fuel gauge of a single lithium cell (Analog Devices, formerly Maxim), I2C.

Datasheet: 19-6171 revision 7 (November 2016), "Register Summary" and the sections of each register.

| channel | property                | unit | range        | sigma  |
|---------|-------------------------|------|--------------|--------|
| voltage | voltage                 | V    | 2.5 .. 5     | 0.0043 |
| charge  | state_of_charge         | %    | 0 .. 110     | 5      |
| rate    | state_of_charge_rate    | %/h  | -1000 .. 1000 | 1     |

    gauge = make(io, {"bus": "i2c0"})
    wait_ms = gauge.start()         # 250 ms after it was powered, nothing later
    gauge.read_into(values)         # values[0] V, values[1] % of the cell's capacity, values[2] % per hour

Board file keys: `bus`; `address` (0x36, there is no other); `rcomp` (0x97): the cell's compensation, from its maker.
Limits: rate is positive while the cell charges. Charge comes from a model of a usual lithium-ion cell, not from
counting current: sigma is a usual error, other chemistries differ more. The cell powers the chip: below 2.5 V there is
no answer.
"""

from .errors import BAD_ID, NOT_READY, DriverError, check_range

CHANNELS = (
    ("voltage", "voltage", "V", 2.5, 5, 0.0043, 0.000078125, 0.0075, 0.25),
    ("charge", "state_of_charge", "%", 0, 110, 5, 0.00390625, 0, 0),
    ("rate", "state_of_charge_rate", "%/h", -1000, 1000, 1, 0.208, 0, 0),
)
PERIOD_MIN_MS = 250

_REG_VCELL = 0x02  # VCELL Register; SOC follows at 0x04
_REG_VERSION = 0x08  # VERSION Register
_REG_CONFIG = 0x0C  # CONFIG Register: RCOMP, sleep, alert threshold
_REG_CRATE = 0x16  # CRATE Register
_REG_STATUS = 0x1A  # STATUS Register

_VERSION = 0x0010
_RESET_INDICATOR = 0x01  # STATUS: RI, in the high byte
_ALERT_AT_4_PERCENT = 0x1C
_FIRST_WAIT_MS = 250  # "Power-On Reset": first charge after 17 ms of debounce and a conversion; VCELL every 250 ms


def compensate_voltage(word: int) -> float:
    """Cell voltage in V from VCELL, 78.125 uV a count."""
    return word * 0.000078125


def compensate_charge(word: int) -> float:
    """State of charge in % from SOC, 1/256 % a count."""
    return word / 256.0


def compensate_rate(word: int) -> float:
    """Change of charge in % per hour from CRATE, two's complement, 0.208 %/h a count."""
    return (word - 0x10000 if word & 0x8000 else word) * 0.208


class MAX17048:
    """The gauge on an I2C bus."""

    def __init__(self, bus, address: int = 0x36, rcomp: int = 0x97) -> None:
        self._bus = bus
        self._address = address
        self._four = bytearray(4)
        self._word = bytearray(2)
        self._setup = bytearray((_REG_CONFIG, rcomp, _ALERT_AT_4_PERCENT))
        self._clear = bytearray((_REG_STATUS, 0, 0))
        self._running = False

    def start(self) -> int:
        """Set the gauge up after it was powered; wait in ms before `read_into`. Raises: DriverError."""
        if self._running:
            return 0
        self._identify()
        was_reset = self._register(_REG_STATUS) >> 8 & _RESET_INDICATOR
        self._bus.write(self._address, self._setup)
        if was_reset:
            self._bus.write(self._address, self._clear)
        self._running = True
        return _FIRST_WAIT_MS

    def read_into(self, values) -> None:
        """Put V, % and % per hour in `values`. Raises: DriverError; `start` then sets the gauge up again."""
        running, self._running = self._running, False
        if not running:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        if self._register(_REG_STATUS) >> 8 & _RESET_INDICATOR:
            raise DriverError(NOT_READY, self.where() + ": was reset (cell changed, or its voltage dipped)")
        self._bus.read_register_into(self._address, _REG_VCELL, self._four)
        four = self._four
        if not (four[0] or four[1]):
            raise DriverError(NOT_READY, self.where() + ": has not measured yet")
        values[0] = compensate_voltage(four[0] << 8 | four[1])
        values[1] = compensate_charge(four[2] << 8 | four[3])
        values[2] = compensate_rate(self._register(_REG_CRATE))
        check_range(CHANNELS, values, self)
        self._running = True

    def _identify(self) -> None:
        found = self._register(_REG_VERSION)
        if found & 0xFFF0 != _VERSION:
            raise DriverError(BAD_ID, self.where() + f": expected version 0x001x, found 0x{found:04x}")

    def _register(self, register: int) -> int:
        self._bus.read_register_into(self._address, register, self._word)
        return self._word[0] << 8 | self._word[1]

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"MAX17048 at 0x{self._address:02x} on {self._bus.name}"


def make(io, cfg) -> MAX17048:
    """The gauge that a board file's entry describes."""
    return MAX17048(io.i2c(cfg["bus"]), cfg.get("address") or 0x36, cfg.get("rcomp", 0x97))
