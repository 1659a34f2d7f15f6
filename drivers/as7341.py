"""AS7341 spectral sensor (ams OSRAM), I2C: eight bands of visible light, clear and near infrared, with its own gain.

Datasheet: DS000504 version 3-00 (June 2020); which photodiode goes to which converter: application note AN000666.

| channel | property               | unit | range    | sigma |
|---------|------------------------|------|----------|-------|
| f1      | basic_counts_at_415_nm | 1/ms | 0 .. 720 | 0.1   |
| f2      | basic_counts_at_445_nm | 1/ms | 0 .. 720 | 0.1   |
| f3      | basic_counts_at_480_nm | 1/ms | 0 .. 720 | 0.1   |
| f4      | basic_counts_at_515_nm | 1/ms | 0 .. 720 | 0.1   |
| f5      | basic_counts_at_555_nm | 1/ms | 0 .. 720 | 0.1   |
| f6      | basic_counts_at_590_nm | 1/ms | 0 .. 720 | 0.1   |
| f7      | basic_counts_at_630_nm | 1/ms | 0 .. 720 | 0.1   |
| f8      | basic_counts_at_680_nm | 1/ms | 0 .. 720 | 0.1   |
| clear   | basic_counts_of_clear  | 1/ms | 0 .. 720 | 0.1   |
| nir     | basic_counts_at_910_nm | 1/ms | 0 .. 720 | 0.1   |

    sensor = make(io, {"bus": "i2c0"})
    wait_ms = sensor.start()
    while wait_ms := sensor.read_into(values):
        ...                         # come back after wait_ms: two halves, each switched, then measured

Basic counts are counts of the converter divided by gain and milliseconds of integration, so that a change of gain does
not show.

Board file keys: `bus`; `address` (0x39).
Limits: basic counts have no radiometric scale: compare bands of one sensor, or calibrate against a lamp. sigma is our
estimate, not the datasheet's. The two halves are 60 ms apart: flickering light looks different in them.
"""

from .errors import BAD_ID, NOT_READY, OUT_OF_RANGE, DriverError, check_range

_LIMITS = ("1/ms", 0, 720, 0.1, 0.00004, 0, 0)
CHANNELS = (
    ("f1", "basic_counts_at_415_nm") + _LIMITS,
    ("f2", "basic_counts_at_445_nm") + _LIMITS,
    ("f3", "basic_counts_at_480_nm") + _LIMITS,
    ("f4", "basic_counts_at_515_nm") + _LIMITS,
    ("f5", "basic_counts_at_555_nm") + _LIMITS,
    ("f6", "basic_counts_at_590_nm") + _LIMITS,
    ("f7", "basic_counts_at_630_nm") + _LIMITS,
    ("f8", "basic_counts_at_680_nm") + _LIMITS,
    ("clear", "basic_counts_of_clear") + _LIMITS,
    ("nir", "basic_counts_at_910_nm") + _LIMITS,
)
PERIOD_MIN_MS = 250

_REG_ENABLE = 0x80  # 10.2
_REG_ATIME = 0x81
_REG_ID = 0x92  # bits 7:2
_REG_ASTATUS = 0x94  # reading it latches the twelve bytes of data behind it
_REG_STATUS2 = 0xA3
_REG_CFG1 = 0xAA  # gain
_REG_CFG6 = 0xAF
_REG_ASTEP = 0xCA

_PART = 0x24
_ON, _MEASURE, _SWITCH = 0x01, 0x02, 0x10
_SMUX_FROM_RAM = 0x10
_VALID = 0x40
_SATURATED = 0x80  # digital or analogue, of the data that was latched
_GAIN = 0x0F
# RAM 0x00 to 0x13: each half byte is a photodiode, its number the converter, counted from 1 (AN000666).
_HALVES = (
    b"\x00\x30\x01\x00\x00\x00\x42\x00\x00\x50\x00\x00\x00\x20\x04\x00\x30\x01\x50\x00\x06",
    b"\x00\x00\x00\x00\x40\x02\x00\x10\x03\x50\x10\x03\x00\x00\x00\x24\x00\x00\x50\x00\x06",
)
_SWITCH_MS = 2
_ATIME, _ASTEP = 29, 599
_FULL = (_ATIME + 1) * (_ASTEP + 1)  # 8.5: a converter counts at most once a step
_INTEGRATION_MS = _FULL * 0.00278
_MEASURE_MS = 60  # its oscillator may be slow
_GAIN_MAX = 10  # 512; 0 is 0.5, each step doubles
_FIRST_GAIN = 6
_DOWN = 3
_TRIES = 8


def compensate_worth(gain_code: int) -> float:
    """What one count is worth in basic counts (1/ms), at a gain of 0.5 (0), 1, 2 .. 512 (10)."""
    return 2.0 / ((1 << gain_code) * _INTEGRATION_MS)


