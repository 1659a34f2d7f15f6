"""LIS3MDL three-axis magnetometer (STMicroelectronics), I2C, one measurement at a time.

Datasheet: DocID024204 revision 4 (May 2015); section numbers refer to it. Application note AN4602.

| channel     | property                | unit | range       | sigma |
|-------------|-------------------------|------|-------------|-------|
| x           | magnetic_flux_density   | uT   | -480 .. 480 | 60    |
| y           | magnetic_flux_density   | uT   | -480 .. 480 | 60    |
| z           | magnetic_flux_density   | uT   | -480 .. 480 | 60    |
| temperature | temperature             | Cel  | -40 .. 85   | 5     |

    sensor = make(io, {"bus": "i2c0", "address": 0x1c})
    wait_ms = sensor.start()
    sensor.read_into(values)

Board file keys: `bus`; `address` (0x1c; 0x1e with SA1 at VDD); `range_gauss` (4; 8, 12, 16).
`channels(cfg)` gives the ranges for the entry's `range_gauss`; the table is for 4.
Limits: zero is off by 100 uT as the datasheet has it, twice the earth's field, and differs from chip to chip: use
changes, or calibrate in place. `temperature` is that of the die, good for its changes: its offset is not specified.
Iron and currents within a metre belong to what it measures.
"""

from .errors import BAD_ID, NOT_READY, OUT_OF_RANGE, DriverError, check_range

CHANNELS = (
    ("x", "magnetic_flux_density", "uT", -480, 480, 60, 0.015, 0, 0),
    ("y", "magnetic_flux_density", "uT", -480, 480, 60, 0.015, 0, 0),
    ("z", "magnetic_flux_density", "uT", -480, 480, 60, 0.015, 0, 0),
    ("temperature", "temperature", "Cel", -40, 85, 5, 0.125, 0, 0),
)
PERIOD_MIN_MS = 50

_REG_WHO_AM_I = 0x0F  # 7.4
_REG_CTRL_1 = 0x20  # 7.5 to 7.9: five control registers
_REG_STATUS = 0x27  # 7.10
_REG_OUT = 0x28  # 7.11 to 7.13: three axes
_REG_TEMPERATURE = 0x2E  # 7.14
_INCREMENT = 0x80  # 5.1.1: the address goes on by itself

_CHIP_ID = 0x3D
_TEMPERATURE_ULTRA_80_HZ = 0xFC  # temperature on, x and y ultra-high performance, 80 Hz: single mode goes up to that
_SINGLE = 0x01
_ULTRA_Z = 0x0C
_BLOCK_UPDATE = 0x40
_ALL_NEW = 0x08
_MEASURE_MS = 25  # twice a period at 80 Hz
_RANGES_GAUSS = (4, 8, 12, 16)
_DIGITS_PER_GAUSS = (6842, 3421, 2281, 1711)  # table 3
_ENDS = (-32768, 32767)


def compensate_word(low: int, high: int) -> int:
    """Digits of a register pair, two's complement (7.11)."""
    code = high << 8 | low
    return code - 65536 if code & 0x8000 else code


def compensate_field(digits: int, digits_per_gauss: int) -> float:
    """Magnetic flux density in uT (table 3; a gauss is 100 uT)."""
    return digits * 100.0 / digits_per_gauss


def compensate_temperature(digits: int) -> float:
    """Temperature of the die in Cel: 8 digits a Cel, 0 at 25 Cel (table 4, AN4602)."""
    return 25.0 + digits / 8.0


def channels(cfg) -> tuple:
    """The channels of an entry: limits and resolution go with `range_gauss`."""
    factor = _RANGES_GAUSS.index(cfg.get("range_gauss", 4)) + 1
    axes = [c[:3] + (c[3] * factor, c[4] * factor, c[5], c[6] * factor) + c[7:] for c in CHANNELS[:3]]
    return tuple(axes) + CHANNELS[3:]


class LIS3MDL:
    """The sensor at an address of an I2C bus; it powers down by itself after each measurement."""

    def __init__(self, bus, cfg) -> None:
        place = _RANGES_GAUSS.index(cfg.get("range_gauss", 4))
        self._bus = bus
        self._address = cfg.get("address") or 0x1C
        self._digits_per_gauss = _DIGITS_PER_GAUSS[place]
        self._channels = channels(cfg)
        self._setup = bytes(
            (_REG_CTRL_1 | _INCREMENT, _TEMPERATURE_ULTRA_80_HZ, place << 5, _SINGLE, _ULTRA_Z, _BLOCK_UPDATE)
        )
        self._control = bytearray(5)
        self._one = bytearray(1)
        self._data = bytearray(6)
        self._two = bytearray(2)
        self._known = self._started = False

    def start(self) -> int:
        """Measure once; wait in ms before `read_into`. Raises: DriverError."""
        self._started = False
        if not self._known:
            self._identify()
        self._known = False
        if self._register(_REG_STATUS) & _ALL_NEW:  # left over: reading it makes room for what comes
            self._bus.read_register_into(self._address, _REG_OUT | _INCREMENT, self._data)
        self._bus.write(self._address, self._setup)
        self._known = self._started = True
        return _MEASURE_MS

    def read_into(self, values) -> None:
        """Put three fields in uT and a temperature in Cel in `values`. Raises: DriverError."""
        started, self._started, self._known = self._started, False, False
        if not started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._check_control()
        if not self._register(_REG_STATUS) & _ALL_NEW:
            raise DriverError(NOT_READY, self.where() + ": asked before its measurement was over")
        self._bus.read_register_into(self._address, _REG_OUT | _INCREMENT, self._data)
        # Apart: after the last axis the address turns back to the first.
        self._bus.read_register_into(self._address, _REG_TEMPERATURE | _INCREMENT, self._two)
        self._known = True
        for axis in range(3):
            digits = compensate_word(self._data[2 * axis], self._data[2 * axis + 1])
            if digits in _ENDS:
                raise DriverError(OUT_OF_RANGE, self.where() + f": {CHANNELS[axis][0]} is beyond range_gauss")
            values[axis] = compensate_field(digits, self._digits_per_gauss)
        values[3] = compensate_temperature(compensate_word(self._two[0], self._two[1]))
        check_range(self._channels, values, self)

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"LIS3MDL at 0x{self._address:02x} on {self._bus.name}"

    def _identify(self) -> None:
        found = self._register(_REG_WHO_AM_I)
        if found != _CHIP_ID:
            raise DriverError(BAD_ID, self.where() + f": expected id 0x{_CHIP_ID:02x}, found 0x{found:02x}")

    def _check_control(self) -> None:
        """A chip that lost power has its control registers of old; the third tells its mode, which changes."""
        self._bus.read_register_into(self._address, _REG_CTRL_1 | _INCREMENT, self._control)
        for place in (0, 1, 3, 4):
            found, expected = self._control[place], self._setup[place + 1]
            if found != expected:
                text = f": lost its settings (power dip?): expected 0x{expected:02x}, found 0x{found:02x}"
                raise DriverError(NOT_READY, self.where() + text)

    def _register(self, register: int) -> int:
        self._bus.read_register_into(self._address, register, self._one)
        return self._one[0]


def make(io, cfg) -> LIS3MDL:
    """The sensor that a board file's entry describes."""
    return LIS3MDL(io.i2c(cfg["bus"]), cfg)
