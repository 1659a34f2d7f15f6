"""Virtual MAX17048 fuel gauge, written from its datasheet.

Source: Maxim 19-6171 revision 7 (November 2016): register summary and the sections of each register, power-on reset,
quick-start, sleep, alerts, I2C protocol. The physical side is `cell_v`, `charge_pct`, `rate_pct_per_h`; the model of
the battery is not simulated, `charge_pct` is what it says. Hibernation changes how often the chip
looks, not what it sees.
"""

from .base import Clock, I2CChip, Nack, Range

VCELL, SOC, MODE, VERSION, HIBRT, CONFIG = 0x02, 0x04, 0x06, 0x08, 0x0A, 0x0C
VALRT, CRATE, VRESET, STATUS, COMMAND = 0x14, 0x16, 0x18, 0x1A, 0xFE
RESET = {MODE: 0x0000, VERSION: 0x0012, HIBRT: 0x8030, CONFIG: 0x971C, VALRT: 0x00FF, VRESET: 0x960C, STATUS: 0x0100}
WRITABLE = {MODE: 0x6000, HIBRT: 0xFFFF, CONFIG: 0xFFDF, VALRT: 0xFFFF, VRESET: 0xFF00, STATUS: 0x7F00}
POWER_ON_COMMAND = 0x5400
QUICK_START, SLEEP_ENABLE, HIBERNATING = 0x4000, 0x2000, 0x1000
SLEEP, CHARGE_CHANGE_ALERT, ALERT = 0x0080, 0x0040, 0x0020
RESET_FLAG, HIGH, LOW, RESET_ALERT, EMPTY, CHANGED, RESET_ALERT_ENABLE = (1 << bit for bit in range(8, 15))
READY_NS = 17_000_000 + 175_000_000
PERIOD_NS = 250_000_000
HIBERNATING_PERIOD_NS = 45_000_000_000


class MAX17048(I2CChip):
    """The gauge; its address is fixed."""

    def __init__(self, clock: Clock, address: int = 0x36) -> None:
        super().__init__(address, clock)
        self.cell_v = 3.9
        self.charge_pct = 80.0
        self.rate_pct_per_h = 0.0
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """What a cell that powers the chip can show, half a count."""
        return {
            "cell_v": Range(2.5, 5.0, 0.00004),
            "charge_pct": Range(0.0, 110.0, 0.002),
            "rate_pct_per_h": Range(-1000.0, 1000.0, 0.105),
        }

    @property
    def alert_low(self) -> bool:
        """Whether the open-drain ALRT pin pulls its line down."""
        return bool(self._registers[CONFIG] & ALERT)

    def power_on(self) -> None:
        """Reset values (register summary); the first charge takes a debounce and a conversion."""
        self._registers = {VCELL: 0, SOC: 0, CRATE: 0, **RESET}
        self._pointer = VCELL
        self._next_ns = self._clock() + READY_NS
        self._whole_percent: int | None = None

    def write(self, data: bytes) -> None:
        """A register address, then words; a single byte has no effect. Raises: Nack after the reset command."""
        self._advance()
        if not data:
            return
        self._pointer = data[0]
        for high, low in zip(data[1::2], data[2::2], strict=False):
            self._store(self._pointer, high << 8 | low)
            self._pointer = self._pointer + 2 & 0xFF

    def read(self, count: int) -> bytes:
        """Registers from the pointer on, high bytes first; it goes on by itself."""
        self._advance()
        answer = bytes(self._byte(self._pointer + offset & 0xFF) for offset in range(count))
        self._pointer = self._pointer + count & 0xFF
        return answer

    def _byte(self, address: int) -> int:
        word = self._registers.get(address & 0xFE, 0xFFFF)
        return word & 0xFF if address & 1 else word >> 8

    def _store(self, address: int, value: int) -> None:
        if address == COMMAND and value == POWER_ON_COMMAND:
            self.power_on()
            raise Nack("MAX17048 was reset and did not acknowledge")
        if address not in WRITABLE:
            return
        mask = WRITABLE[address]
        kept = self._registers[address] & ~mask
        if address == CONFIG:
            kept = self._registers[CONFIG] & ALERT & value  # software only clears it
        self._registers[address] = value & mask & ~QUICK_START | kept if address == MODE else value & mask | kept
        if address == MODE and value & QUICK_START:
            self._next_ns = self._clock() + READY_NS
        if address == HIBRT:
            self._hibernate_if_told()

    @property
    def _asleep(self) -> bool:
        return bool(self._registers[MODE] & SLEEP_ENABLE and self._registers[CONFIG] & SLEEP)

    def _hibernate_if_told(self) -> None:
        """0xFFFF is always, 0x0000 never; between them the rate decides at each measurement."""
        threshold = self._registers[HIBRT] >> 8
        slow = abs(self.rate_pct_per_h) < threshold * 0.208
        self._registers[MODE] = self._registers[MODE] & ~HIBERNATING | (HIBERNATING if slow else 0)

    def _advance(self) -> None:
        now = self._clock()
        if now < self._next_ns or self._asleep:
            return
        self._measure()
        period = HIBERNATING_PERIOD_NS if self._registers[MODE] & HIBERNATING else PERIOD_NS
        self._next_ns += ((now - self._next_ns) // period + 1) * period

    def _measure(self) -> None:
        registers = self._registers
        registers[VCELL] = _word(self.cell_v / 78.125e-6)
        registers[SOC] = _word(self.charge_pct * 256)
        rate = round(self.rate_pct_per_h / 0.208)
        registers[CRATE] = max(-32768, min(32767, rate)) & 0xFFFF
        self._look_for_alerts()

    def _look_for_alerts(self) -> None:
        lowest_v, highest_v = (self._registers[VALRT] >> 8) * 0.02, (self._registers[VALRT] & 0xFF) * 0.02
        empty_pct = 32 - (self._registers[CONFIG] & 0x1F)
        whole = int(self.charge_pct)
        changed = self._whole_percent is not None and whole != self._whole_percent
        self._whole_percent = whole
        flags = (
            (HIGH, self.cell_v > highest_v),
            (LOW, self.cell_v < lowest_v),
            (EMPTY, self.charge_pct < empty_pct),
            (CHANGED, changed and bool(self._registers[CONFIG] & CHARGE_CHANGE_ALERT)),
        )
        for bit, beyond in flags:
            if beyond:
                self._registers[STATUS] |= bit
                self._registers[CONFIG] |= ALERT


def _word(value: float) -> int:
    return max(0, min(0xFFFF, round(value)))


def make(clock: Clock, address: int = 0x36) -> MAX17048:
    """A gauge on a cell that is four fifths full."""
    return MAX17048(clock, address)
