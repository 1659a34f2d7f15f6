"""AMG8833 thermal array (Panasonic Grid-EYE), I2C: 64 pixels of what it sees, told as four figures and its own heat.

Specifications: Panasonic ADI8000C66, "Infrared Array Sensor Grid-EYE", register map and operating modes.

| channel      | property            | unit | range     | sigma |
|--------------|---------------------|------|-----------|-------|
| housing      | temperature         | Cel  | -20 .. 80 | 1     |
| mean         | surface_temperature | Cel  | -20 .. 100 | 2.5  |
| minimum      | surface_temperature | Cel  | -20 .. 100 | 2.5  |
| maximum      | surface_temperature | Cel  | -20 .. 100 | 2.5  |
| hottest_four | surface_temperature | Cel  | -20 .. 100 | 2.5  |

    sensor = make(io, {"bus": "i2c0", "address": 0x69})
    wait_ms = sensor.start()        # 15 s after its power-up, 1.1 s later on
    sensor.read_into(values)

`hottest_four` is what at least four pixels reach: one pixel with a fault, or a spark, does not move it. One frame a
second, each the mean of ten inside the sensor.

Board file keys: `bus`; `address` (0x69; 0x68 with AD_SELECT at GND).
Limits: 2.5 Cel between 0 and 80 Cel for a surface that fills a pixel (7.5 degrees of view) and radiates like a black
body: bare metal shows its surroundings. After power-up it takes 15 s until readings are steady.
"""

from .errors import NOT_READY, DriverError, check_range

CHANNELS = (
    ("housing", "temperature", "Cel", -20, 80, 1, 0.0625, 0, 0),
    ("mean", "surface_temperature", "Cel", -20, 100, 2.5, 0.25, 0, 1),
    ("minimum", "surface_temperature", "Cel", -20, 100, 2.5, 0.25, 0, 1),
    ("maximum", "surface_temperature", "Cel", -20, 100, 2.5, 0.25, 0, 1),
    ("hottest_four", "surface_temperature", "Cel", -20, 100, 2.5, 0.25, 0, 1),
)
PERIOD_MIN_MS = 1200
READ_MAX_MS = 17000  # with a start anew

_REG_POWER = 0x00
_REG_RESET = 0x01
_REG_RATE = 0x02
_REG_THERMISTOR = 0x0E
_REG_PIXELS = 0x80

_NORMAL = 0x00
_INITIAL_RESET = 0x3F
_ONE_A_SECOND = 0x01
_PIXELS = 64
_SETTLE_MS = 15000  # until its output is steady
_FRAME_MS = 1100  # a frame that began after the last reading
_HOTTEST = 4


def compensate_pixel(low: int, high: int) -> int:
    """Quarters of a Cel: twelve bits, two's complement, in a register pair."""
    code = (high & 0x0F) << 8 | low
    return code - 4096 if code & 0x800 else code


def compensate_thermistor(low: int, high: int) -> float:
    """Temperature in Cel: bit 11 is the sign, the eleven below it are sixteenths of its amount."""
    sixteenths = (high & 0x07) << 8 | low
    return -sixteenths / 16 if high & 0x08 else sixteenths / 16


class AMG8833:
    """The sensor at an address of an I2C bus; it runs all the time."""

    def __init__(self, bus, millis, address: int = 0x69) -> None:
        self._bus = bus
        self._millis = millis
        self._address = address
        self._two = bytearray(2)
        self._frame = bytearray(2 * _PIXELS)
        self._best = [0] * _HOTTEST
        self._started = False
        self._ready_ms = 0

    def start(self) -> int:
        """Set it up unless it still is, and wait for a frame; ms before `read_into`. Raises: DriverError."""
        self._started = False
        wait_ms = _FRAME_MS
        if not self._is_set_up():
            self._bus.write_register(self._address, _REG_POWER, _NORMAL)
            self._bus.write_register(self._address, _REG_RESET, _INITIAL_RESET)
            self._bus.write_register(self._address, _REG_RATE, _ONE_A_SECOND)
            wait_ms = _SETTLE_MS
        self._ready_ms = self._millis() + wait_ms
        self._started = True
        return wait_ms

    def read_into(self, values) -> None:
        """Put five temperatures in Cel in `values`. Raises: DriverError; `start` then looks at the chip again."""
        started, self._started = self._started, False
        if not started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        if self._millis() < self._ready_ms:
            raise DriverError(NOT_READY, self.where() + ": asked before its frame was over")
        self._bus.read_register_into(self._address, _REG_PIXELS, self._frame)
        self._bus.read_register_into(self._address, _REG_THERMISTOR, self._two)
        values[0] = compensate_thermistor(self._two[0], self._two[1])
        if not self._is_set_up():
            raise DriverError(NOT_READY, self.where() + ": lost its settings while it measured (power dip?)")
        self._summarise(values)
        check_range(CHANNELS, values, self)

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"AMG8833 at 0x{self._address:02x} on {self._bus.name}"

    def _is_set_up(self) -> bool:
        """Whether it runs at one frame a second: after a loss of power it would make ten."""
        self._bus.read_register_into(self._address, _REG_POWER, self._two)
        if self._two[0] != _NORMAL:
            return False
        self._bus.read_register_into(self._address, _REG_RATE, self._two)
        return self._two[0] & 1 == _ONE_A_SECOND

    def _summarise(self, values) -> None:
        total, low, best = 0, 2048, self._best
        for place in range(_HOTTEST):
            best[place] = -2048
        for at in range(0, 2 * _PIXELS, 2):
            quarters = compensate_pixel(self._frame[at], self._frame[at + 1])
            total += quarters
            low = min(low, quarters)
            self._keep(quarters)
        values[1] = total / (4 * _PIXELS)
        values[2] = low / 4
        values[3] = best[0] / 4
        values[4] = best[_HOTTEST - 1] / 4

    def _keep(self, quarters: int) -> None:
        """Put a pixel among the hottest ones, which are in order."""
        best, place = self._best, _HOTTEST - 1
        if quarters <= best[place]:
            return
        while place and best[place - 1] < quarters:
            best[place] = best[place - 1]
            place -= 1
        best[place] = quarters


def make(io, cfg) -> AMG8833:
    """The sensor that a board file's entry describes."""
    return AMG8833(io.i2c(cfg["bus"]), io.millis, cfg.get("address") or 0x69)
