"""SCD41 CO2, temperature and humidity sensor (Sensirion), I2C, periodic measurement.

Datasheet: SCD4x version 1.4 (2023); section numbers below refer to it.

| channel     | property                                  | unit  | range      | sigma |
|-------------|-------------------------------------------|-------|------------|-------|
| co2         | mole_fraction_of_carbon_dioxide_in_air    | [ppm] | 0 .. 40000 | 40    |
| temperature | air_temperature                           | Cel   | -10 .. 60  | 0.8   |
| humidity    | relative_humidity                         | %     | 0 .. 100   | 6     |

    sensor = make(io, {"bus": "i2c0"})
    wait_ms = sensor.start()        # 5.1 s the first time, nothing later
    sensor.read_into(values)        # values[0] ppm, values[1] Cel, values[2] %

Board file keys: `bus`; `address` (0x62); `max_age_ms` (7500): an older measurement is no reading.
Limits: measures every 5 s in its own time, so a reading is the newest measurement of the last `max_age_ms`.
Its identity cannot be asked while it measures: checksums are what tells it apart. Self-calibration assumes
fresh air (400 ppm) at least once a week. Temperature includes the chip's own heat.
"""

from .errors import NACK, NOT_READY, BusError, DriverError, check_range
from .sensirion import check_words

CHANNELS = (
    ("co2", "mole_fraction_of_carbon_dioxide_in_air", "[ppm]", 0, 40000, 40, 1, 75, 60),
    ("temperature", "air_temperature", "Cel", -10, 60, 0.8, 0.0027, 1.5, 120),
    ("humidity", "relative_humidity", "%", 0, 100, 6, 0.0015, 9, 90),
)
PERIOD_MIN_MS = 5000

_CMD_START_PERIODIC = b"\x21\xb1"  # 3.5.1
_CMD_DATA_READY = b"\xe4\xb8"  # 3.8.2
_CMD_READ_MEASUREMENT = b"\xec\x05"  # 3.5.2

_FIRST_WAIT_MS = 5100
_EXECUTION_MS = 1  # 3.8.2, 3.5.2: both questions
_MAX_SPINS = 20000
_DATA_READY_MASK = 0x07FF


def compensate_temperature(word: int) -> float:
    """Temperature in Cel from its 16-bit word (3.5.2)."""
    return word * 175.0 / 65535.0 - 45.0


def compensate_humidity(word: int) -> float:
    """Relative humidity in % from its 16-bit word (3.5.2)."""
    return word * 100.0 / 65535.0


class SCD41:
    """The sensor on an I2C bus."""

    def __init__(self, bus, millis, address: int = 0x62, max_age_ms: int = 7500) -> None:
        self._bus = bus
        self._millis = millis
        self._address = address
        self._max_age_ms = max_age_ms
        self._three = bytearray(3)
        self._nine = bytearray(9)
        self._running = False
        self._measured = False
        self._measured_ms = 0

    def start(self) -> int:
        """Make sure it measures periodically; wait in ms before `read_into`. Raises: DriverError."""
        if self._running:
            return 0
        self._measured = False
        try:
            self._bus.write(self._address, _CMD_START_PERIODIC)
        except BusError as error:
            if error.code != NACK:
                raise
            self._ask(_CMD_DATA_READY, self._three)  # refused because it already measures: this it answers
        self._running = True
        return _FIRST_WAIT_MS

    def read_into(self, values) -> None:
        """Put ppm, Cel and % in `values`. Raises: DriverError; after one, `start` begins anew."""
        running, self._running = self._running, False
        if not running:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._refresh()
        if not self._measured or self._millis() - self._measured_ms > self._max_age_ms:
            raise DriverError(NOT_READY, self.where() + f": no measurement for {self._max_age_ms} ms")
        values[0] = self._word(0)
        values[1] = compensate_temperature(self._word(3))
        values[2] = compensate_humidity(self._word(6))
        self._running = True
        check_range(CHANNELS, values, self)

    def _refresh(self) -> None:
        """Fetch a new measurement if there is one."""
        self._ask(_CMD_DATA_READY, self._three)
        if not (self._three[0] << 8 | self._three[1]) & _DATA_READY_MASK:
            return
        self._measured = False
        self._ask(_CMD_READ_MEASUREMENT, self._nine)
        self._measured = True
        self._measured_ms = self._millis()

    def _ask(self, command, answer) -> None:
        """Send a command, let it execute, read its answer."""
        self._bus.write(self._address, command)
        self._pause()
        self._bus.read_into(self._address, answer)
        check_words(answer, self)

    def _pause(self) -> None:
        """Wait for a command's execution, bounded even if the clock stands."""
        start = self._millis()
        for _ in range(_MAX_SPINS):
            if self._millis() - start > _EXECUTION_MS:
                return

    def _word(self, at: int) -> int:
        return self._nine[at] << 8 | self._nine[at + 1]

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"SCD41 at 0x{self._address:02x} on {self._bus.name}"


def make(io, cfg) -> SCD41:
    """The sensor that a board file's entry describes."""
    bus = io.i2c(cfg["bus"])
    return SCD41(bus, io.millis, cfg.get("address") or 0x62, cfg.get("max_age_ms", 7500))
