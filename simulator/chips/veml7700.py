"""Virtual VEML7700 ambient light sensor, written from its datasheet.

Source: Vishay 84286 revision 1.8: commands 0 to 7 (16 bits, low byte first), resolution table (0.0042 lx a count at
gain 2 and 800 ms, doubling with half the time or gain), refresh once an integration time; application note 84323:
2.5 ms from shut down, and how far the sensor falls behind strong light. The physical side is `illuminance_lx`; the
second channel, which sees more than the eye, gets `white_ratio` of it.
"""

from .base import Clock, I2CChip, Range

CONFIG, HIGH, LOW, POWER_SAVING, LIGHT, WHITE, INTERRUPT, IDENTITY = range(8)
SHUT_DOWN = 1
GAINS = (1.0, 2.0, 0.125, 0.25)
TIMES_MS = {0b1100: 25, 0b1000: 50, 0b0000: 100, 0b0001: 200, 0b0010: 400, 0b0011: 800}
SAVING_MS = (500, 1000, 2000, 4000)
ID = 0xC481
START_NS = 2_500_000
LX_GAIN_MS = 0.0042 * 2 * 800
WRITABLE = {CONFIG: 0x1BF3, HIGH: 0xFFFF, LOW: 0xFFFF, POWER_SAVING: 0x0007}
STRAIGHT_LX = 1000.0


class VEML7700(I2CChip):
    """The sensor; its address is fixed."""

    def __init__(self, clock: Clock, address: int = 0x10) -> None:
        super().__init__(address, clock)
        self.illuminance_lx = 320.0
        self.white_ratio = 1.9
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Dark to full sun; a count in the least sensitive range is 2.15 lx, and near full sun worth 19 times that."""
        return {"illuminance_lx": Range(0.0, 120_000.0, 25.0)}

    def power_on(self) -> None:
        """Shut down, all else 0."""
        self._registers = [SHUT_DOWN, 0, 0, 0, 0, 0, 0, ID]
        self._pointer = CONFIG
        self._next_ns = 0

    def write(self, data: bytes) -> None:
        """A command code, then its low and high byte."""
        self._advance()
        if data:
            self._pointer = data[0]
        if len(data) >= 3 and self._pointer in WRITABLE:
            value = (data[1] | data[2] << 8) & WRITABLE[self._pointer]
            was, self._registers[self._pointer] = self._registers[self._pointer], value
            if self._pointer == CONFIG and value != was:
                self._next_ns = self._clock() + START_NS + self._refresh_ns()

    def read(self, count: int) -> bytes:
        """The register of the command code, low byte first."""
        self._advance()
        value = self._registers[self._pointer] if self._pointer < len(self._registers) else 0
        return value.to_bytes(2, "little").ljust(count, b"\xff")[:count]

    def _integration_ms(self) -> int:
        return TIMES_MS.get(self._registers[CONFIG] >> 6 & 15, 100)

    def _refresh_ns(self) -> int:
        saving = self._registers[POWER_SAVING]
        pause_ms = SAVING_MS[saving >> 1 & 3] if saving & 1 else 0
        return (self._integration_ms() + pause_ms) * 1_000_000

    def _advance(self) -> None:
        now = self._clock()
        if self._registers[CONFIG] & SHUT_DOWN or now < self._next_ns:
            return
        self._next_ns += ((now - self._next_ns) // self._refresh_ns() + 1) * self._refresh_ns()
        self._registers[LIGHT] = self._counts(seen_lx(self.illuminance_lx))
        self._registers[WHITE] = self._counts(seen_lx(self.illuminance_lx) * self.white_ratio)

    def _counts(self, lux: float) -> int:
        per_count = LX_GAIN_MS / GAINS[self._registers[CONFIG] >> 11 & 3] / self._integration_ms()
        return max(0, min(0xFFFF, round(lux / per_count)))


def seen_lx(illuminance_lx: float) -> float:
    """What the straight line through the counts makes of an illuminance: the note's curve, read backwards.

    Up to 1000 lx the two are the same. The curve begins at 1075; between them the sensor shows 1000.
    """
    if illuminance_lx <= STRAIGHT_LX:
        return illuminance_lx
    low, high = STRAIGHT_LX, 30_000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _curve(middle) < illuminance_lx else (low, middle)
    return low


def _curve(seen: float) -> float:
    """Application note 84323: 6.0135E-13 x^4 - 9.3924E-9 x^3 + 8.1488E-5 x^2 + 1.0023 x."""
    return 6.0135e-13 * seen**4 - 9.3924e-9 * seen**3 + 8.1488e-5 * seen**2 + 1.0023 * seen


def make(clock: Clock, address: int = 0x10) -> VEML7700:
    """A sensor with its own clock."""
    return VEML7700(clock, address)
