"""SHT40, SHT41, SHT45 humidity and temperature sensors (Sensirion), I2C.

Datasheet: SHT4x version 6.6 (June 2024); section numbers below refer to it.

| channel     | property          | unit | range      | sigma |
|-------------|-------------------|------|------------|-------|
| temperature | air_temperature   | Cel  | -40 .. 125 | 0.2   |
| humidity    | relative_humidity | %    | 0 .. 100   | 1.8   |

    sensor = make(io, {"bus": "i2c0"})
    wait_ms = sensor.start()
    sensor.read_into(values)        # values[0] Cel, values[1] %

Board file keys: `bus`; `address` (0x44; 0x45, 0x46 by the type's letter B, C); `heat_every` (0: never): after each
such number of readings the heater dries the sensor for one second at 200 mW.
Limits: sigma is that of an SHT40. Heating needs 75 mA for a second, a period of at least ten seconds (the sensor
cools), and air below 65 Cel (4.9). The chip has no identity register: its serial number's checksum stands for it.
"""

from .errors import NOT_READY, DriverError, check_range
from .sensirion import check_words

CHANNELS = (
    ("temperature", "air_temperature", "Cel", -40, 125, 0.2, 0.01, 0, 2),
    ("humidity", "relative_humidity", "%", 0, 100, 1.8, 0.01, 0, 4),
)
PERIOD_MIN_MS = 20

_CMD_HEAT_200_MW_1_S = b"\x39"  # 4.5, table 8
_CMD_SERIAL = b"\x89"
_CMD_MEASURE_HIGH = b"\xfd"

_MEASURE_MS = 10  # 3.1, table 5: at most 8.3 ms
_SERIAL_MS = 1
_HEAT_MS = 1200  # 3.1, table 5: at most 1.1 s, and the measurement at its end
_HEAT_REST_MS = 11000  # 4.9: on for at most a tenth of the time
_MAX_SPINS = 20000


def compensate_temperature(word: int) -> float:
    """Temperature in Cel from its 16-bit word (4.6)."""
    return word * 175.0 / 65535.0 - 45.0


def compensate_humidity(word: int) -> float:
    """Relative humidity in % from its 16-bit word, cut to 0 to 100 as 4.6 recommends."""
    return min(max(word * 125.0 / 65535.0 - 6.0, 0.0), 100.0)


class SHT4X:
    """The sensor on an I2C bus."""

    def __init__(self, bus, millis, address: int = 0x44, heat_every: int = 0) -> None:
        self._bus = bus
        self._millis = millis
        self._address = address
        self._heat_every = heat_every
        self._six = bytearray(6)
        self._known = False
        self._started = False
        self._readings = 0
        self._heated_ms = -_HEAT_REST_MS
        self.heatings = 0

    def start(self) -> int:
        """Start one measurement; wait in ms before `read_into`. Raises: DriverError."""
        self._started = False
        if self._millis() - self._heated_ms < _HEAT_MS:
            raise DriverError(NOT_READY, self.where() + ": still heating; the period is too short for heat_every")
        if not self._known:
            self._identify()
        self._bus.write(self._address, _CMD_MEASURE_HIGH)
        self._started = True
        return _MEASURE_MS

    def read_into(self, values) -> None:
        """Put Cel and % in `values`. Raises: DriverError; `start` then asks for the serial number again."""
        known, self._known = self._known, False
        if not (known and self._started):
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._started = False
        self._bus.read_into(self._address, self._six)
        check_words(self._six, self)
        values[0] = compensate_temperature(self._six[0] << 8 | self._six[1])
        values[1] = compensate_humidity(self._six[3] << 8 | self._six[4])
        check_range(CHANNELS, values, self)
        self._heat_if_due()
        self._known = True

    def _identify(self) -> None:
        """Ask for the serial number: an answer with right checksums is the only identity there is."""
        self._bus.write(self._address, _CMD_SERIAL)
        self._pause(_SERIAL_MS)
        self._bus.read_into(self._address, self._six)
        check_words(self._six, self)
        self._known = True

    def _heat_if_due(self) -> None:
        self._readings += 1
        if not self._heat_every or self._readings < self._heat_every:
            return
        if self._millis() - self._heated_ms >= _HEAT_REST_MS:
            self._readings = 0
            self._bus.write(self._address, _CMD_HEAT_200_MW_1_S)
            self._heated_ms = self._millis()
            self.heatings += 1

    def _pause(self, duration_ms: int) -> None:
        """Wait for a command's execution, bounded even if the clock stands."""
        start = self._millis()
        for _ in range(_MAX_SPINS):
            if self._millis() - start > duration_ms:
                return

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"SHT4x at 0x{self._address:02x} on {self._bus.name}"


def make(io, cfg) -> SHT4X:
    """The sensor that a board file's entry describes."""
    return SHT4X(io.i2c(cfg["bus"]), io.millis, cfg.get("address") or 0x44, cfg.get("heat_every", 0))
