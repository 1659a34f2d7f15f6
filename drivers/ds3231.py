"""DS3231 temperature-compensated real-time clock (Analog Devices, formerly Maxim), I2C.

Datasheet: 19-5170 revision 10 (March 2015), figure 1 (register map) and the sections of each register.

| channel     | property        | unit | range     | sigma |
|-------------|-----------------|------|-----------|-------|
| temperature | air_temperature | Cel  | -40 .. 85 | 1.5   |

    clock = make(io, {"bus": "i2c0"})
    wait_ms = clock.start()
    clock.read_into(values)         # values[0]: Cel inside the chip
    clock.set_time(utc_s)           # seconds since 2000-01-01 00:00 UTC, as MicroPython's time counts
    clock.time()                    # the same; raises DriverError when the clock has stopped in the meantime

Also: `set_daily_alarm(second_of_day)` and `alarm()` (whether it was reached since the last call; pin INT/SQW is low
until then).
Board file keys: `bus`; `address` (0x68, there is no other).
Limits: whole seconds; 2 ppm from 0 to 40 Cel, 3.5 ppm beyond. A clock whose battery ran out says so until it is set:
`time()` never gives a time that was not kept. Set years 2000 to 2099; the chip takes 2100 for a leap year.
"""

from .errors import BAD_ID, NOT_READY, OUT_OF_RANGE, DriverError, check_range

CHANNELS = (("temperature", "air_temperature", "Cel", -40, 85, 1.5, 0.25, 3, 0),)
PERIOD_MIN_MS = 1000

_REG_SECONDS = 0x00  # figure 1: 7 bytes of time
_REG_ALARM_1 = 0x07  # figure 1: 4 bytes
_REG_CONTROL = 0x0E  # "Control Register"; status follows at 0x0F
_REG_STATUS = 0x0F
_REG_TEMPERATURE = 0x11  # two bytes

_CONVERT = 0x20
_INTERRUPT_ON_ALARM_1 = 0x05  # INTCN, A1IE
_STOPPED = 0x80  # status: OSF
_BUSY = 0x04
_ALARM_1 = 0x01
_STATUS_NEVER_SET = 0x70
_CENTURY = 0x80
_HOURS_12 = 0x40
_HOURS_PM = 0x20
_ANY_DAY = 0x80  # alarm 1: A1M4
_CONVERSION_MS = 205  # tCONV, at most 200 ms
_RETRIES = 2
_END_S = 36525 * 86400  # 2100-01-01
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def from_bcd(byte: int) -> int:
    """The number that two decimal digits in a byte say."""
    return (byte >> 4) * 10 + (byte & 0x0F)


def to_bcd(number: int) -> int:
    """Two decimal digits in a byte."""
    return number // 10 << 4 | number % 10


def compensate_temperature(high: int, low: int) -> float:
    """Temperature in Cel from its two registers: whole degrees in two's complement, quarters on top of the second."""
    return (high - 256 if high & 0x80 else high) + (low >> 6) * 0.25


def compensate_hour(byte: int) -> int:
    """Hour 0 to 23 from its register in either of its modes."""
    if not byte & _HOURS_12:
        return from_bcd(byte & 0x3F)
    return from_bcd(byte & 0x1F) % 12 + (12 if byte & _HOURS_PM else 0)


def _leap_days(year: int) -> int:
    """Leap days from 2000 on before the first of January of this year, 0 to 199; 2100 has none."""
    return (year + 3) // 4 - (1 if year > 100 else 0)


def seconds_of(year: int, month: int, day: int, second_of_day: int) -> int:
    """Seconds since 2000-01-01 of a date; `year` counts from 2000, 0 to 199."""
    leap = month > 2 and year % 4 == 0 and year != 100
    days = year * 365 + _leap_days(year) + _DAYS_BEFORE[month - 1] + (1 if leap else 0) + day - 1
    return days * 86400 + second_of_day


def compensate_time(seven) -> int:
    """Seconds since 2000-01-01 from the seven registers of time. Raises: ValueError for no date."""
    year = from_bcd(seven[6]) + (100 if seven[5] & _CENTURY else 0)
    month, day = from_bcd(seven[5] & 0x1F), from_bcd(seven[4] & 0x3F)
    hour, minute, second = compensate_hour(seven[2]), from_bcd(seven[1]), from_bcd(seven[0])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        raise ValueError("no date")
    return seconds_of(year, month, day, hour * 3600 + minute * 60 + second)


