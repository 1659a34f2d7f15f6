"""Virtual LIS3DH three-axis accelerometer, written from its datasheet.

Source: STMicroelectronics DocID17530 revision 2 (December 2016): I2C 6.1, register map 7, registers 8; FIFO:
application note AN3308, chapter 9. The physical side is `acceleration_ms2` (x, y, z at rest) and a vibration along z of
`vibration_ms2` (peak) at `vibration_hz`.
"""

from math import pi, sin

from .base import Clock, Range, RegisterChip

WHO_AM_I, CTRL_0, CTRL_1, CTRL_4, CTRL_5 = 0x0F, 0x1E, 0x20, 0x23, 0x24
STATUS, OUT, OUT_END, FIFO_CTRL, FIFO_SRC = 0x27, 0x28, 0x2D, 0x2E, 0x2F
RESET = {WHO_AM_I: 0x33, CTRL_0: 0x10, CTRL_1: 0x07}
WRITABLE = {CTRL_0, *range(0x1F, 0x27), FIFO_CTRL, 0x30, *range(0x32, 0x35), *range(0x36, 0x39), *range(0x3A, 0x40)}
LOW_POWER, HIGH_RESOLUTION, BOOT, FIFO_ENABLE = 0x08, 0x08, 0x80, 0x40
RATE_HZ = (0, 1, 10, 25, 50, 100, 200, 400, 1600, 1344)
LOW_POWER_9_HZ = 5376
RATE_9 = 9
# mg per digit by full scale: 12, 10 and 8 bits (table 4)
MG = {12: (1, 2, 4, 12), 10: (4, 8, 16, 48), 8: (16, 32, 64, 192)}
BYPASS, FIFO, STREAM = range(3)
DEPTH = 32
G = 9.80665


class LIS3DH(RegisterChip):
    """The sensor; SA0 low gives 0x18, high 0x19."""

    def __init__(self, clock: Clock, address: int = 0x18) -> None:
        super().__init__(address, clock)
        self.acceleration_ms2 = [0.0, 0.0, G]
        self.vibration_ms2 = 0.0
        self.vibration_hz = 7.0
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Full scale 2 g (12 bits of 1 mg), half a digit."""
        span = Range(-19.9, 19.9, 0.005)
        return {f"acceleration_ms2[{axis}]": span for axis in range(3)}

    def power_on(self) -> None:
        """Reset values (table 21): powered down, FIFO bypassed."""
        self._memory = bytearray(64)
        for register, value in RESET.items():
            self._memory[register] = value
        self._fifo: list[bytes] = []
        self._overrun = False
        self._pointer = 0
        self._increments = False
        self._next_ns = 0
        self._unread = self._lost = 0

    def _point(self, address: int) -> None:
        """Bit 7 of an address lets it go on by itself (6.1.1)."""
        self._pointer, self._increments = address & 0x3F, bool(address & 0x80)

    def _step(self) -> None:
        """With the FIFO on, the address turns from the last output to the first."""
        if not self._increments:
            return
        if self._fifo_on and self._pointer == OUT_END:
            self._pointer = OUT
        else:
            self._pointer = self._pointer + 1 & 0x3F

    @property
    def _fifo_on(self) -> bool:
        return bool(self._memory[CTRL_5] & FIFO_ENABLE) and self._memory[FIFO_CTRL] >> 6 != BYPASS

    def _store(self, register: int, value: int) -> None:
        if register not in WRITABLE:
            return
        if register == CTRL_5:
            value &= ~BOOT  # done at once; it reloads trimming, not these registers
        self._memory[register] = value
        if register == CTRL_1:
            rate_hz = self._rate_hz()
            self._next_ns = self._clock() + self._turn_on_ns(rate_hz) if rate_hz else 0
        elif register == FIFO_CTRL and value >> 6 == BYPASS:
            self._fifo.clear()
            self._overrun = False

    def _load(self, register: int) -> int:
        if register == FIFO_SRC:
            return self._fifo_source()
        if register == STATUS:
            return (0x0F if self._unread else 0) | (0xF0 if self._lost else 0)
        if OUT <= register <= OUT_END:
            return self._output(register)
        return self._memory[register]

    def _output(self, register: int) -> int:
        """A byte of the oldest sample; reading its last one lets it go."""
        if self._fifo_on and self._fifo:
            self._memory[OUT : OUT_END + 1] = self._fifo[0]
            if register == OUT_END:
                del self._fifo[0]
                self._overrun = False
        if register == OUT_END:
            self._unread = self._lost = 0
        return self._memory[register]

    def _fifo_source(self) -> int:
        """Watermark, overrun, empty and the number of unread samples, 32 of which are shown as 31 (AN3308)."""
        level = len(self._fifo)
        watermark = 0x80 if level > self._memory[FIFO_CTRL] & 0x1F else 0
        return watermark | (0x40 if self._overrun else 0) | (0x20 if not level else 0) | min(level, DEPTH - 1)

    def _rate_hz(self) -> int:
        code, low_power = self._memory[CTRL_1] >> 4, self._memory[CTRL_1] & LOW_POWER
        if code == RATE_9 and low_power:
            return LOW_POWER_9_HZ
        return RATE_HZ[code] if code < len(RATE_HZ) else 0

    def _bits(self) -> int:
        if self._memory[CTRL_1] & LOW_POWER:
            return 8
        return 12 if self._memory[CTRL_4] & HIGH_RESOLUTION else 10

    def _turn_on_ns(self, rate_hz: int) -> int:
        """Seven samples in high resolution, else one (table 14)."""
        return (7 if self._bits() == 12 else 1) * 1_000_000_000 // rate_hz

    def _advance(self) -> None:
        """Take the samples that were due since the last look."""
        now, rate_hz = self._clock(), self._rate_hz()
        if not rate_hz or not self._next_ns:
            return
        period_ns = 1_000_000_000 // rate_hz
        due = (now - self._next_ns) // period_ns + 1
        if due > 2 * DEPTH:  # what the FIFO would have let go again
            self._next_ns += (due - 2 * DEPTH) * period_ns
        while self._next_ns <= now:
            self._sample(self._next_ns)
            self._next_ns += period_ns

    def _sample(self, at_ns: int) -> None:
        sample = b"".join(self._code(value).to_bytes(2, "little") for value in self._felt(at_ns))
        self._lost, self._unread = self._unread, 1
        if not self._fifo_on:
            self._memory[OUT : OUT_END + 1] = sample
            return
        if len(self._fifo) == DEPTH:
            if self._memory[FIFO_CTRL] >> 6 == FIFO:
                return
            del self._fifo[0]
        self._fifo.append(sample)
        self._overrun = len(self._fifo) == DEPTH

    def _felt(self, at_ns: int) -> tuple[float, float, float]:
        x, y, z = self.acceleration_ms2
        return x, y, z + self.vibration_ms2 * sin(2 * pi * self.vibration_hz * at_ns / 1e9)

    def _code(self, value_ms2: float) -> int:
        """Left-justified two's complement, cut at the ends of the scale."""
        bits = self._bits()
        mg = MG[bits][self._memory[CTRL_4] >> 4 & 3]
        digits = round(value_ms2 / G * 1000 / mg)
        top = 1 << (bits - 1)
        return max(-top, min(top - 1, digits)) << (16 - bits) & 0xFFFF


def make(clock: Clock, address: int = 0x18) -> LIS3DH:
    """A sensor that lies flat."""
    return LIS3DH(clock, address)
