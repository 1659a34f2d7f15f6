"""Satellite receiver that speaks NMEA 0183 (u-blox, Quectel and others), UART, and its pulse per second.

Standard: NMEA 0183 version 4.10, sentences GGA and RMC of any talker (GP, GN, GL, GA ...); u-blox M8 protocol
description UBX-13003221 R27, chapter 31.

| channel     | property                         | unit  | range           | sigma   |
|-------------|----------------------------------|-------|-----------------|---------|
| latitude    | latitude                         | deg   | -90 .. 90       | 2.3e-05 |
| longitude   | longitude                        | deg   | -180 .. 180     | 2.3e-05 |
| altitude    | altitude                         | m     | -500 .. 18000   | 5       |
| speed       | platform_speed_wrt_ground        | m/s   | 0 .. 515        | 0.05    |
| satellites  | number_of_satellites             | 1     | 0 .. 99         | 0       |
| hdop        | horizontal_dilution_of_precision | 1     | 0 .. 99.99      | 0.01    |
| clock_error | clock_rate_error                 | [ppm] | -500 .. 500     | 1       |

    receiver = make(io, {"bus": "uart1", "pps_pin": "GP6"})
    wait_ms = receiver.start()
    while wait_ms := receiver.read_into(values):
        ...                         # come back after wait_ms
    receiver.utc_s                  # seconds since 2000-01-01T00:00:00Z, without leap seconds

Board file keys: `bus`; `baud` (9600); `max_age_ms` (2500): how long to listen for a fix; `pps_pin`: the pulse per
second (adds `clock_error`: by how much the board's clock gains, over the time since the last reading); `not_before`
(2024).
Limits: without a fix there is no reading (NOT_READY), never a zero. A date before the year `not_before` is of a
receiver whose week number has rolled over: 1024 weeks are added as often as needed. GGA and RMC must be of one
second. On a board positions are single-precision: 0.4 m at 52 deg. The pulse disciplines nothing yet: the node's clock
is NTP's.
"""

from .errors import BAD_CHECKSUM, NOT_READY, SILENT, DriverError, check_range

CHANNELS = (
    ("latitude", "latitude", "deg", -90, 90, 2.3e-5, 1.7e-7, 0, 1),
    ("longitude", "longitude", "deg", -180, 180, 2.3e-5, 1.7e-7, 0, 1),
    ("altitude", "altitude", "m", -500, 18000, 5, 0.1, 0, 1),
    ("speed", "platform_speed_wrt_ground", "m/s", 0, 515, 0.05, 0.006, 0, 1),
    ("satellites", "number_of_satellites", "1", 0, 99, 0, 1, 0, 1),
    ("hdop", "horizontal_dilution_of_precision", "1", 0, 99.99, 0.01, 0.01, 0, 1),
    ("clock_error", "clock_rate_error", "[ppm]", -500, 500, 1, 1, 0, 1),
)
PERIOD_MIN_MS = 1000

_DOLLAR, _STAR, _COMMA, _POINT, _MINUS, _ZERO = 0x24, 0x2A, 0x2C, 0x2E, 0x2D, 0x30
_LONGEST = 82  # NMEA 0183 5.3, with the line's end
_GGA, _RMC = b"GGA", b"RMC"
_GGA_TIME, _GGA_LATITUDE, _GGA_LONGITUDE, _GGA_QUALITY, _GGA_SATELLITES, _GGA_HDOP, _GGA_ALTITUDE = 1, 2, 4, 6, 7, 8, 9
_RMC_TIME, _RMC_STATUS, _RMC_SPEED, _RMC_DATE = 1, 2, 7, 9
_MINUTE_DECIMALS = 5
_KNOT_M_S = 1852 / 3600
_WEEKS_DAYS = 1024 * 7
_TICKS = 1 << 30  # a board's ticks_us wraps there
_LOOK_MS = 100  # at 9600 baud 96 bytes: what a UART's 128 hold
_MAX_READS = 16


def checksum(buf, start: int, end: int) -> int:
    """Exclusive or of buf[start:end]: all between $ and *."""
    value = 0
    for index in range(start, end):
        value ^= buf[index]
    return value


def compensate_degrees(degrees: int, minutes: int, negative: bool) -> float:
    """Degrees from whole degrees and 1/100000 minutes; south and west are negative."""
    value = degrees + minutes / 6000000
    return -value if negative else value


def compensate_speed(centiknots: int) -> float:
    """Speed in m/s from 1/100 knots."""
    return centiknots * _KNOT_M_S / 100


