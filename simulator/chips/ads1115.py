"""Virtual ADS1115 16-bit converter, written from its datasheet.

Source: Texas Instruments SBAS444E (January 2018): registers 9.6, single-shot and continuous 9.4, I2C 9.5.
The physical side is `inputs_v`: the voltages at AIN0 to AIN3 against ground.
"""

from .base import Clock, I2CChip, Range

RESET_CONFIG = 0x8583
FULL_SCALE_V = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256)
RATE_SPS = (8, 16, 32, 64, 128, 250, 475, 860)
PAIRS = ((0, 1), (0, 3), (1, 3), (2, 3))
CONVERSION, CONFIG, LOW_THRESHOLD, HIGH_THRESHOLD = range(4)
OS_BIT, SINGLE_SHOT = 0x8000, 0x0100


class ADS1115(I2CChip):
    """The converter; ADDR at GND, VDD, SDA, SCL gives 0x48, 0x49, 0x4A, 0x4B."""

    def __init__(self, clock: Clock, address: int = 0x48, supply_v: float = 3.3) -> None:
        super().__init__(address, clock)
        self.supply_v = supply_v
        self.inputs_v = [0.0, 0.0, 0.0, 0.0]
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Single-ended inputs between the supply rails at full scale 4.096 V."""
        span = Range(0.0, self.supply_v, 0.000125)
        return {f"inputs_v[{number}]": span for number in range(4)}

    def power_on(self) -> None:
        """Reset values (9.6)."""
        self._registers = [0x0000, RESET_CONFIG & ~OS_BIT, 0x8000, 0x7FFF]
        self._pointer = CONVERSION
        self._done_ns = 0
        self._converting = False

    def write(self, data: bytes) -> None:
        """The pointer, then one 16-bit value for the register it names (9.5.3)."""
        self._advance()
        if data:
            self._pointer = data[0] & 3
        if len(data) >= 3:
            self._store(data[1] << 8 | data[2])

    def read(self, count: int) -> bytes:
        """The register the pointer names, high byte first, over and over."""
        self._advance()
        value = self._registers[self._pointer]
        if self._pointer == CONFIG and not self._converting:
            value |= OS_BIT
        return (value.to_bytes(2, "big") * (count // 2 + 1))[:count]

    def _store(self, value: int) -> None:
        if self._pointer == CONVERSION:
            return
        if self._pointer != CONFIG:
            self._registers[self._pointer] = value
            return
        continuous = not value & SINGLE_SHOT
        self._registers[CONFIG] = value & ~OS_BIT
        if continuous or (value & OS_BIT and not self._converting):
            self._converting = True
            self._done_ns = self._clock() + self._conversion_ns()
        elif value & SINGLE_SHOT and not value & OS_BIT and not self._converting:
            self._done_ns = 0

    def _conversion_ns(self) -> int:
        """Nominal conversion and 30 us of start-up (9.4.2.1)."""
        return 30_000 + 1_000_000_000 // RATE_SPS[self._registers[CONFIG] >> 5 & 7]

    def _advance(self) -> None:
        now = self._clock()
        if not self._converting or now < self._done_ns:
            return
        self._registers[CONVERSION] = self._code()
        if self._registers[CONFIG] & SINGLE_SHOT:
            self._converting = False
        else:
            self._done_ns = now + self._conversion_ns()

    def _code(self) -> int:
        """Two's complement code of the selected input, cut at the ends of the scale (9.5.4)."""
        config = self._registers[CONFIG]
        full_scale = FULL_SCALE_V[config >> 9 & 7]
        code = round(self._difference_v(config >> 12 & 7) * 32768 / full_scale)
        return max(-32768, min(32767, code)) & 0xFFFF

    def _difference_v(self, mux: int) -> float:
        pins = [max(-0.3, min(self.supply_v + 0.3, volts)) for volts in self.inputs_v]
        if mux >= 4:
            return pins[mux - 4]
        plus, minus = PAIRS[mux]
        return pins[plus] - pins[minus]


def make(clock: Clock, address: int = 0x48) -> ADS1115:
    """A converter with its own clock."""
    return ADS1115(clock, address)
