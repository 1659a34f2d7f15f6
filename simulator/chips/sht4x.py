"""Virtual SHT4x humidity and temperature sensor, written from its datasheet.

Source: Sensirion SHT4x datasheet version 6.6 (June 2024): timing 3.1, commands 4.5, conversion 4.6, serial number 4.7,
reset 4.8, heater 4.9, checksum 4.4. Everything is refused while a command executes, and a read for which there is
nothing. The physical side is `temperature_cel`, `humidity_pct`. What the heater warms and how fast it cools is not in
the datasheet; here 0.3 K per mW, approached and lost with a time constant of one second. Water in
the air stays as it is.
"""

from math import exp

from .base import Clock, I2CChip, Nack, Range
from .sensirion import with_checksum

HIGH, MEDIUM, LOW, SERIAL, RESET = 0xFD, 0xF6, 0xE0, 0x89, 0x94
MEASURING_NS = {HIGH: 8_300_000, MEDIUM: 4_500_000, LOW: 1_600_000}
HEATER = {
    0x39: (200, 1_000_000_000),
    0x32: (200, 100_000_000),
    0x2F: (110, 1_000_000_000),
    0x24: (110, 100_000_000),
    0x1E: (20, 1_000_000_000),
    0x15: (20, 100_000_000),
}
POWER_UP_NS = RESET_NS = 1_000_000
SERIAL_NUMBER = (0x0F5A, 0x93C4)
KELVIN_PER_MW = 0.3
COOLING_NS = 1e9


class SHT4X(I2CChip):
    """The sensor; types A, B, C have 0x44, 0x45, 0x46. `corrupt`: each checksum it sends is wrong."""

    def __init__(self, clock: Clock, address: int = 0x44) -> None:
        super().__init__(address, clock)
        self.temperature_cel = 21.0
        self.humidity_pct = 45.0
        self.corrupt = False
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Range of tables 1 and 2 with half a count."""
        return {"temperature_cel": Range(-40.0, 125.0, 0.0014), "humidity_pct": Range(0.0, 100.0, 0.001)}

    def power_on(self) -> None:
        """Idle, nothing measured, cold."""
        self._busy_ns = self._clock() + POWER_UP_NS
        self._answer = b""
        self._command = 0
        self._warm_k = 0.0
        self._warmed_ns = 0

    def write(self, data: bytes) -> None:
        """One command byte. Raises: Nack."""
        self._check_idle()
        if not data:
            return
        self._finish()
        if data[0] not in (*MEASURING_NS, *HEATER, SERIAL, RESET):
            raise Nack(f"SHT4x has no command 0x{data[0]:02x}")
        self._answer, self._command = b"", data[0]
        self._busy_ns = self._clock() + self._duration_ns(data[0])
        if data[0] in HEATER:
            power_mw, duration_ns = HEATER[data[0]]
            self._warm_k = power_mw * KELVIN_PER_MW * (1 - exp(-duration_ns / COOLING_NS))
            self._warmed_ns = self._clock() + duration_ns

    def read(self, count: int) -> bytes:
        """What the last command gives, once. Raises: Nack while it executes, and when it gave nothing."""
        self._check_idle()
        self._finish()
        if not self._answer:
            raise Nack("SHT4x has nothing to send")
        answer, self._answer = self._answer, b""
        return answer[:count].ljust(count, b"\xff")

    def warmer_by_k(self) -> float:
        """How much the heater has left the sensor warmer than the air."""
        if not self._warm_k:
            return 0.0
        return self._warm_k * exp(-max(0, self._clock() - self._warmed_ns) / COOLING_NS)

    @staticmethod
    def _duration_ns(command: int) -> int:
        if command in HEATER:
            return HEATER[command][1] + MEASURING_NS[HIGH]
        return MEASURING_NS.get(command, RESET_NS if command == RESET else 0)

    def _check_idle(self) -> None:
        if self._clock() < self._busy_ns:
            raise Nack("SHT4x is busy")

    def _finish(self) -> None:
        """What a command that is over leaves to be read."""
        command, self._command = self._command, 0
        if command == SERIAL:
            self._send(*SERIAL_NUMBER)
        elif command == RESET:
            self.power_on()
            self._busy_ns = 0
        elif command:
            self._measure()

    def _measure(self) -> None:
        """Words of the physical values (4.6); a warmed sensor sees the same water as fewer per cent."""
        warm_k = self.warmer_by_k()
        seen_cel = self.temperature_cel + warm_k
        seen_pct = self.humidity_pct * saturation(self.temperature_cel) / saturation(seen_cel)
        words = ((seen_cel + 45) * 65535 / 175, (seen_pct + 6) * 65535 / 125)
        self._send(*(round(max(0.0, min(65535.0, word))) for word in words))

    def _send(self, *words: int) -> None:
        for word in words:
            data = word.to_bytes(2, "big")
            self._answer += with_checksum(data, self.corrupt)


def saturation(temperature_cel: float) -> float:
    """Saturation vapour pressure over water in hPa (WMO-No. 8, annex 4.B)."""
    return 6.112 * exp(17.62 * temperature_cel / (243.12 + temperature_cel))


def make(clock: Clock, address: int = 0x44) -> SHT4X:
    """A sensor with its own clock."""
    return SHT4X(clock, address)