def compensate_clock(ticks_us: int, pulses: int) -> float:
    """By how many ppm a clock gains that counted `ticks_us` (modulo 2^30) in a number of seconds."""
    gained = (ticks_us - pulses * 1000000) % _TICKS
    return (gained - _TICKS if gained >= _TICKS // 2 else gained) / pulses


def utc_seconds(ddmmyy: int, hhmmss: int, not_before: int) -> int:
    """Seconds since 2000-01-01T00:00:00Z of an RMC date and time, with the weeks a receiver lost put back."""
    day, month, year = ddmmyy // 10000, ddmmyy // 100 % 100, ddmmyy % 100
    days = _days(year, month, day)
    first = _days(not_before - 2000, 1, 1)
    while days < first:
        days += _WEEKS_DAYS
    return days * 86400 + hhmmss // 10000 * 3600 + hhmmss // 100 % 100 * 60 + hhmmss % 100


def _days(year: int, month: int, day: int) -> int:
    """Days since 2000-01-01, for years since 2000 up to 99."""
    days = year * 365 + (year + 3) // 4 + day - 1
    for number in range(1, month):
        days += 31 - (number in (4, 6, 9, 11)) - (number == 2) * (2 if year % 4 == 0 else 3)
    return days


class NmeaGnss:
    """The receiver at the end of a UART, with its pulse per second at a pin, or None."""

    def __init__(self, uart, millis, pulses, cfg) -> None:
        self._uart = uart
        self._millis = millis
        self._pulses = pulses
        self._name = cfg["bus"]
        self._max_age_ms = cfg.get("max_age_ms", 2500)
        self._not_before = cfg.get("not_before", 2024)
        self._chunk = bytearray(32)
        self._line = bytearray(_LONGEST)
        self._fill, self._ends = -1, 0
        self._fix = [0] * 10  # degrees, minutes, sign, twice; altitude dm, speed, satellites, hdop
        self._gga_time = self._rmc_time = self._date = -1
        self._fixed = self._valid = False
        self._heard = self._sound = self._started = False
        self._pulse_count = self._pulse_us = -1
        self._deadline_ms = 0
        self.utc_s = -1
        self.bad_sentences = 0

    def start(self) -> int:
        """Forget what was said before now; wait in ms before `read_into`."""
        self._drain()
        self._fill = -1
        self._gga_time = self._rmc_time = -1
        self._heard = self._sound = False
        if self._pulses is not None and self._pulse_count < 0 < self._pulses.count:
            self._keep_pulse()
        self._deadline_ms = self._millis() + self._max_age_ms
        self._started = True
        return _LOOK_MS

    def read_into(self, values) -> int:
        """Put position, speed and how good they are in `values`, or nothing yet: ms to wait. Raises: DriverError."""
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._drain()
        if self._gga_time < 0 or self._gga_time != self._rmc_time or not self._pulsed():
            return self._later()
        self._started = False
        if not (self._fixed and self._valid):
            raise DriverError(NOT_READY, self.where() + ": no fix")
        self._fill_in(values)
        return 0

    def where(self) -> str:
        """The receiver and its UART, for people."""
        return "GNSS receiver on " + self._name

    def _later(self) -> int:
        """Listen on, until the deadline. Raises: DriverError."""
        if self._millis() < self._deadline_ms:
            return _LOOK_MS
        self._started = False
        self._pulse_count = -1
        if not self._heard:
            raise DriverError(SILENT, self.where() + f": nothing for {self._max_age_ms} ms")
        if not self._sound:
            raise DriverError(BAD_CHECKSUM, self.where() + ": bytes but no sound sentence")
        lacking = ": no pulse per second" if self._gga_time >= 0 else ": no fix, or no GGA and RMC of one second"
        raise DriverError(NOT_READY, self.where() + lacking)

    def _fill_in(self, values) -> None:
        fix = self._fix
        values[0] = compensate_degrees(fix[0], fix[1], fix[2] > 0)
        values[1] = compensate_degrees(fix[3], fix[4], fix[5] > 0)
        values[2] = fix[6] / 10
        values[3] = compensate_speed(fix[7])
        values[4] = fix[8]
        values[5] = fix[9] / 100
        if self._pulses is not None:
            pulses = self._pulses.count - self._pulse_count
            values[6] = compensate_clock((self._pulses.ticks_us - self._pulse_us) % _TICKS, pulses)
            self._keep_pulse()
        self.utc_s = utc_seconds(self._date, self._gga_time, self._not_before)
        check_range(CHANNELS if self._pulses is not None else CHANNELS[:-1], values, self)

    def _pulsed(self) -> bool:
        """Whether the pulse was seen twice, or is not wired."""
        if self._pulses is None:
            return True
        if self._pulse_count < 0 < self._pulses.count:
            self._keep_pulse()
        return 0 <= self._pulse_count < self._pulses.count

    def _keep_pulse(self) -> None:
        self._pulse_count, self._pulse_us = self._pulses.count, self._pulses.ticks_us

    def _drain(self) -> None:
        for _ in range(_MAX_READS):
            if not self._uart.any():
                return
            count = self._uart.readinto(self._chunk, len(self._chunk)) or 0
            for index in range(count):
                self._take(self._chunk[index])
            self._heard = self._heard or count > 0

    def _take(self, byte: int) -> None:
        if byte == _DOLLAR:
            self._fill = 0
        elif self._fill >= 0:
            if byte < 0x20 or self._fill == _LONGEST:
                self._end()
            else:
                self._line[self._fill] = byte
                self._fill += 1

    def _end(self) -> None:
        """A line ended: take it if its checksum is right."""
        end, self._fill = self._fill - 3, -1
        line = self._line
        if end < 6 or line[end] != _STAR or _hex(line[end + 1]) << 4 | _hex(line[end + 2]) != checksum(line, 0, end):
            self.bad_sentences += 1
            return
        line[end], self._ends = _COMMA, end
        self._sound = True
        if self._is(_GGA):
            self._take_gga()
        elif self._is(_RMC):
            self._take_rmc()

    def _is(self, kind) -> bool:
        return self._line[2] == kind[0] and self._line[3] == kind[1] and self._line[4] == kind[2]

    def _take_gga(self) -> None:
        fix, quality = self._fix, self._number(_GGA_QUALITY, 0)
        self._gga_time = self._number(_GGA_TIME, 0)
        good = self._coordinate(_GGA_LATITUDE, 0, 0x53) and self._coordinate(_GGA_LONGITUDE, 3, 0x57)
        fix[6], fix[8] = self._signed(_GGA_ALTITUDE), self._number(_GGA_SATELLITES, 0)
        fix[9] = self._number(_GGA_HDOP, 2)
        self._fixed = good and quality > 0 and fix[8] >= 0 and fix[9] >= 0 and self._length(_GGA_ALTITUDE) > 0

    def _take_rmc(self) -> None:
        self._rmc_time = self._number(_RMC_TIME, 0)
        self._date = self._number(_RMC_DATE, 0)
        self._fix[7] = self._number(_RMC_SPEED, 2)
        status = self._line[self._start(_RMC_STATUS)]
        self._valid = status == 0x41 and self._date > 0 and self._fix[7] >= 0  # A: valid

    def _coordinate(self, field: int, place: int, negative: int) -> bool:
        """Take [d]ddmm.mmmmm and the letter after it; whether there was one."""
        start = self._start(field)
        point = start
        while self._line[point] not in b".,":
            point += 1
        if point - start < 4:
            return False
        fix = self._fix
        fix[place] = self._digits(start, point - 2)
        fix[place + 1] = self._scaled(point - 2, _MINUTE_DECIMALS)
        fix[place + 2] = 1 if self._line[self._start(field + 1)] == negative else 0
        return True

    def _start(self, field: int) -> int:
        """Where a field begins; the comma put at the line's end if there are not so many."""
        at = 0
        for _ in range(field):
            while at < self._ends and self._line[at] != _COMMA:
                at += 1
            if at < self._ends:
                at += 1
        return at

    def _length(self, field: int) -> int:
        start = at = self._start(field)
        while at < self._ends and self._line[at] != _COMMA:
            at += 1
        return at - start

    def _number(self, field: int, decimals: int) -> int:
        """A field's number times 10^decimals, cut; -1 for an empty one."""
        return self._scaled(self._start(field), decimals) if self._length(field) else -1

    def _signed(self, field: int) -> int:
        """A field's number times 10, which may be negative."""
        start = self._start(field)
        return -self._scaled(start + 1, 1) if self._line[start] == _MINUS else self._scaled(start, 1)

    def _digits(self, start: int, end: int) -> int:
        value = 0
        for index in range(start, end):
            value = value * 10 + self._line[index] - _ZERO
        return value

    def _scaled(self, at: int, decimals: int) -> int:
        """The digits from `at` on, with so many after the point."""
        line, value = self._line, 0
        while _ZERO <= line[at] <= _ZERO + 9:
            value = value * 10 + line[at] - _ZERO
            at += 1
        if line[at] == _POINT:
            at += 1
        for _ in range(decimals):
            value *= 10
            if _ZERO <= line[at] <= _ZERO + 9:
                value += line[at] - _ZERO
                at += 1
        return value


def _hex(character: int) -> int:
    """A hexadecimal digit's value, 256 for what is none."""
    if _ZERO <= character <= _ZERO + 9:
        return character - _ZERO
    return character - 0x37 if 0x41 <= character <= 0x46 else 256


def channels(cfg) -> tuple:
    """The channels of an entry: `clock_error` only with a pulse."""
    return CHANNELS if cfg.get("pps_pin") else CHANNELS[:-1]


def make(io, cfg) -> NmeaGnss:
    """The receiver that a board file's entry describes."""
    pulses = io.pulses(cfg["pps_pin"], 100, True) if cfg.get("pps_pin") else None
    return NmeaGnss(io.uart(cfg["bus"], cfg.get("baud", 9600)), io.millis, pulses, cfg)
