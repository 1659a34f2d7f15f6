"""Virtual DS3231 real-time clock, written from its datasheet.

Source: Maxim 19-5170 revision 10 (March 2015): register map (figure 1), clock and calendar, alarms (table 2), control
and status registers, aging offset, temperature registers, I2C. The physical side is `temperature_cel`, `drift_ppm` and
`battery`: whether a cell keeps it running while it is unplugged.
"""

from calendar import monthrange

from .base import Clock, I2CChip, Range

SECONDS, ALARM_1, ALARM_2, CONTROL, STATUS, AGING, TEMPERATURE, END = 0x00, 0x07, 0x0B, 0x0E, 0x0F, 0x10, 0x11, 0x13
RESET_CONTROL, RESET_STATUS = 0x1C, 0x88
STOP, CONVERT, INTERRUPT = 0x80, 0x20, 0x04
STOPPED, ENABLE_32_KHZ, BUSY, FLAGS = 0x80, 0x08, 0x04, 0x03
CENTURY, HOURS_12, PM = 0x80, 0x40, 0x20
# What can be written of each register of time and alarms (figure 1: the other bits are always 0).
WRITABLE = (0x7F, 0x7F, 0x7F, 0x07, 0x3F, 0x9F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
SECOND_NS = 1_000_000_000
CONVERSION_NS = 125_000_000
EVERY_NS = 64 * SECOND_NS


class DS3231(I2CChip):
    """The clock; its address is fixed."""

    def __init__(self, clock: Clock, address: int = 0x68) -> None:
        super().__init__(address, clock)
        self.temperature_cel = 21.0
        self.drift_ppm = 0.0
        self.battery = True
        self._start()

    def sample_range(self) -> dict[str, Range]:
        """Operating range with half a quarter of a degree."""
        return {"temperature_cel": Range(-40.0, 85.0, 0.126)}

    def _start(self) -> None:
        """First power: 2000-01-01 00:00:00, stopped flag set."""
        self._memory = bytearray(END)
        self._memory[0x03:0x07] = bytes((0x01, 0x01, 0x01, 0x00))
        self._memory[CONTROL], self._memory[STATUS] = RESET_CONTROL, RESET_STATUS
        self._pointer = 0
        self._ticked_ns = self._clock()
        self._measured_ns = self._clock() - EVERY_NS
        self._converted_ns = 0

    def power_on(self) -> None:
        """With a battery time went on; without one everything is lost."""
        if not self.battery:
            self._start()
        self._advance()

    @property
    def interrupt_low(self) -> bool:
        """Whether INT/SQW pulls its line down, as an interrupt of the alarms."""
        control, status = self._memory[CONTROL], self._memory[STATUS]
        return bool(control & INTERRUPT and control & status & FLAGS)

    def write(self, data: bytes) -> None:
        """A register address, then values; the address goes on and turns from 0x12 to 0x00."""
        self._advance()
        if not data:
            return
        self._pointer = data[0] % END
        for value in data[1:]:
            self._store(self._pointer, value)
            self._pointer = (self._pointer + 1) % END

    def read(self, count: int) -> bytes:
        """Registers from the pointer on, all of one moment."""
        self._advance()
        answer = bytes(self._memory[(self._pointer + offset) % END] for offset in range(count))
        self._pointer = (self._pointer + count) % END
        return answer

    def _store(self, register: int, value: int) -> None:
        memory = self._memory
        if register < CONTROL:
            memory[register] = value & WRITABLE[register]
            if register == SECONDS:
                self._ticked_ns = self._clock()  # the countdown chain starts again
        elif register == CONTROL:
            converting = (value | memory[CONTROL]) & CONVERT
            if value & CONVERT and not self._converted_ns:
                self._begin_conversion()
            memory[CONTROL] = value & ~CONVERT | converting
        elif register == STATUS:
            cleared = memory[STATUS] & value & (STOPPED | FLAGS)  # these are only ever cleared
            memory[STATUS] = cleared | value & ENABLE_32_KHZ | memory[STATUS] & BUSY
        elif register == AGING:
            memory[AGING] = value

    def _begin_conversion(self) -> None:
        self._converted_ns = self._clock() + CONVERSION_NS
        self._memory[STATUS] |= BUSY

    def _advance(self) -> None:
        now = self._clock()
        if self._converted_ns and now >= self._converted_ns:
            self._measure()
        if not self._converted_ns and now - self._measured_ns >= EVERY_NS:
            self._measure()
        second_ns = int(SECOND_NS / (1 + self.drift_ppm * 1e-6))
        while now - self._ticked_ns >= second_ns:
            self._ticked_ns += second_ns
            self._tick()

    def _measure(self) -> None:
        """Quarters of a degree in ten bits of two's complement, left-justified."""
        quarters = max(-512, min(511, round(self.temperature_cel * 4))) & 0x3FF
        self._memory[TEMPERATURE : TEMPERATURE + 2] = (quarters << 6).to_bytes(2, "big")
        self._memory[CONTROL] &= ~CONVERT
        self._memory[STATUS] &= ~BUSY
        self._converted_ns, self._measured_ns = 0, self._clock()

    def _tick(self) -> None:
        """One second on, with everything that it carries into."""
        memory = self._memory
        memory[0], carry = _next(memory[0], 59, 0)
        if carry:
            memory[1], carry = _next(memory[1], 59, 0)
        if carry:
            memory[2], carry = _next_hour(memory[2])
        if carry:
            self._next_day()
        self._look_for_alarms()

    def _next_day(self) -> None:
        memory = self._memory
        memory[3] = memory[3] % 7 + 1
        month, year = _number(memory[5] & 0x1F), _number(memory[6])
        memory[4], carry = _next(memory[4], monthrange(2000 + year, max(1, min(12, month)))[1], 1)
        if carry:
            month_byte, carry = _next(memory[5] & 0x1F, 12, 1)
            memory[5] = memory[5] & CENTURY | month_byte
        if carry:
            memory[6], carry = _next(memory[6], 99, 0)
            memory[5] ^= CENTURY if carry else 0

    def _look_for_alarms(self) -> None:
        """Table 2: mask bits of seconds, minutes, hours and day leave more and more out."""
        memory = self._memory
        if self._matches(memory[ALARM_1 : ALARM_1 + 4], memory[0:3]):
            memory[STATUS] |= 0x01
        if memory[0] == 0 and self._matches(memory[ALARM_2 : ALARM_2 + 3], memory[1:3]):
            memory[STATUS] |= 0x02

    def _matches(self, alarm: bytearray, now: bytearray) -> bool:
        *clock, day = alarm
        for wanted, found in zip(clock, now, strict=True):
            if not wanted & 0x80 and wanted & 0x7F != found:
                return False
        if day & 0x80:
            return True
        return day & 0x0F == self._memory[3] if day & 0x40 else day & 0x3F == self._memory[4]


def _number(byte: int) -> int:
    return (byte >> 4) * 10 + (byte & 0x0F)


def _next(byte: int, last: int, first: int) -> tuple[int, bool]:
    """The next value of two decimal digits, and whether it began anew."""
    number = _number(byte)
    if number >= last:
        return first, True
    return (number + 1) // 10 << 4 | (number + 1) % 10, False


def _next_hour(byte: int) -> tuple[int, bool]:
    if not byte & HOURS_12:
        return _next(byte, 23, 0)
    hour = byte & 0x1F
    if hour == 0x12:
        return HOURS_12 | byte & PM | 0x01, False
    if hour == 0x11:
        return HOURS_12 | (byte & PM) ^ PM | 0x12, bool(byte & PM)
    return HOURS_12 | byte & PM | _next(hour, 12, 1)[0], False


def make(clock: Clock, address: int = 0x68) -> DS3231:
    """A clock that was never set."""
    return DS3231(clock, address)
