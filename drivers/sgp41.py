"""SGP41 gas sensor for volatile organic compounds and nitrogen oxides (Sensirion), I2C, raw signals.

Datasheet: SGP41 version 1.0 (July 2021); section numbers below refer to it.

| channel | property                                    | unit | range      | sigma |
|---------|---------------------------------------------|------|------------|-------|
| voc_raw | raw_signal_of_volatile_organic_compounds    | 1    | 0 .. 65535 | 30    |
| nox_raw | raw_signal_of_nitrogen_oxides               | 1    | 0 .. 65535 | 30    |

    sensor = make(io, {"bus": "i2c0", "humidity_from": ["air", "humidity"], "temperature_from": ["air", "temperature"]})
    wait_ms = sensor.start()
    while wait_ms := sensor.read_into(values):
        ...                         # come back after wait_ms: 9 s at first, for its conditioning

Board file keys: `bus`; `address` (0x59); `humidity_from`, `temperature_from`: sensor and channel of the board file that
give % and Cel of the air, to correct for; without them, or while they give nothing good, 50 % and 25 Cel.
Limits: raw signals follow the logarithm of a resistance and drift: they say that the air changed, not by how much. More
compounds make `voc_raw` fall, more oxides make `nox_raw` rise. The hotplate stays on between readings (3 mA). After a
power dip that no transfer met it is not conditioned again. Siloxanes and solvents poison it.
"""

from .errors import NOT_READY, DriverError
from .sensirion import check_words, crc8

CHANNELS = (
    ("voc_raw", "raw_signal_of_volatile_organic_compounds", "1", 0, 65535, 30, 1, 0, 10),
    ("nox_raw", "raw_signal_of_nitrogen_oxides", "1", 0, 65535, 30, 1, 0, 250),
)
PERIOD_MIN_MS = 1000

_CMD_CONDITION = 0x2612  # 3.1; humidity and temperature follow
_CMD_MEASURE = 0x2619  # 3.2; the same
_CMD_SERIAL = b"\x36\x82"  # 3.5

_MEASURING_MS = 50  # 3, table 8
_SERIAL_MS = 1
_CONDITIONING_MS = 9000  # 3.1: 10 s would be best, and more destroys it: a late board needs the rest
_HUMIDITY_PCT, _TEMPERATURE_CEL = 50.0, 25.0
_GOOD = 1
_IDENTIFYING, _CONDITIONING, _MEASURING = range(3)


def compensate_humidity(percent: float) -> int:
    """The word for a relative humidity in %, cut to 0 to 100 (3.1, table 10)."""
    return int(max(0.0, min(100.0, percent)) * 65535 / 100 + 0.5)


def compensate_temperature(celsius: float) -> int:
    """The word for a temperature in Cel, cut to -45 to 130 (3.1, table 10)."""
    return int((max(-45.0, min(130.0, celsius)) + 45) * 65535 / 175 + 0.5)


class SGP41:
    """The sensor on an I2C bus; `reading(sensor, channel)` gives (value, quality, age) of others."""

    def __init__(self, bus, reading, cfg) -> None:
        self._bus = bus
        self._reading = reading
        self._address = cfg.get("address") or 0x59
        self._humidity_from = cfg.get("humidity_from")
        self._temperature_from = cfg.get("temperature_from")
        self._command = bytearray(8)
        self._six = bytearray(6)
        self._nine = bytearray(9)
        self._step = _IDENTIFYING
        self._conditioned = self._started = False

    def start(self) -> int:
        """Measure, at first after conditioning; wait in ms before `read_into`. Raises: DriverError."""
        conditioned, self._conditioned, self._started = self._conditioned, False, False
        if conditioned:
            wait_ms = self._send(_CMD_MEASURE, _MEASURING, _MEASURING_MS)
        else:
            self._bus.write(self._address, _CMD_SERIAL)
            self._step, wait_ms = _IDENTIFYING, _SERIAL_MS
        self._conditioned, self._started = conditioned, True
        return wait_ms

    def read_into(self, values) -> int:
        """Put both raw signals in `values`, or nothing yet: ms to wait before the next call. Raises: DriverError."""
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._started = self._conditioned = False
        if self._step == _IDENTIFYING:
            self._fetch(self._nine)
            wait_ms = self._send(_CMD_CONDITION, _CONDITIONING, _CONDITIONING_MS)
        elif self._step == _CONDITIONING:
            wait_ms = self._send(_CMD_MEASURE, _MEASURING, _MEASURING_MS)
        else:
            self._fetch(self._six)
            values[0] = self._six[0] << 8 | self._six[1]
            values[1] = self._six[3] << 8 | self._six[4]
            wait_ms, self._conditioned = 0, True
        self._started = wait_ms > 0
        return wait_ms

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"SGP41 at 0x{self._address:02x} on {self._bus.name}"

    def _send(self, command: int, step: int, wait_ms: int) -> int:
        """Send a command with the air's humidity and temperature; how long it takes."""
        self._put(0, command)
        self._put(2, compensate_humidity(self._of_others(self._humidity_from, _HUMIDITY_PCT)))
        self._put(5, compensate_temperature(self._of_others(self._temperature_from, _TEMPERATURE_CEL)))
        self._command[4] = crc8(self._command, 2, 4)
        self._command[7] = crc8(self._command, 5, 7)
        self._bus.write(self._address, self._command)
        self._step = step
        return wait_ms

    def _put(self, at: int, word: int) -> None:
        self._command[at] = word >> 8
        self._command[at + 1] = word & 0xFF

    def _of_others(self, source, otherwise: float) -> float:
        """What another sensor measured last, if it was good."""
        if not source or self._reading is None:
            return otherwise
        value, quality, _ = self._reading(source[0], source[1])
        return value if quality == _GOOD else otherwise

    def _fetch(self, answer) -> None:
        self._bus.read_into(self._address, answer)
        check_words(answer, self)


def make(io, cfg) -> SGP41:
    """The sensor that a board file's entry describes."""

    def reading(sensor: str, channel: str) -> tuple:
        return io.reading(sensor, channel)

    return SGP41(io.i2c(cfg["bus"]), reading, cfg)