class AS7341:
    """The sensor on an I2C bus; it idles between readings."""

    def __init__(self, bus, address: int = 0x39) -> None:
        self._bus = bus
        self._address = address
        self._byte = bytearray(1)
        self._data = (bytearray(13), bytearray(13))
        self._gain = _FIRST_GAIN
        self._half = self._tries = 0
        self._known = self._started = self._switching = self._lowered = False

    def start(self) -> int:
        """Switch the first half at the gain of the last reading; wait in ms before `read_into`. Raises: DriverError."""
        self._started = False
        if not self._known:
            self._identify()
        self._known = False
        self._bus.write_register(self._address, _REG_ATIME, _ATIME)
        self._bus.write_register(self._address, _REG_ASTEP, _ASTEP & 0xFF)
        self._bus.write_register(self._address, _REG_ASTEP + 1, _ASTEP >> 8)
        self._tries, self._lowered = 0, False
        wait_ms = self._again()
        self._started = self._known = True
        return wait_ms

    def read_into(self, values) -> int:
        """Put ten basic counts in `values`, or nothing yet: ms to wait before the next call. Raises: DriverError."""
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._started = self._known = False
        if self._switching:
            self._check_enable(_ON)
            self._bus.write_register(self._address, _REG_ENABLE, _ON | _MEASURE)
            self._switching, wait_ms = False, _MEASURE_MS
        else:
            self._fetch()
            wait_ms = self._next()
        if not wait_ms:
            self._fill(values)
        self._started, self._known = wait_ms > 0, True
        return wait_ms

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"AS7341 at 0x{self._address:02x} on {self._bus.name}"

    def _identify(self) -> None:
        found = self._register(_REG_ID) & 0xFC
        if found != _PART:
            raise DriverError(BAD_ID, self.where() + f": expected id 0x{_PART:02x}, found 0x{found:02x}")

    def _again(self) -> int:
        """Begin with the first half; ms to wait."""
        self._tries += 1
        self._bus.write_register(self._address, _REG_ENABLE, _ON)
        self._bus.write_register(self._address, _REG_CFG1, self._gain)
        return self._switch(0)

    def _switch(self, half: int) -> int:
        """Connect a half's photodiodes, which may not measure meanwhile (8.4); ms to wait."""
        self._half, self._switching = half, True
        self._bus.write_register(self._address, _REG_ENABLE, _ON)
        self._bus.write_register(self._address, _REG_CFG6, _SMUX_FROM_RAM)
        self._bus.write(self._address, _HALVES[half])
        self._bus.write_register(self._address, _REG_ENABLE, _ON | _SWITCH)
        return _SWITCH_MS

    def _fetch(self) -> None:
        """Read the half that was measured."""
        self._check_enable(_ON | _MEASURE)
        if not self._register(_REG_STATUS2) & _VALID:
            raise DriverError(NOT_READY, self.where() + ": asked before its measurement was over")
        data = self._data[self._half]
        self._bus.read_register_into(self._address, _REG_ASTATUS, data)
        if data[0] & _GAIN != self._gain:
            text = f": expected gain {self._gain}, found {data[0] & _GAIN}"
            raise DriverError(NOT_READY, self.where() + text)

    def _next(self) -> int:
        """What comes after a half: the same at another gain, the other one, or (0) the reading."""
        if self._data[self._half][0] & _SATURATED or self._peak(self._half) >= _FULL:
            return self._less_gain()
        if self._half == 0:
            return self._switch(1)
        peak, before = max(self._peak(0), self._peak(1)), self._gain
        gain = before
        while gain < _GAIN_MAX and peak << (gain - before) < _FULL // 16:
            gain += 1
        too_dark = peak < _FULL // 64 and gain > before
        if too_dark and not self._lowered and self._tries < _TRIES:
            self._gain = gain
            return self._again()
        return 0

    def _less_gain(self) -> int:
        """Begin again at an eighth of the gain. Raises: DriverError at the lowest one."""
        if self._gain == 0:
            raise DriverError(OUT_OF_RANGE, self.where() + ": brighter than its lowest gain can measure")
        self._gain = max(0, self._gain - _DOWN)
        self._lowered = True
        return self._again()

    def _peak(self, half: int) -> int:
        best = 0
        for place in range(6):
            best = max(best, self._counts(half, place))
        return best

    def _counts(self, half: int, place: int) -> int:
        data = self._data[half]
        return data[2 * place + 2] << 8 | data[2 * place + 1]

    def _fill(self, values) -> None:
        """Put both halves in `values`; clear and near infrared are those of the second."""
        worth = compensate_worth(self._gain)
        for place in range(4):
            values[place] = self._counts(0, place) * worth
        for place in range(6):
            values[4 + place] = self._counts(1, place) * worth
        check_range(CHANNELS, values, self)

    def _check_enable(self, expected: int) -> None:
        """A chip that still switches says so here, and one that lost power has 0."""
        found = self._register(_REG_ENABLE)
        if found != expected:
            text = f": still switching or lost power: expected ENABLE 0x{expected:02x}, found 0x{found:02x}"
            raise DriverError(NOT_READY, self.where() + text)

    def _register(self, register: int) -> int:
        self._bus.read_register_into(self._address, register, self._byte)
        return self._byte[0]


def make(io, cfg) -> AS7341:
    """The sensor that a board file's entry describes."""
    return AS7341(io.i2c(cfg["bus"]), cfg.get("address") or 0x39)
