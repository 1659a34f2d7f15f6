"""Virtual BME280 humidity, pressure and temperature sensor, written from its datasheet.

Source: Bosch BST-BME280-DS002 revision 1.6: memory map 5.3, registers 5.4, modes 3.3, compensation 4.2.3 and
8.1, measurement time 9.1, I2C 6.2. The physical side is `temperature_cel`, `humidity_pct`, `pressure_pa`; the
codes are found by searching for the one whose compensated value is nearest. The calibration is this chip's
own.
"""

import struct
from collections.abc import Callable

from .base import Clock, I2CChip, Nack, Range

DIG_T = (28174, 26583, 50)
DIG_P = (38104, -10618, 3024, 6532, 62, -7, 9900, -10230, 4285)
DIG_H = (75, 368, 0, 313, 50, 30)
STARTUP_NS = 2_000_000
STANDBY_MS = (0.5, 62.5, 125, 250, 500, 1000, 10, 20)
OVERSAMPLING = (0, 1, 2, 4, 8, 16, 16, 16)
DATA_RESET = bytes((0x80, 0, 0, 0x80, 0, 0, 0x80, 0))
READ_ONLY = frozenset(range(0x88, 0xF2)) - {0xE0} | {0xF3} | frozenset(range(0xF7, 0xFF))


