"""LIS3DH three-axis accelerometer (STMicroelectronics), I2C, read through its FIFO.

Datasheet: DocID17530 revision 2 (December 2016), FIFO: application note AN3308; section numbers refer to the datasheet.

| channel   | property     | unit | range      | sigma |
|-----------|--------------|------|------------|-------|
| x         | acceleration | m/s2 | -20 .. 20  | 0.4   |
| y         | acceleration | m/s2 | -20 .. 20  | 0.4   |
| z         | acceleration | m/s2 | -20 .. 20  | 0.4   |
| vibration | acceleration | m/s2 | 0 .. 35    | 0.05  |

    sensor = make(io, {"bus": "i2c0", "address": 0x18})
    wait_ms = sensor.start()        # 330 ms the first time, nothing later
    sensor.read_into(values)        # values[0..2] means of the samples since the last reading, values[3] deviation

`vibration` is the root of the mean square of what the samples deviate from their mean, all axes together.

Below 500 ms: its FIFO keeps 32 samples.
Board file keys: `bus`; `address` (0x18, 0x19 with SA0 at VDD); `range_g` (2; 4, 8, 16); `rate_hz` (100; 1, 10, 25,
50, 200, 400).
`channels(cfg)` gives the ranges for the entry's `range_g`; the table is for 2 g.
Limits: the FIFO holds 32 samples: when more came since the last reading, a reading is of the newest 32 (`overruns`
counts). Offset is up to 0.4 m/s2 after soldering: calibrate a tilt. Vibration above half of `rate_hz` folds down.
"""

from .errors import BAD_ID, NOT_READY, OUT_OF_RANGE, DriverError, check_range

CHANNELS = (
    ("x", "acceleration", "m/s2", -20, 20, 0.4, 0.01, 0, 0),
    ("y", "acceleration", "m/s2", -20, 20, 0.4, 0.01, 0, 0),
    ("z", "acceleration", "m/s2", -20, 20, 0.4, 0.01, 0, 0),
    ("vibration", "acceleration", "m/s2", 0, 35, 0.05, 0.01, 0, 0),
)
PERIOD_MIN_MS = 20

_REG_WHO_AM_I = 0x0F  # 8.5
_REG_CTRL_1 = 0x20  # 8.8
_REG_CTRL_4 = 0x23  # 8.11
_REG_CTRL_5 = 0x24  # 8.12
_REG_OUT = 0x28  # 8.16
_REG_FIFO_CTRL = 0x2E  # 8.19
_REG_FIFO_SRC = 0x2F  # 8.20
_INCREMENT = 0x80  # 6.1.1: the address goes on by itself

_CHIP_ID = 0x33
_ALL_AXES = 0x07
_BLOCK_UPDATE_HIGH_RESOLUTION = 0x88
_FIFO_ENABLE = 0x40
_STREAM = 0x80
_OVERRUN = 0x40
_LEVEL = 0x1F
_DEPTH = 32
_FIRST_SAMPLES_MS = 330  # 32 samples at 100 Hz, and the turn-on time (table 14)
_RATES_HZ = (0, 1, 10, 25, 50, 100, 200, 400)  # table 31
_RANGES_G = (2, 4, 8, 16)  # table 37
_MG_PER_DIGIT = (1, 2, 4, 12)  # table 4, high resolution
_ENDS = (-2048, 2047)
_G = 9.80665


def compensate_axis(low: int, high: int) -> int:
    """Digits of 12 bits, left-justified in a register pair (8.16, table 4)."""
    code = high << 4 | low >> 4
    return code - 4096 if code & 0x800 else code


def compensate_acceleration(digits: int, count: int, mg_per_digit: int) -> float:
    """Mean acceleration in m/s2 from the sum of the digits of `count` samples (table 4)."""
    return digits * mg_per_digit * (_G / 1000.0) / count


def channels(cfg) -> tuple:
    """The channels of an entry: limits and resolution go with `range_g`."""
    place = _RANGES_G.index(cfg.get("range_g", 2))
    factor = _MG_PER_DIGIT[place]
    return tuple([c[:3] + (c[3] * factor, c[4] * factor, c[5], c[6] * factor) + c[7:] for c in CHANNELS])


