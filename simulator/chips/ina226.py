"""Virtual INA226 voltage, current and power monitor, written from its datasheet.

Source: Texas Instruments SBOS547B (September 2024): registers 7.1, calibration and power engine 6.5, averaging 6.4.1,
alert pin 6.3.1.2, I2C 6.5.5. The physical side is `bus_v`, `current_a`, through a shunt of `shunt_ohm`.
"""

from .base import Clock, I2CChip, Range

CONFIGURATION, SHUNT, BUS, POWER, CURRENT, CALIBRATION, MASK, ALERT = range(8)
MANUFACTURER, DIE = 0xFE, 0xFF
RESET_CONFIGURATION = 0x4127
IDS = {MANUFACTURER: 0x5449, DIE: 0x2260}
AVERAGES = (1, 4, 16, 64, 128, 256, 512, 1024)
CONVERSION_US = (140, 204, 332, 588, 1100, 2116, 4156, 8244)
RESET_BIT, CONTINUOUS, BUS_ON, SHUNT_ON = 0x8000, 4, 2, 1
# Mask/enable: the five functions, of which the highest set one counts, then flags and settings.
OVER_SHUNT, UNDER_SHUNT, OVER_BUS, UNDER_BUS, OVER_POWER = 0x8000, 0x4000, 0x2000, 0x1000, 0x0800
CONVERSION_ALERT, FUNCTION_FLAG, READY_FLAG, OVERFLOW_FLAG, POLARITY, LATCH = 0x400, 0x10, 0x08, 0x04, 0x02, 0x01
MASK_WRITABLE = OVER_SHUNT | UNDER_SHUNT | OVER_BUS | UNDER_BUS | OVER_POWER | CONVERSION_ALERT | POLARITY | LATCH


class INA226(I2CChip):
    """The monitor; A1 and A0 at GND, VS, SDA, SCL give 0x40 to 0x4F."""

    def __init__(self, clock: Clock, address: int = 0x40, shunt_ohm: float = 0.01) -> None:
        super().__init__(address, clock)
        self.shunt_ohm = shunt_ohm
        self.bus_v = 12.0
        self.current_a = 1.0
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Full scale of both converters (5.5), half a count; power is the product of the two."""
        return {"bus_v": Range(0.0, 36.0, 0.00063), "current_a": Range(-8.19, 8.19, 0.000126)}

    @property
    def power_w(self) -> float:
        """What flows through the shunt at the bus's voltage."""
        return self.bus_v * self.current_a

    @property
    def alert_low(self) -> bool:
        """Whether the open-drain alert pin pulls its line down."""
        mask = self._registers[MASK]
        active = bool(mask & FUNCTION_FLAG) or bool(mask & CONVERSION_ALERT and mask & READY_FLAG)
        return active != bool(mask & POLARITY)

    def power_on(self) -> None:
        """Reset values (table 7-1): it converts both voltages, over and over."""
        self._registers = [RESET_CONFIGURATION, 0, 0, 0, 0, 0, 0, 0]
        self._pointer = CONFIGURATION
        self._begin()

    def write(self, data: bytes) -> None:
        """The pointer, then one 16-bit value for the register it names (6.5.5.3)."""
        self._advance()
        if data:
            self._pointer = data[0]
        if len(data) >= 3:
            self._store(data[1] << 8 | data[2])

    def read(self, count: int) -> bytes:
        """The register the pointer names, high byte first; reading mask/enable clears its flags (7.1.7)."""
        self._advance()
        value = IDS.get(self._pointer, 0)
        if self._pointer < len(self._registers):
            value = self._registers[self._pointer]
        if self._pointer == MASK:
            self._registers[MASK] = value & ~(READY_FLAG | (FUNCTION_FLAG if value & LATCH else 0))
        return (value.to_bytes(2, "big") * (count // 2 + 1))[:count]

    def _store(self, value: int) -> None:
        if self._pointer == CONFIGURATION and value & RESET_BIT:
            self.power_on()
        elif self._pointer == CONFIGURATION:
            self._registers[CONFIGURATION] = value & 0x0FFF | 0x4000
            self._registers[MASK] &= ~READY_FLAG
            self._begin()
        elif self._pointer == CALIBRATION:
            self._registers[CALIBRATION] = value & 0x7FFF
        elif self._pointer == MASK:
            kept = self._registers[MASK] & (READY_FLAG | FUNCTION_FLAG | OVERFLOW_FLAG)
            self._registers[MASK] = value & MASK_WRITABLE | kept
        elif self._pointer == ALERT:
            self._registers[ALERT] = value

    @property
    def _mode(self) -> int:
        return self._registers[CONFIGURATION] & 7

    def _conversion_ns(self) -> int:
        """Both conversion times that the mode asks for, as often as is averaged (6.4.1)."""
        config = self._registers[CONFIGURATION]
        bus_us = CONVERSION_US[config >> 6 & 7] if config & BUS_ON else 0
        shunt_us = CONVERSION_US[config >> 3 & 7] if config & SHUNT_ON else 0
        return 1000 * (bus_us + shunt_us) * AVERAGES[config >> 9 & 7]

    def _begin(self) -> None:
        running = self._mode & (BUS_ON | SHUNT_ON)
        self._done_ns = self._clock() + self._conversion_ns() if running else 0

    def _advance(self) -> None:
        now = self._clock()
        if not self._done_ns or now < self._done_ns:
            return
        self._convert()
        if self._mode & CONTINUOUS:
            period = self._conversion_ns()
            self._done_ns += ((now - self._done_ns) // period + 1) * period
        else:
            self._done_ns = 0

    def _convert(self) -> None:
        registers = self._registers
        if self._mode & SHUNT_ON:
            shunt = round(self.current_a * self.shunt_ohm / 2.5e-6)
            registers[SHUNT] = max(-32768, min(32767, shunt)) & 0xFFFF
        if self._mode & BUS_ON:
            registers[BUS] = max(0, min(0x7FFF, round(self.bus_v / 1.25e-3)))
        current = signed(registers[SHUNT]) * registers[CALIBRATION] // 2048
        power = abs(current) * registers[BUS] // 20000
        overflow = OVERFLOW_FLAG if abs(current) > 32767 or power > 0xFFFF else 0
        registers[CURRENT] = max(-32768, min(32767, current)) & 0xFFFF
        registers[POWER] = min(power, 0xFFFF)
        registers[MASK] = registers[MASK] & ~OVERFLOW_FLAG | READY_FLAG | overflow
        self._compare()

    def _compare(self) -> None:
        """The function with the highest bit of those enabled sets or, unless latched, clears the flag (7.1.7)."""
        mask, limit = self._registers[MASK], self._registers[ALERT]
        shunt, bus, power = signed(self._registers[SHUNT]), self._registers[BUS], self._registers[POWER]
        functions = (
            (OVER_SHUNT, shunt > signed(limit)),
            (UNDER_SHUNT, shunt < signed(limit)),
            (OVER_BUS, bus > limit),
            (UNDER_BUS, bus < limit),
            (OVER_POWER, power > limit),
        )
        beyond = next((result for bit, result in functions if mask & bit), False)
        if beyond:
            self._registers[MASK] |= FUNCTION_FLAG
        elif not mask & LATCH:
            self._registers[MASK] &= ~FUNCTION_FLAG


def signed(value: int) -> int:
    """A register's 16 bits as two's complement."""
    return value - 0x10000 if value & 0x8000 else value


def make(clock: Clock, address: int = 0x40) -> INA226:
    """A monitor over a shunt of 0.01 Ohm."""
    return INA226(clock, address)
