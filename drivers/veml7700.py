"""VEML7700 ambient light sensor (Vishay), I2C, which ranges over gain and integration time by itself.

Datasheet: Vishay 84286 revision 1.8; application note 84323, "Designing the VEML7700 Into an Application", for the
order of ranges and the correction.

| channel     | property                                     | unit | range       | sigma |
|-------------|----------------------------------------------|------|-------------|-------|
| illuminance | illuminance                                  | lx   | 0 .. 140000 | 10    |

    sensor = make(io, {"bus": "i2c0"})
    wait_ms = sensor.start()
    while wait_ms := sensor.read_into(values):
        ...                         # come back after wait_ms: it measures again in another range

Board file keys: `bus`; `address` (0x10); `window` (1.0): what a cover lets through, as a fraction.
Limits: tolerance 10 % of the value, between lamps of different kinds too. Above 1000 lx the sensor falls behind the
light; the note's polynomial corrects it and holds to 120,000 lx, full sun. Where it sets in the reading steps up by
7.5 %. In the dark a reading takes up to 2 s, as the last range integrates for 800 ms.
"""

from .errors import BAD_ID, NOT_READY, OUT_OF_RANGE, DriverError, check_range

CHANNELS = (("illuminance", "illuminance", "lx", 0, 140000, 10, 0.0042, 0, 0.1),)
PERIOD_MIN_MS = 250

_REG_CONFIG = 0x00  # table 1: gain in bits 12:11, integration time in 9:6, shut down in bit 0
_REG_LIGHT = 0x04  # table 5
_REG_ID = 0x07  # table 8

_SHUT_DOWN = 0x0001
_ID_LOW = 0x81
# From bright to dark: configuration word, integration time in ms, how many of the finest counts one count is.
_RANGES = (
    (0x1300, 25, 512),
    (0x1200, 50, 256),
    (0x1000, 100, 128),
    (0x1800, 100, 64),
    (0x0000, 100, 16),
    (0x0800, 100, 8),
    (0x0840, 200, 4),
    (0x0880, 400, 2),
    (0x08C0, 800, 1),
)
_FIRST_RANGE = 2
_FINEST_LX = 0.0042  # lx a count at gain 2 and 800 ms
_FULL = 0xFFFF
_HIGH, _LOW = 10000, 100  # counts at which the note changes range
_STRAIGHT_LX = 1000.0
_WAKE_MS = 3  # 2.5 ms from shut down to measuring (note)


def compensate_lux(code_raw: int, fineness: int) -> float:
    """Illuminance in lx from a count that is worth `fineness` of the finest counts (datasheet, resolution table)."""
    return code_raw * fineness * _FINEST_LX


def compensate_bright(lux: float) -> float:
    """Illuminance in lx, corrected above 1000 lx (application note, figure 6)."""
    if lux <= _STRAIGHT_LX:
        return lux
    return (((6.0135e-13 * lux - 9.3924e-9) * lux + 8.1488e-5) * lux + 1.0023) * lux


class VEML7700:
    """The sensor on an I2C bus; it sleeps between readings."""

    def __init__(self, bus, millis, address: int = 0x10, window: float = 1.0) -> None:
        self._bus = bus
        self._millis = millis
        self._address = address
        self._window = window
        self._word = bytearray(2)
        self._command = bytearray(3)
        self._range = _FIRST_RANGE
        self._known = self._started = False
        self._tries = self._ready_ms = 0

    def start(self) -> int:
        """Measure in the range of the last reading; wait in ms before `read_into`. Raises: DriverError."""
        self._started = False
        if not self._known:
            self._identify()
        self._tries = 0
        wait_ms = self._measure()
        self._started = True
        return wait_ms

    def read_into(self, values) -> int:
        """Put lx in `values[0]`, or nothing yet: ms to wait before the next call. Raises: DriverError."""
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._started, known, self._known = False, self._known, False
        self._check_config()
        if self._millis() < self._ready_ms:
            raise DriverError(NOT_READY, self.where() + ": asked before its measurement was over")
        code_raw = self._register(_REG_LIGHT)
        better = self._better_range(code_raw)
        if better != self._range and self._tries < len(_RANGES):
            self._range = better
            wait_ms = self._measure()
            self._started, self._known = True, known
            return wait_ms
        self._write(_RANGES[self._range][0] | _SHUT_DOWN)
        self._known = True
        if code_raw == _FULL:
            raise DriverError(OUT_OF_RANGE, self.where() + ": brighter than its least sensitive range")
        values[0] = compensate_bright(compensate_lux(code_raw, _RANGES[self._range][2])) / self._window
        check_range(CHANNELS, values, self)
        return 0

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"VEML7700 at 0x{self._address:02x} on {self._bus.name}"

    def _identify(self) -> None:
        found = self._register(_REG_ID) & 0xFF
        if found != _ID_LOW:
            raise DriverError(BAD_ID, self.where() + f": expected id 0x{_ID_LOW:02x}, found 0x{found:02x}")
        self._known = True

    def _measure(self) -> int:
        """Begin a measurement: a change of range while it runs would mix two."""
        config, integration_ms, _ = _RANGES[self._range]
        self._tries += 1
        self._write(config | _SHUT_DOWN)
        self._write(config)
        wait_ms = _WAKE_MS + integration_ms + integration_ms // 4  # its oscillator may be slow
        self._ready_ms = self._millis() + wait_ms  # until then the register holds the measurement before
        return wait_ms

    def _better_range(self, code_raw: int) -> int:
        """The range in which this light gives between 100 and 10,000 counts, or the one nearest to that."""
        best = self._range
        if code_raw == _FULL:
            return max(0, best - 3)
        fineness = _RANGES[best][2]
        while best and code_raw * fineness > _HIGH * _RANGES[best][2]:
            best -= 1
        while best + 1 < len(_RANGES) and code_raw * fineness < _LOW * _RANGES[best][2]:
            best += 1
        return best

    def _check_config(self) -> None:
        """A chip that lost power meanwhile has its configuration of old."""
        found, expected = self._register(_REG_CONFIG), _RANGES[self._range][0]
        if found != expected:
            text = f": expected configuration 0x{expected:04x}, found 0x{found:04x}"
            raise DriverError(BAD_ID, self.where() + text)

    def _register(self, register: int) -> int:
        self._bus.read_register_into(self._address, register, self._word)
        return self._word[1] << 8 | self._word[0]

    def _write(self, config: int) -> None:
        self._command[0] = _REG_CONFIG
        self._command[1] = config & 0xFF
        self._command[2] = config >> 8
        self._bus.write(self._address, self._command)


def make(io, cfg) -> VEML7700:
    """The sensor that a board file's entry describes."""
    return VEML7700(io.i2c(cfg["bus"]), io.millis, cfg.get("address") or 0x10, cfg.get("window", 1.0))
