"""Virtual SCD41 CO2, temperature and humidity sensor, written from its datasheet.

Source: Sensirion SCD4x datasheet version 1.4 (2023): commands 3.4 to 3.10, checksum 3.11. The physical side
is `co2_ppm`, `temperature_cel`, `humidity_pct`. Commands that the present mode does not allow are not
acknowledged; so is everything while a command executes.
"""

from .base import Clock, I2CChip, Nack, Range
from .sensirion import with_checksum

START_PERIODIC, READ_MEASUREMENT, STOP_PERIODIC = 0x21B1, 0xEC05, 0x3F86
START_LOW_POWER, DATA_READY, SINGLE_SHOT = 0x21AC, 0xE4B8, 0x219D
SERIAL_NUMBER, REINIT = 0x3682, 0x3646
SELF_CALIBRATION, TEMPERATURE_OFFSET, ALTITUDE = 0x2313, 0x2318, 0x2322
EXECUTION_NS = {
    START_PERIODIC: 0,
    START_LOW_POWER: 0,
    READ_MEASUREMENT: 1_000_000,
    DATA_READY: 1_000_000,
    SERIAL_NUMBER: 1_000_000,
    SELF_CALIBRATION: 1_000_000,
    TEMPERATURE_OFFSET: 1_000_000,
    ALTITUDE: 1_000_000,
    REINIT: 30_000_000,
    STOP_PERIODIC: 500_000_000,
    SINGLE_SHOT: 5_000_000_000,
}
WHILE_PERIODIC = (READ_MEASUREMENT, DATA_READY, STOP_PERIODIC)
PERIOD_NS = {START_PERIODIC: 5_000_000_000, START_LOW_POWER: 30_000_000_000}
POWER_UP_NS = 30_000_000
SERIAL = (0xF896, 0x9F07, 0x3BBE)


class SCD41(I2CChip):
    """The sensor; its address is fixed. `corrupt`: each checksum it sends is wrong."""

    def __init__(self, clock: Clock, address: int = 0x62) -> None:
        super().__init__(address, clock)
        self.co2_ppm = 420.0
        self.temperature_cel = 21.0
        self.humidity_pct = 45.0
        self.corrupt = False
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Output range (table 1) with the resolution of one count."""
        return {
            "co2_ppm": Range(0.0, 40000.0, 0.51),
            "temperature_cel": Range(-10.0, 60.0, 0.002),
            "humidity_pct": Range(0.0, 100.0, 0.001),
        }

    def power_on(self) -> None:
        """Idle, nothing measured."""
        self._busy_ns = self._clock() + POWER_UP_NS
        self._period_ns = 0
        self._next_ns = 0
        self._single = False
        self._sample: tuple[int, int, int] | None = None
        self._answer = b""

    def write(self, data: bytes) -> None:
        """A 16-bit command, perhaps with a word and its checksum. Raises: Nack."""
        self._advance()
        if len(data) < 2:
            return
        command = data[0] << 8 | data[1]
        if command not in EXECUTION_NS:
            raise Nack(f"SCD41 has no command 0x{command:04x}")
        if self._period_ns and command not in WHILE_PERIODIC:
            raise Nack(f"SCD41 does not take 0x{command:04x} while it measures")
        self._busy_ns = self._clock() + EXECUTION_NS[command]
        self._execute(command)

    def read(self, count: int) -> bytes:
        """What the last command gives. Raises: Nack if it gives nothing."""
        self._advance()
        if not self._answer:
            raise Nack("SCD41 has nothing to send")
        answer, self._answer = self._answer, b""
        return answer[:count].ljust(count, b"\xff")

    def _advance(self) -> None:
        """Bring measurements to the present. Raises: Nack while a command executes."""
        now = self._clock()
        if now < self._busy_ns:
            raise Nack("SCD41 is busy")
        if self._single:
            self._single = False
            self._measure()
        if self._period_ns and now >= self._next_ns:
            self._next_ns += ((now - self._next_ns) // self._period_ns + 1) * self._period_ns
            self._measure()

    def _execute(self, command: int) -> None:
        self._answer = b""
        if command in PERIOD_NS:
            self._period_ns = PERIOD_NS[command]
            self._next_ns = self._clock() + self._period_ns
        elif command in (STOP_PERIODIC, REINIT):
            self._period_ns = 0
        elif command == SINGLE_SHOT:
            self._single = True
        elif command == DATA_READY:
            self._send(0x8006 if self._sample else 0x8000)
        elif command == SERIAL_NUMBER:
            self._send(*SERIAL)
        elif command == READ_MEASUREMENT and self._sample:
            self._send(*self._sample)
            self._sample = None

    def _measure(self) -> None:
        """Words of the physical values (3.5.2)."""
        temperature = (self.temperature_cel + 45) * 65535 / 175
        humidity = self.humidity_pct * 65535 / 100
        words = [round(max(0.0, min(65535.0, w))) for w in (self.co2_ppm, temperature, humidity)]
        self._sample = (words[0], words[1], words[2])

    def _send(self, *words: int) -> None:
        for word in words:
            data = word.to_bytes(2, "big")
            self._answer += with_checksum(data, self.corrupt)


def make(clock: Clock, address: int = 0x62) -> SCD41:
    """A sensor with its own clock."""
    return SCD41(clock, address)
