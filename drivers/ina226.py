"""INA226 voltage, current and power monitor (Texas Instruments), I2C.

Datasheet: SBOS547B (September 2024); section numbers below refer to it. One triggered conversion per reading.

| channel | property | unit | range         | sigma  |
|---------|----------|------|---------------|--------|
| voltage | voltage  | V    | 0 .. 36       | 0.0045 |
| current | current  | A    | -8.19 .. 8.19 | 0.0006 |
| power   | power    | W    | -295 .. 295   | 0.03   |

    meter = make(io, {"bus": "i2c0", "address": 0x40, "shunt_ohm": 0.01})
    wait_ms = meter.start()
    meter.read_into(values)         # values[0] V at VBUS, values[1] A through the shunt, values[2] W

Board file keys: `bus`; `address` (0x40..0x4F by A0 and A1); `shunt_ohm` (0.01); `average` (16; 1, 4, 64, 128, 256, 512,
1024): conversions of 1.1 ms, of both voltages, that a reading is the mean of.
`channels(cfg)` gives the ranges for the entry's shunt; the table is for 0.01 Ohm.
Limits: the shunt's tolerance and warming come on top of sigma. Current is computed from the shunt's voltage, not in the
chip, so that no calibration register can be lost or round it.
"""

from .errors import BAD_ID, NOT_READY, OUT_OF_RANGE, DriverError, check_range

CHANNELS = (
    ("voltage", "voltage", "V", 0, 36, 0.0045, 0.00125, 0.0075, 0),
    ("current", "current", "A", -8.19, 8.19, 0.0006, 0.00025, 0.001, 0),
    ("power", "power", "W", -295, 295, 0.03, 0.01, 0, 0),
)
PERIOD_MIN_MS = 10

_REG_CONFIGURATION = 0x00  # 7.1.1
_REG_SHUNT = 0x01  # 7.1.2
_REG_BUS = 0x02  # 7.1.3
_REG_MASK = 0x06  # 7.1.7
_REG_MANUFACTURER = 0xFE  # 7.1.9
_REG_DIE = 0xFF  # 7.1.10

_MANUFACTURER_ID = 0x5449
_DIE_ID = 0x226
_ALWAYS_SET = 0x4000  # 7.1.1: bit 14 of the reset value
_TIMES_1_1_MS = 4 << 6 | 4 << 3
_TRIGGERED_BOTH = 3
_CONVERSION_READY = 0x08  # 7.1.7: CVRF
_AVERAGES = (1, 4, 16, 64, 128, 256, 512, 1024)
_TABLE_SHUNT_OHM = 0.01


def compensate_shunt(code_raw: int) -> float:
    """Voltage over the shunt in V from the register's unsigned 16 bits, 2.5 uV a count (7.1.2)."""
    if code_raw & 0x8000:
        code_raw -= 0x10000
    return code_raw * 2.5e-6


def compensate_bus(code_raw: int) -> float:
    """Voltage at VBUS in V, 1.25 mV a count (7.1.3)."""
    return code_raw * 1.25e-3


def conversion_ms(average: int) -> int:
    """Longest time in ms for both voltages: 1.21 ms each and average (5.5), rounded up."""
    return average * 242 // 100 + 1


def channels(cfg) -> tuple:
    """The channels of an entry: ranges and uncertainties of current and power go with 1 / `shunt_ohm`."""
    factor = _TABLE_SHUNT_OHM / cfg.get("shunt_ohm", _TABLE_SHUNT_OHM)
    scaled = [channel[:3] + tuple([value * factor for value in channel[3:8]]) + channel[8:] for channel in CHANNELS[1:]]
    return (CHANNELS[0],) + tuple(scaled)


class INA226:
    """The monitor at an address of an I2C bus."""

    def __init__(self, bus, cfg) -> None:
        average = cfg.get("average", 16)
        self._bus = bus
        self._address = cfg.get("address") or 0x40
        self._shunt_ohm = cfg.get("shunt_ohm", _TABLE_SHUNT_OHM)
        self._channels = channels(cfg)
        self._wait_ms = conversion_ms(average)
        self._configuration = _ALWAYS_SET | _AVERAGES.index(average) << 9 | _TIMES_1_1_MS | _TRIGGERED_BOTH
        self._command = bytearray((_REG_CONFIGURATION, self._configuration >> 8, self._configuration & 0xFF))
        self._word = bytearray(2)
        self._known = False
        self._started = False

    def start(self) -> int:
        """Start converting both voltages; wait in ms before `read_into`. Raises: DriverError."""
        self._started = False
        if not self._known:
            self._identify()
        self._bus.write(self._address, self._command)
        self._started = True
        return self._wait_ms

    def read_into(self, values) -> None:
        """Put V, A and W in `values`. Raises: DriverError; `start` then identifies the chip again."""
        known, self._known = self._known, False
        if not (known and self._started):
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._started = False
        self._check_converted()
        shunt_raw = self._register(_REG_SHUNT)
        if shunt_raw in (0x7FFF, 0x8000):
            raise DriverError(OUT_OF_RANGE, self.where() + ": more than 81.9 mV over the shunt")
        values[0] = compensate_bus(self._register(_REG_BUS))
        values[1] = compensate_shunt(shunt_raw) / self._shunt_ohm
        values[2] = values[0] * values[1]
        check_range(self._channels, values, self)
        self._known = True

    def _identify(self) -> None:
        maker, die = self._register(_REG_MANUFACTURER), self._register(_REG_DIE)
        if maker != _MANUFACTURER_ID or die >> 4 != _DIE_ID:
            text = f": expected ids 0x{_MANUFACTURER_ID:04x} 0x{_DIE_ID:03x}0, found 0x{maker:04x} 0x{die:04x}"
            raise DriverError(BAD_ID, self.where() + text)
        self._known = True

    def _check_converted(self) -> None:
        """The settings first: after a power dip the chip converts by itself with others."""
        found = self._register(_REG_CONFIGURATION)
        if found != self._configuration:
            text = f": lost its settings (power dip?): expected 0x{self._configuration:04x}, found 0x{found:04x}"
            raise DriverError(NOT_READY, self.where() + text)
        if not self._register(_REG_MASK) & _CONVERSION_READY:
            raise DriverError(NOT_READY, self.where() + ": still converting")

    def _register(self, register: int) -> int:
        self._bus.read_register_into(self._address, register, self._word)
        return self._word[0] << 8 | self._word[1]

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"INA226 at 0x{self._address:02x} on {self._bus.name}"


def make(io, cfg) -> INA226:
    """The monitor that a board file's entry describes."""
    return INA226(io.i2c(cfg["bus"]), cfg)
