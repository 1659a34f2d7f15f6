"""Virtual LIS3MDL three-axis magnetometer, written from its datasheet.

Source: STMicroelectronics DocID024204 revision 4 (May 2015): I2C 5.1, registers 6 and 7, sensitivity table 3, rates
tables 20 and 21; temperature: table 4 and application note AN4602. From the three axes a read goes on to the next byte
with or without bit 7, and from the last to the first, never to the temperature: not in the datasheet, but seen on real
ones (github.com/PX4/PX4-Autopilot, issue 12514). The physical side is `field_ut` (x, y, z) and `temperature_cel`.
"""

from .base import Clock, Range, RegisterChip

WHO_AM_I, CTRL_1, CTRL_2, CTRL_3, CTRL_4, CTRL_5 = 0x0F, 0x20, 0x21, 0x22, 0x23, 0x24
STATUS, OUT, TEMPERATURE, INT_CFG, INT_SRC, INT_THS = 0x27, 0x28, 0x2E, 0x30, 0x31, 0x32
RESET = {WHO_AM_I: 0x3D, CTRL_1: 0x10, CTRL_3: 0x03, INT_CFG: 0xE8}
MASK = {
    **dict.fromkeys(range(0x05, 0x0B), 0xFF), CTRL_1: 0xFF, CTRL_2: 0x6C, CTRL_3: 0x27, CTRL_4: 0x0E, CTRL_5: 0xC0,
    INT_CFG: 0xEF, INT_THS: 0xFF, INT_THS + 1: 0x7F,
}  # fmt: skip
TEMPERATURE_ON, FAST_RATE, SOFT_RESET, REBOOT, LOW_POWER, BIG_ENDIAN, BLOCK_UPDATE = 0x80, 2, 4, 8, 0x20, 2, 0x40
CONTINUOUS, SINGLE, POWER_DOWN = 0, 1, 3
DIGITS_PER_GAUSS = (6842, 3421, 2281, 1711)
RATE_HZ = (0.625, 1.25, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)
FAST_HZ = (1000.0, 560.0, 300.0, 155.0)
SINGLE_MAX_HZ = 80.0
UT_PER_GAUSS = 100.0


class LIS3MDL(RegisterChip):
    """The sensor; SA1 low gives 0x1C, high 0x1E."""

    def __init__(self, clock: Clock, address: int = 0x1C) -> None:
        super().__init__(address, clock)
        self.field_ut = [20.0, 0.0, -44.0]
        self.temperature_cel = 25.0
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Full scale 4 gauss (16 bits, 6842 a gauss), half a digit; the die in eighths of a Cel."""
        span = Range(-478.0, 478.0, 0.0074)
        return {f"field_ut[{axis}]": span for axis in range(3)} | {"temperature_cel": Range(-40.0, 85.0, 0.0626)}

    def power_on(self) -> None:
        """Reset values (table 16): powered down."""
        self._pointer = 0
        self._increments = False
        self._reset()

    def _reset(self) -> None:
        self._memory = bytearray(64)
        for register, value in RESET.items():
            self._memory[register] = value
        self._next_ns = 0
        self._held: set[int] = set()
        self._waiting: bytes | None = None

    def _point(self, address: int) -> None:
        """Bit 7 of an address lets it go on by itself (5.1.1)."""
        self._pointer, self._increments = address & 0x3F, bool(address & 0x80)

    def _step(self) -> None:
        if OUT <= self._pointer < TEMPERATURE:
            self._pointer = OUT if self._pointer == TEMPERATURE - 1 else self._pointer + 1
        elif self._increments:
            self._pointer = self._pointer + 1 & 0x3F

    def _store(self, register: int, value: int) -> None:
        if register not in MASK:
            return
        self._memory[register] = value & MASK[register]
        if register == CTRL_2:
            if value & SOFT_RESET:
                self._reset()
            self._memory[CTRL_2] &= ~(SOFT_RESET | REBOOT)  # done at once
        if register == CTRL_3 or (register == CTRL_1 and self._mode() == CONTINUOUS):
            self._next_ns = self._clock() + self._period_ns() if self._mode() in (CONTINUOUS, SINGLE) else 0

    def _load(self, register: int) -> int:
        value = self._memory[register]
        if OUT <= register < TEMPERATURE:
            self._touch(register - OUT)
        return value

    def _touch(self, place: int) -> None:
        """The second byte of an axis clears its flags; between the first and it, block update holds the axes."""
        axis, second = divmod(place, 2)
        if second:
            self._held.discard(axis)
            self._memory[STATUS] &= ~(0x88 | 0x11 << axis)
            if not self._held and self._waiting is not None:
                waiting, self._waiting = self._waiting, None
                self._show(waiting)
        elif self._memory[CTRL_5] & BLOCK_UPDATE:
            self._held.add(axis)

    def _mode(self) -> int:
        return min(self._memory[CTRL_3] & 3, POWER_DOWN)

    def _period_ns(self) -> int:
        control = self._memory[CTRL_1]
        if self._memory[CTRL_3] & LOW_POWER:
            rate_hz = RATE_HZ[0]
        elif control & FAST_RATE:
            rate_hz = FAST_HZ[control >> 5 & 3]
        else:
            rate_hz = RATE_HZ[control >> 2 & 7]
        return int(1e9 / (min(rate_hz, SINGLE_MAX_HZ) if self._mode() == SINGLE else rate_hz))

    def _advance(self) -> None:
        """Take the newest of the measurements that were due since the last look."""
        now = self._clock()
        if not self._next_ns or now < self._next_ns:
            return
        period_ns = self._period_ns()
        times = (now - self._next_ns) // period_ns + 1
        if self._mode() == SINGLE:
            self._memory[CTRL_3] |= POWER_DOWN
            self._next_ns, times = 0, 1
        else:
            self._next_ns += times * period_ns
        for _ in range(min(times, 2)):
            self._new(self._converted())

    def _new(self, data: bytes) -> None:
        if self._held:
            self._waiting = data
        else:
            self._show(data)

    def _show(self, data: bytes) -> None:
        overrun = (self._memory[STATUS] & 0x0F) << 4
        self._memory[STATUS] = self._memory[STATUS] & 0xF0 | overrun | 0x0F
        self._memory[OUT : OUT + len(data)] = data

    def _converted(self) -> bytes:
        """Three axes cut at 16 bits, and the temperature if it is on."""
        digits_per_gauss = DIGITS_PER_GAUSS[self._memory[CTRL_2] >> 5 & 3]
        digits = [round(ut / UT_PER_GAUSS * digits_per_gauss) for ut in self.field_ut]
        if self._memory[CTRL_1] & TEMPERATURE_ON:
            digits.append(round((self.temperature_cel - 25.0) * 8))
        cut = [max(-0x8000, min(0x7FFF, number)) & 0xFFFF for number in digits]
        return b"".join(number.to_bytes(2, "big" if self._memory[CTRL_4] & BIG_ENDIAN else "little") for number in cut)


def make(clock: Clock, address: int = 0x1C) -> LIS3MDL:
    """A sensor in the earth's field."""
    return LIS3MDL(clock, address)