def registers_of(utc_s: int, seven) -> None:
    """Put seconds since 2000-01-01 into the seven registers of time."""
    days, rest = utc_s // 86400, utc_s % 86400
    year = days // 366
    while seconds_of(year + 1, 1, 1, 0) <= utc_s:
        year += 1
    month = 1
    while month < 12 and seconds_of(year, month + 1, 1, 0) <= utc_s:
        month += 1
    seven[0], seven[1], seven[2] = to_bcd(rest % 60), to_bcd(rest // 60 % 60), to_bcd(rest // 3600)
    seven[3] = (days + 5) % 7 + 1  # 1 is Monday; 2000-01-01 was a Saturday
    seven[4] = to_bcd(days - seconds_of(year, month, 1, 0) // 86400 + 1)
    seven[5] = to_bcd(month) | (_CENTURY if year >= 100 else 0)
    seven[6] = to_bcd(year % 100)


class DS3231:
    """The clock on an I2C bus."""

    def __init__(self, bus, address: int = 0x68) -> None:
        self._bus = bus
        self._address = address
        self._two = bytearray(2)
        self._five = bytearray(5)
        self._started = False
        self._left = 0

    def start(self) -> int:
        """Start measuring the temperature; wait in ms before `read_into`. Raises: DriverError."""
        self._started = False
        control, status = self._control()
        if not status & _BUSY:
            self._bus.write_register(self._address, _REG_CONTROL, control | _CONVERT)
        self._started = True
        self._left = _RETRIES
        return _CONVERSION_MS

    def read_into(self, values):
        """Put Cel in `values[0]`; ms until it is worth to ask again, else 0. Raises: DriverError."""
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._started = False
        five = self._five
        self._bus.read_register_into(self._address, _REG_CONTROL, five)
        if five[0] & _CONVERT or five[1] & _BUSY:
            if not self._left:
                raise DriverError(NOT_READY, self.where() + ": conversion did not end")
            self._left -= 1
            self._started = True
            return _CONVERSION_MS
        values[0] = compensate_temperature(five[3], five[4])
        check_range(CHANNELS, values, self)
        return 0

    def time(self) -> int:
        """Seconds since 2000-01-01 00:00 UTC. Raises: DriverError, also if it has stopped since it was set."""
        _, status = self._control()
        if status & _STOPPED:
            raise DriverError(NOT_READY, self.where() + ": the clock stopped (battery?); set it")
        seven = bytearray(7)
        self._bus.read_register_into(self._address, _REG_SECONDS, seven)
        try:
            return compensate_time(seven)
        except ValueError:
            raise DriverError(OUT_OF_RANGE, self.where() + f": {seven} is no date") from None

    def set_time(self, utc_s: int) -> None:
        """Set the clock, and say that it runs. Raises: DriverError, ValueError beyond 2099."""
        if not 0 <= utc_s < _END_S:
            raise ValueError("expected seconds from 2000-01-01 up to 2099-12-31")
        control, status = self._control()
        eight = bytearray(8)
        seven = memoryview(eight)[1:]
        registers_of(utc_s, seven)
        self._bus.write(self._address, eight)
        self._bus.write_register(self._address, _REG_CONTROL, control & 0x7F)  # also run from the battery
        self._bus.write_register(self._address, _REG_STATUS, status & ~_STOPPED)

    def set_daily_alarm(self, second_of_day: int) -> None:
        """Let the alarm be reached each day at this second, 0 to 86399. Raises: DriverError, ValueError."""
        if not 0 <= second_of_day < 86400:
            raise ValueError("expected a second of the day, 0 to 86399")
        five = bytearray((_REG_ALARM_1, 0, 0, 0, _ANY_DAY))
        five[1] = to_bcd(second_of_day % 60)
        five[2] = to_bcd(second_of_day // 60 % 60)
        five[3] = to_bcd(second_of_day // 3600)
        control, status = self._control()
        self._bus.write(self._address, five)
        self._bus.write_register(self._address, _REG_STATUS, status & ~_ALARM_1)
        self._bus.write_register(self._address, _REG_CONTROL, control | _INTERRUPT_ON_ALARM_1)

    def alarm(self) -> bool:
        """Whether the alarm was reached since the last call. Raises: DriverError."""
        _, status = self._control()
        if status & _ALARM_1:
            self._bus.write_register(self._address, _REG_STATUS, status & ~_ALARM_1)
        return bool(status & _ALARM_1)

    def _control(self) -> tuple:
        """Control and status; bits that are always 0 are the only identity there is."""
        self._bus.read_register_into(self._address, _REG_CONTROL, self._two)
        control, status = self._two[0], self._two[1]
        if status & _STATUS_NEVER_SET:
            text = f": expected status 0b?000????, found 0x{status:02x}: this is no DS3231"
            raise DriverError(BAD_ID, self.where() + text)
        return control & ~_CONVERT, status

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"DS3231 at 0x{self._address:02x} on {self._bus.name}"


def make(io, cfg) -> DS3231:
    """The clock that a board file's entry describes."""
    return DS3231(io.i2c(cfg["bus"]), cfg.get("address") or 0x68)
