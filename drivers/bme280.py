"""BME280 humidity, pressure and temperature sensor (Bosch Sensortec), I2C, forced mode.

Datasheet: BST-BME280-DS002 revision 1.6 (section numbers below refer to it).

| channel     | property          | unit | range           | sigma |
|-------------|-------------------|------|-----------------|-------|
| temperature | air_temperature   | Cel  | -40 .. 85       | 0.3   |
| humidity    | relative_humidity | %    | 0 .. 100        | 2     |
| pressure    | air_pressure      | Pa   | 30000 .. 110000 | 60    |

    sensor = make(io, {"bus": "i2c0", "address": 0x76})
    wait_ms = sensor.start()
    sensor.read_into(values)        # values[0] Cel, values[1] %, values[2] Pa

Board file keys: `bus`; `address` (0x76, or 0x77 with SDO at VDDIO); `oversampling` (1; 2, 4, 8, 16).
Limits: the sensor warms itself when read more than about once a second; the housing needs air but no water.
Pressure is at the sensor, not at sea level.

Arithmetic: boards have single-precision floats and 31-bit small integers. Temperature and humidity follow the
32-bit integer formulas of 4.2.3, whose intermediates fit small integers over the whole range. Pressure follows
the floating-point formula of appendix 8.1, with the constant factors multiplied out once per calibration. In
single precision it stays within 0.03 Pa of the 64-bit integer formula (a test measures it). A reading takes 256
bytes of heap on a 32-bit board.
"""

from .errors import BAD_CHECKSUM, BAD_ID, NOT_READY, DriverError, check_range

CHANNELS = (
    ("temperature", "air_temperature", "Cel", -40, 85, 0.3, 0.005, 0.5, 0),
    ("humidity", "relative_humidity", "%", 0, 100, 2, 0.008, 3, 1),
    ("pressure", "air_pressure", "Pa", 30000, 110000, 60, 2.62, 100, 0),
)
PERIOD_MIN_MS = 20

_REG_CALIBRATION_1 = 0x88  # 4.2.2, table 16: 26 bytes, 0x88..0xA1
_REG_ID = 0xD0  # 5.4.1
_REG_CALIBRATION_2 = 0xE1  # 4.2.2, table 16: 7 bytes, 0xE1..0xE7
_REG_CTRL_HUM = 0xF2  # 5.4.3
_REG_STATUS = 0xF3  # 5.4.4; a burst of 12 from here also has ctrl_meas and all data
_REG_CTRL_MEAS = 0xF4  # 5.4.5
_REG_CONFIG = 0xF5  # 5.4.6

_CHIP_ID = 0x60
_STATUS_IM_UPDATE = 0x01
_STATUS_MEASURING = 0x08
_MODE_FORCED = 0x01
_SKIPPED_20_BIT = 0x80000  # 5.4.7, 5.4.8: reset value of a measurement that was not made
_SKIPPED_16_BIT = 0x8000  # 5.4.9
_START_POLLS = 50


def unpack_calibration(first, second) -> tuple:
    """The 18 numbers T1..T3, P1..P9, H1..H6 from the 26 and the 7 calibration bytes (table 16)."""
    words = [first[2 * i] | first[2 * i + 1] << 8 for i in range(12)]
    numbers = [words[i] if i in (0, 3) else _signed(words[i], 16) for i in range(12)]
    numbers.append(first[25])
    numbers.append(_signed(second[0] | second[1] << 8, 16))
    numbers.append(second[2])
    numbers.append(_signed(second[3] << 4 | second[4] & 0x0F, 12))
    numbers.append(_signed(second[5] << 4 | second[4] >> 4, 12))
    numbers.append(_signed(second[6], 8))
    return tuple(numbers)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def compensate_fine(t1: int, t2: int, t3: int, adc_raw: int) -> int:
    """Fine temperature in 1/5120 Cel from the 20-bit temperature code (4.2.3)."""
    offset = (adc_raw >> 4) - t1
    return ((((adc_raw >> 3) - (t1 << 1)) * t2) >> 11) + ((((offset * offset) >> 12) * t3) >> 14)


def compensate_temperature(fine: int) -> float:
    """Temperature in Cel from the fine temperature."""
    return fine / 5120.0


def pressure_factors(p) -> tuple:
    """Nine factors for `compensate_pressure` from P1..P9 (appendix 8.1, multiplied out).

    With x = fine/2 - 64000: an offset and a scale quadratic in x, then a quadratic in the result.
    """
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = p
    offset = (p4 * 16.0, p5 / 8192.0, p6 / 536870912.0)
    scale = (p1 / 6250.0, p1 * p2 / (524288.0 * 32768.0 * 6250.0))
    curve = (p7 / 16.0, 1.0 + p8 / 524288.0, p9 / 34359738368.0)
    return offset + scale + (p1 * p3 / (524288.0 * 524288.0 * 32768.0 * 6250.0),) + curve


def compensate_pressure(factors, fine: int, adc_raw: int) -> float:
    """Pressure in Pa from the 20-bit pressure code and the fine temperature."""
    o0, o1, o2, s0, s1, s2, c0, c1, c2 = factors
    x = (fine >> 1) - 64000
    p = (1048576 - adc_raw - (o0 + x * (o1 + x * o2))) / (s0 + x * (s1 + x * s2))
    return c0 + p * (c1 + p * c2)