class BME280(I2CChip):
    """The sensor. `SDO` low gives address 0x76, high 0x77."""

    def __init__(self, clock: Clock, address: int = 0x76) -> None:
        super().__init__(address, clock)
        self.temperature_cel = 15.0
        self.humidity_pct = 60.0
        self.pressure_pa = 101325.0
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Operating range (table 1) with the resolution at oversampling 1."""
        return {
            "temperature_cel": Range(-40.0, 85.0, 0.01),
            "humidity_pct": Range(0.0, 100.0, 0.05),
            "pressure_pa": Range(30000.0, 110000.0, 3.5),
        }

    def power_on(self) -> None:
        """Reset values (table 18) and the start-up time."""
        self._memory = bytearray(256)
        self._memory[0xD0] = 0x60
        self._memory[0xF7:0xFF] = DATA_RESET
        self._store_calibration()
        self._pointer = 0
        self._ctrl_hum = 0
        self._ready_ns = self._clock() + STARTUP_NS
        self._done_ns = 0

    def write(self, data: bytes) -> None:
        """A register address, then alternately a value and the next register address (6.2.1)."""
        self._advance()
        if not data:
            return
        self._pointer = data[0]
        for register, value in zip(data[0::2], data[1::2], strict=False):
            self._store(register, value)

    def read(self, count: int) -> bytes:
        """Registers from the last written address on; it increments (6.2.2)."""
        self._advance()
        answer = bytes(self._memory[(self._pointer + i) & 0xFF] for i in range(count))
        self._pointer = (self._pointer + count) & 0xFF
        return answer

    @property
    def _mode(self) -> int:
        return self._memory[0xF4] & 3

    def _store(self, register: int, value: int) -> None:
        if register == 0xE0:
            if value == 0xB6:
                self.power_on()
        elif register in READ_ONLY or register < 0x88:
            return
        elif register == 0xF4:
            self._memory[0xF4] = value
            self._ctrl_hum = self._memory[0xF2] & 7
            self._begin()
        elif register == 0xF2:
            self._memory[0xF2] = value & 7
        elif register == 0xF5 and self._mode != 3:
            self._memory[0xF5] = value & 0xFD

    def _oversampling(self) -> tuple[int, int, int]:
        """Temperature, pressure and humidity oversampling; 0 is skipped."""
        control = self._memory[0xF4]
        return OVERSAMPLING[control >> 5], OVERSAMPLING[control >> 2 & 7], OVERSAMPLING[self._ctrl_hum]

    def _measuring_ns(self) -> int:
        """Typical measurement time (9.1)."""
        t, p, h = self._oversampling()
        ms = 1 + 2 * t + (2 * p + 0.5 if p else 0) + (2 * h + 0.5 if h else 0)
        return int(ms * 1e6)

    def _begin(self) -> None:
        self._done_ns = self._clock() + self._measuring_ns() if self._mode else 0

    def _advance(self) -> None:
        """Bring status, mode and data to the present. Raises: Nack while starting up."""
        now = self._clock()
        if now < self._ready_ns:
            raise Nack("BME280 is starting up")
        if self._done_ns and now >= self._done_ns:
            self._measure()
            if self._mode == 3:
                period = self._measuring_ns() + int(STANDBY_MS[self._memory[0xF5] >> 5] * 1e6)
                self._done_ns += ((now - self._done_ns) // period + 1) * period
            else:
                self._memory[0xF4] &= 0xFC
                self._done_ns = 0
        left = self._done_ns - now
        self._memory[0xF3] = 0x08 if 0 < left <= self._measuring_ns() else 0

    def _measure(self) -> None:
        t, p, h = self._oversampling()
        filtered = self._memory[0xF5] >> 2 & 7
        code_t = _nearest(lambda code: fine(code) / 5120, self.temperature_cel, 20, rising=True)
        t_fine = fine(code_t)
        code_p = _nearest(lambda code: pressure_pa(code, t_fine), self.pressure_pa, 20, rising=False)
        code_h = _nearest(lambda code: humidity_pct(code, t_fine), self.humidity_pct, 16, rising=True)
        self._memory[0xF7:0xFA] = _three_bytes(code_p, p, filtered)
        self._memory[0xFA:0xFD] = _three_bytes(code_t, t, filtered)
        self._memory[0xFD:0xFF] = code_h.to_bytes(2, "big") if h else DATA_RESET[6:]

    def _store_calibration(self) -> None:
        """Table 16."""
        self._memory[0x88:0xA0] = struct.pack("<Hhh", *DIG_T) + struct.pack("<H8h", *DIG_P)
        h1, h2, h3, h4, h5, h6 = DIG_H
        self._memory[0xA1] = h1
        self._memory[0xE1:0xE4] = struct.pack("<hB", h2, h3)
        self._memory[0xE4] = h4 >> 4 & 0xFF
        self._memory[0xE5] = (h5 & 0x0F) << 4 | h4 & 0x0F
        self._memory[0xE6] = h5 >> 4 & 0xFF
        self._memory[0xE7] = h6 & 0xFF


def fine(code: int) -> float:
    """`t_fine` of a temperature code: 8.1, double precision."""
    a = (code / 16384.0 - DIG_T[0] / 1024.0) * DIG_T[1]
    b = (code / 131072.0 - DIG_T[0] / 8192.0) ** 2 * DIG_T[2]
    return a + b


def pressure_pa(code: int, t_fine: float) -> float:
    """Pressure in Pa of a code: 8.1, double precision."""
    _, p1, p2, p3, p4, p5, p6, p7, p8, p9 = (0, *DIG_P)
    a = t_fine / 2.0 - 64000.0
    b = a * a * p6 / 32768.0 + a * p5 * 2.0
    b = b / 4.0 + p4 * 65536.0
    a = (p3 * a * a / 524288.0 + p2 * a) / 524288.0
    a = (1.0 + a / 32768.0) * p1
    p = (1048576.0 - code - b / 4096.0) * 6250.0 / a
    return p + (p9 * p * p / 2147483648.0 + p * p8 / 32768.0 + p7) / 16.0


def humidity_pct(code: int, t_fine: float) -> float:
    """Relative humidity in % of a code: 8.1, double precision, not cut to 0..100."""
    h1, h2, h3, h4, h5, h6 = DIG_H
    x = t_fine - 76800.0
    gain = h2 / 65536.0 * (1.0 + h6 / 67108864.0 * x * (1.0 + h3 / 67108864.0 * x))
    h = (code - (h4 * 64.0 + h5 / 16384.0 * x)) * gain
    return h * (1.0 - h1 * h / 524288.0)


def _nearest(value_of: Callable[[int], float], wanted: float, bits: int, *, rising: bool) -> int:
    """The code whose value is nearest to the wanted one; `value_of` is monotonic."""
    low, high = 0, (1 << bits) - 1
    while low < high:
        middle = (low + high) // 2
        if (value_of(middle) < wanted) == rising:
            low = middle + 1
        else:
            high = middle
    below = max(low - 1, 0)
    return below if abs(value_of(below) - wanted) < abs(value_of(low) - wanted) else low


def _three_bytes(code: int, oversampling: int, filtered: int) -> bytes:
    """A 20-bit code as msb, lsb, xlsb; without filter it has 16 bits plus one per doubling (3.4.1)."""
    if not oversampling:
        return DATA_RESET[:3]
    bits = 20 if filtered else 15 + oversampling.bit_length()
    step = 1 << (20 - bits)
    code = min((code + step // 2) // step * step, (1 << 20) - step)
    return (code << 4).to_bytes(3, "big")


def make(clock: Clock, address: int = 0x76) -> BME280:
    """A sensor with its own clock."""
    return BME280(clock, address)