class LIS3DH:
    """The sensor at an address of an I2C bus."""

    def __init__(self, bus, cfg) -> None:
        place = _RANGES_G.index(cfg.get("range_g", 2))
        rate_hz = cfg.get("rate_hz", 100)
        self._bus = bus
        self._address = cfg.get("address") or 0x18
        self._mg_per_digit = _MG_PER_DIGIT[place]
        self._channels = channels(cfg)
        self._ctrl_1 = _RATES_HZ.index(rate_hz) << 4 | _ALL_AXES
        self._ctrl_4 = _BLOCK_UPDATE_HIGH_RESOLUTION | place << 4
        self._first_ms = _FIRST_SAMPLES_MS if rate_hz >= 100 else 7000 // rate_hz + 10
        self._byte = bytearray(1)
        self._burst = bytearray(6 * _DEPTH)
        self._sample_ms = 1100 // rate_hz + 1
        self._running = self._asked = False
        self.overruns = 0

    def start(self) -> int:
        """Make sure it samples into its FIFO; wait in ms before `read_into`. Raises: DriverError."""
        self._asked = False
        if self._running:
            return 0
        self._identify()
        self._bus.write_register(self._address, _REG_CTRL_4, self._ctrl_4)
        self._bus.write_register(self._address, _REG_CTRL_5, _FIFO_ENABLE)
        self._bus.write_register(self._address, _REG_FIFO_CTRL, 0)  # bypass empties it (AN3308)
        self._bus.write_register(self._address, _REG_FIFO_CTRL, _STREAM)
        self._bus.write_register(self._address, _REG_CTRL_1, self._ctrl_1)
        self._running = True
        return self._first_ms

    def read_into(self, values):
        """Put the means and the deviation in m/s2 in `values`; ms until it is worth to ask again, else 0.

        Raises: DriverError; `start` then sets the chip up again.
        """
        running, self._running = self._running, False
        if not running:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        count = self._fetch()
        if not count and not self._asked:
            self._running = self._asked = True
            return self._sample_ms
        self._asked = False
        if not count:
            raise DriverError(NOT_READY, self.where() + ": no new sample")
        squares = 0
        for axis in range(3):
            squares += self._summarise(values, axis, count)
        values[3] = compensate_acceleration(1, 1, self._mg_per_digit) * (squares / count) ** 0.5
        check_range(self._channels, values, self)
        self._running = True
        return 0

    def _identify(self) -> None:
        found = self._register(_REG_WHO_AM_I)
        if found != _CHIP_ID:
            raise DriverError(BAD_ID, self.where() + f": expected id 0x{_CHIP_ID:02x}, found 0x{found:02x}")

    def _fetch(self) -> int:
        """Read what the FIFO has, in one transfer; how many samples that is."""
        found = self._register(_REG_CTRL_1)
        if found != self._ctrl_1:
            text = f": lost its settings (power dip?): expected 0x{self._ctrl_1:02x}, found 0x{found:02x}"
            raise DriverError(NOT_READY, self.where() + text)
        source = self._register(_REG_FIFO_SRC)
        full = source & _OVERRUN
        count = _DEPTH if full else source & _LEVEL
        self.overruns += 1 if full else 0
        if count:
            self._bus.read_register_into(self._address, _REG_OUT | _INCREMENT, self._burst)
        return count

    def _summarise(self, values, axis: int, count: int) -> int:
        """Put an axis's mean in m/s2 in `values`; the sum of the squares of what its samples deviate, in digits."""
        total = 0
        for at in range(2 * axis, 6 * count, 6):
            digits = compensate_axis(self._burst[at], self._burst[at + 1])
            if digits in _ENDS:
                raise DriverError(OUT_OF_RANGE, self.where() + f": {CHANNELS[axis][0]} is beyond range_g")
            total += digits
        values[axis] = compensate_acceleration(total, count, self._mg_per_digit)
        middle = total // count
        squares = 0
        for at in range(2 * axis, 6 * count, 6):
            digits = compensate_axis(self._burst[at], self._burst[at + 1]) - middle
            squares += digits * digits
        rest = total - middle * count
        return squares - rest * rest // count

    def _register(self, register: int) -> int:
        self._bus.read_register_into(self._address, register, self._byte)
        return self._byte[0]

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"LIS3DH at 0x{self._address:02x} on {self._bus.name}"


def make(io, cfg) -> LIS3DH:
    """The sensor that a board file's entry describes."""
    return LIS3DH(io.i2c(cfg["bus"]), cfg)