def compensate_humidity(h, fine: int, adc_raw: int) -> float:
    """Relative humidity in %, 0 to 100, from the 16-bit humidity code, H1..H6 and the fine temperature (4.2.3)."""
    h1, h2, h3, h4, h5, h6 = h
    x = fine - 76800
    code = (((adc_raw - (h4 << 6)) << 14) - h5 * x + 16384) >> 15
    slope = (((x * h6) >> 10) * (((x * h3) >> 11) + 32768)) >> 10
    v = code * (((slope + 2097152) * h2 + 8192) >> 14)
    v -= ((((v >> 15) * (v >> 15)) >> 7) * h1) >> 4
    return (min(max(v, 0), 419430400) >> 12) / 1024.0


def measuring_ms(oversampling: int) -> int:
    """Longest measurement of all three in ms, rounded up (appendix 9.1)."""
    return int(1.25 + 3 * 2.3 * oversampling + 2 * 0.575) + 1


class BME280:
    """The sensor at an address of an I2C bus."""

    def __init__(self, bus, address: int = 0x76, oversampling: int = 1) -> None:
        code = (1, 2, 4, 8, 16).index(oversampling) + 1
        self._bus = bus
        self._address = address
        self._ctrl_hum = code
        self._ctrl_meas = code << 5 | code << 2 | _MODE_FORCED
        self._wait_ms = measuring_ms(oversampling)
        self._burst = bytearray(12)
        self._byte = bytearray(1)
        self._known = False
        self._started = False
        self._t1 = self._t2 = self._t3 = 0
        self._pressure = ()
        self._humidity = ()

    def start(self) -> int:
        """Start one measurement; wait in ms before `read_into`. Identifies the chip first if need be.

        Raises: DriverError.
        """
        self._started = False
        if not self._known:
            self._identify()
        self._bus.write_register(self._address, _REG_CTRL_HUM, self._ctrl_hum)
        self._bus.write_register(self._address, _REG_CTRL_MEAS, self._ctrl_meas)
        self._started = True
        return self._wait_ms

    def read_into(self, values) -> None:
        """Put Cel, % and Pa in `values`. Raises: DriverError; `start` then identifies the chip again."""
        known, self._known = self._known, False
        if not (known and self._started):
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._started = False
        self._bus.read_register_into(self._address, _REG_STATUS, self._burst)
        self._check_measured()
        self._compensate(values)
        check_range(CHANNELS, values, self)
        self._known = True

    def _identify(self) -> None:
        self._bus.read_register_into(self._address, _REG_ID, self._byte)
        found = self._byte[0]
        if found != _CHIP_ID:
            hint = " (a BMP280: no humidity)" if found == 0x58 else ""
            text = f": expected chip id 0x{_CHIP_ID:02x}, found 0x{found:02x}{hint}"
            raise DriverError(BAD_ID, self.where() + text)
        self._wait_for_copy()
        self._bus.write_register(self._address, _REG_CONFIG, 0)
        self._calibrate()
        self._known = True

    def _wait_for_copy(self) -> None:
        """Wait, bounded, until the chip has copied its calibration from its memory (5.4.4)."""
        for _ in range(_START_POLLS):
            self._bus.read_register_into(self._address, _REG_STATUS, self._byte)
            if not self._byte[0] & _STATUS_IM_UPDATE:
                return
        raise DriverError(NOT_READY, self.where() + ": still copying its calibration")

    def _calibrate(self) -> None:
        first = bytearray(26)
        second = bytearray(7)
        self._bus.read_register_into(self._address, _REG_CALIBRATION_1, first)
        self._bus.read_register_into(self._address, _REG_CALIBRATION_2, second)
        numbers = unpack_calibration(first, second)
        if numbers[0] in (0, 0xFFFF) or numbers[3] in (0, 0xFFFF):
            raise DriverError(BAD_CHECKSUM, self.where() + ": calibration memory reads blank")
        self._t1, self._t2, self._t3 = numbers[:3]
        self._pressure = pressure_factors(numbers[3:12])
        self._humidity = numbers[12:]

    def _check_measured(self) -> None:
        burst = self._burst
        if burst[0] & _STATUS_MEASURING:
            raise DriverError(NOT_READY, self.where() + ": still measuring")
        if (burst[1] ^ self._ctrl_meas) & 0xFC:
            raise DriverError(NOT_READY, self.where() + ": lost its settings (power dip?)")
        if self._code_20(4) == _SKIPPED_20_BIT or self._code_20(7) == _SKIPPED_20_BIT:
            raise DriverError(NOT_READY, self.where() + ": has not measured")
        if burst[10] << 8 | burst[11] == _SKIPPED_16_BIT:
            raise DriverError(NOT_READY, self.where() + ": has not measured humidity")

    def _code_20(self, at: int) -> int:
        return self._burst[at] << 12 | self._burst[at + 1] << 4 | self._burst[at + 2] >> 4

    def _compensate(self, values) -> None:
        fine = compensate_fine(self._t1, self._t2, self._t3, self._code_20(7))
        values[0] = compensate_temperature(fine)
        values[1] = compensate_humidity(self._humidity, fine, self._burst[10] << 8 | self._burst[11])
        values[2] = compensate_pressure(self._pressure, fine, self._code_20(4))

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"BME280 at 0x{self._address:02x} on {self._bus.name}"


def make(io, cfg) -> BME280:
    """The sensor that a board file's entry describes."""
    return BME280(io.i2c(cfg["bus"]), cfg.get("address") or 0x76, cfg.get("oversampling", 1))
