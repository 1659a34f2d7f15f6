"""SPS30 particulate matter sensor (Sensirion), I2C.

Datasheet: SPS30 version 1.0 D1 (March 2020); section numbers below refer to it.

| channel      | property                                                    | unit  | range     | sigma |
|--------------|-------------------------------------------------------------|-------|-----------|-------|
| pm1          | mass_concentration_of_pm1_ambient_aerosol_particles_in_air   | ug/m3 | 0 .. 1000 | 5     |
| pm2_5        | mass_concentration_of_pm2p5_ambient_aerosol_particles_in_air | ug/m3 | 0 .. 1000 | 5     |
| pm4          | mass_concentration_of_pm4_ambient_aerosol_particles_in_air   | ug/m3 | 0 .. 1000 | 12.5  |
| pm10         | mass_concentration_of_pm10_ambient_aerosol_particles_in_air  | ug/m3 | 0 .. 1000 | 12.5  |
| under_0_5_um | number_concentration_of_ambient_aerosol_particles_in_air     | 1/cm3 | 0 .. 3000 | 50    |
| under_1_um   | number_concentration_of_ambient_aerosol_particles_in_air     | 1/cm3 | 0 .. 3000 | 50    |
| under_2_5_um | number_concentration_of_ambient_aerosol_particles_in_air     | 1/cm3 | 0 .. 3000 | 50    |
| under_4_um   | number_concentration_of_ambient_aerosol_particles_in_air     | 1/cm3 | 0 .. 3000 | 125   |
| under_10_um  | number_concentration_of_ambient_aerosol_particles_in_air     | 1/cm3 | 0 .. 3000 | 125   |
| typical_size | typical_diameter_of_ambient_aerosol_particles                | um    | 0 .. 10   | 0.1   |

    sensor = make(io, {"bus": "i2c0"})
    wait_ms = sensor.start()
    while wait_ms := sensor.read_into(values):
        ...                         # come back after wait_ms: 30 s at first, for the fan

Board file keys: `bus`; `address` (0x69); `format` ("float", or "integer": whole ug/m3 and 1/cm3); `sleep` (false; true:
it rests between readings); `warm_up_ms` (30000); `clean_every_s` (0: leave it to the chip, which blows its fan clean
after every 168 h of running; with `sleep` it never runs that long in a row, so give 604800 there).
Limits: the bus must not be faster than 100 kHz. SEL must be at GND before power comes, else it speaks UART. A new
measurement every second; cleaning takes 10 s, in which there is none. Numbers count particles from 0.3 um up.
"""

import struct

from .errors import BAD_ID, NACK, NOT_READY, BusError, DriverError, check_range
from .sensirion import check_words, set_crc

_MASS = "mass_concentration_of_pm{}_ambient_aerosol_particles_in_air"
_NUMBER = "number_concentration_of_ambient_aerosol_particles_in_air"
CHANNELS = (
    ("pm1", _MASS.format("1"), "ug/m3", 0, 1000, 5, 0.1, 10, 10),
    ("pm2_5", _MASS.format("2p5"), "ug/m3", 0, 1000, 5, 0.1, 10, 10),
    ("pm4", _MASS.format("4"), "ug/m3", 0, 1000, 12.5, 0.1, 25, 10),
    ("pm10", _MASS.format("10"), "ug/m3", 0, 1000, 12.5, 0.1, 25, 10),
    ("under_0_5_um", _NUMBER, "1/cm3", 0, 3000, 50, 0.1, 100, 10),
    ("under_1_um", _NUMBER, "1/cm3", 0, 3000, 50, 0.1, 100, 10),
    ("under_2_5_um", _NUMBER, "1/cm3", 0, 3000, 50, 0.1, 100, 10),
    ("under_4_um", _NUMBER, "1/cm3", 0, 3000, 125, 0.1, 250, 10),
    ("under_10_um", _NUMBER, "1/cm3", 0, 3000, 125, 0.1, 250, 10),
    ("typical_size", "typical_diameter_of_ambient_aerosol_particles", "um", 0, 10, 0.1, 0.001, 0, 10),
)
PERIOD_MIN_MS = 1000

_CMD_START = b"\x00\x10"  # 6.3.1; an argument follows: the format
_CMD_STOP = b"\x01\x04"  # 6.3.2
_CMD_DATA_READY = b"\x02\x02"  # 6.3.3
_CMD_READ_VALUES = b"\x03\x00"  # 6.3.4
_CMD_SLEEP = b"\x10\x01"  # 6.3.5
_CMD_WAKE = b"\x11\x03"  # 6.3.6
_CMD_CLEAN = b"\x56\x07"  # 6.3.7
_CMD_PRODUCT_TYPE = b"\xd0\x02"  # 6.3.9
_CMD_STATUS = b"\xd2\x06"  # 6.3.11

_FORMATS = {"float": 0x03, "integer": 0x05}
_PRODUCT_TYPE = b"00080000"
_EXECUTION_MS = 20  # of start and stop, the longest (6.2)
_WAKE_MS = 5
_CLEANING_MS = 10000
_LOOK_MS = 200
_PATIENCE_MS = 2500  # two measurements, and some
_FAN_FAILED, _LASER_FAILED = 0x10, 0x20  # 4.4, bits 4 and 5 of the lower word
_ASLEEP, _WAKING, _STOPPING, _STARTING, _MEASURING, _RESTING = range(6)


def compensate_floats(packed) -> tuple:
    """The ten values in their units from four bytes each: IEEE 754, high byte first (6.3.4, table 4)."""
    return struct.unpack(">10f", packed)


def compensate_size(nanometres: int) -> float:
    """Typical size in um from the integer format's word (6.3.4, table 4)."""
    return nanometres / 1000


class SPS30:
    """The sensor on an I2C bus."""

    def __init__(self, bus, millis, cfg) -> None:
        self._bus = bus
        self._millis = millis
        self._address = cfg.get("address") or 0x69
        self._floats = cfg.get("format", "float") == "float"
        self._sleep = cfg.get("sleep", False)
        self._warm_up_ms = cfg.get("warm_up_ms", 30000)
        self._clean_every_ms = 1000 * cfg.get("clean_every_s", 0)
        self._cleaned_ms = millis()
        self._begin = set_crc(bytearray(_CMD_START + bytes((_FORMATS[cfg.get("format", "float")], 0, 0))))
        self._three = bytearray(3)
        self._six = bytearray(6)
        self._twelve = bytearray(12)
        self._answer = bytearray(60 if self._floats else 30)
        self._plain = bytearray(40)
        self._step = _ASLEEP
        self._started = False
        self._deadline_ms = 0

    def start(self) -> int:
        """Wake it and let it measure; wait in ms before `read_into`. Raises: DriverError."""
        step, self._step, self._started = self._step, _ASLEEP, False
        if step == _MEASURING:
            wait_ms = self._clean_if_due()
            self._deadline_ms = self._millis() + wait_ms + _PATIENCE_MS
        else:
            self._wake_interface()
            wait_ms = _WAKE_MS
        self._step = _MEASURING if step == _MEASURING else _WAKING
        self._started = True
        return wait_ms

    def read_into(self, values) -> int:
        """Put the ten values in `values`, or nothing yet: ms to wait before the next call. Raises: DriverError."""
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        step, self._step, self._started = self._step, _ASLEEP, False
        if step == _MEASURING:
            wait_ms = self._measure(values)
        elif step == _RESTING:
            self._bus.write(self._address, _CMD_SLEEP)
            return 0
        else:
            wait_ms = self._set_up(step)
        self._started = wait_ms > 0
        return wait_ms

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"SPS30 at 0x{self._address:02x} on {self._bus.name}"

    def clean(self) -> int:
        """Blow the fan clean; ms until there are measurements again. Raises: DriverError."""
        self._bus.write(self._address, _CMD_CLEAN)
        self._cleaned_ms = self._millis()
        return _CLEANING_MS + _LOOK_MS

    def _wake_interface(self) -> None:
        """A sleeping chip refuses what wakes its interface; the command must follow within 100 ms (6.3.6)."""
        try:
            self._bus.write(self._address, _CMD_WAKE)
        except BusError as error:
            if error.code != NACK:
                raise

    def _set_up(self, step: int) -> int:
        """Take the next step from asleep to measuring; how long it needs."""
        if step == _WAKING:
            self._bus.write(self._address, _CMD_WAKE)
            self._step = _STOPPING
            return _WAKE_MS
        if step == _STOPPING:
            self._check_product()
            self._bus.write(self._address, _CMD_STOP)
            self._step = _STARTING
            return _EXECUTION_MS
        self._bus.write(self._address, self._begin)
        self._step = _MEASURING
        self._deadline_ms = self._millis() + self._warm_up_ms + _PATIENCE_MS
        return max(self._warm_up_ms, _EXECUTION_MS)

    def _clean_if_due(self) -> int:
        if self._clean_every_ms and self._millis() - self._cleaned_ms >= self._clean_every_ms:
            return self.clean()
        return _LOOK_MS

    def _measure(self, values) -> int:
        """Take a new measurement if there is one, else wait on."""
        self._ask(_CMD_DATA_READY, self._three)
        if not self._three[1]:
            return self._later()
        self._check_status()
        self._ask(_CMD_READ_VALUES, self._answer)
        self._convert(values)
        check_range(CHANNELS, values, self)
        if not self._sleep:
            self._step = _MEASURING
            return 0
        self._bus.write(self._address, _CMD_STOP)
        self._step = _RESTING
        return _EXECUTION_MS

    def _later(self) -> int:
        if self._millis() >= self._deadline_ms:
            raise DriverError(NOT_READY, self.where() + f": no measurement for {_PATIENCE_MS} ms")
        self._step = _MEASURING
        return _LOOK_MS

    def _convert(self, values) -> None:
        answer, plain = self._answer, self._plain
        for word in range(len(answer) // 3):
            plain[2 * word] = answer[3 * word]
            plain[2 * word + 1] = answer[3 * word + 1]
        if self._floats:
            found = compensate_floats(plain)
            for index in range(10):
                values[index] = found[index]
            return
        for index in range(10):
            word = plain[2 * index] << 8 | plain[2 * index + 1]
            values[index] = word if index < 9 else compensate_size(word)

    def _check_product(self) -> None:
        self._ask(_CMD_PRODUCT_TYPE, self._twelve)
        for index in range(8):
            if self._twelve[index // 2 * 3 + index % 2] != _PRODUCT_TYPE[index]:
                found = bytes(self._twelve[at] for at in (0, 1, 3, 4, 6, 7, 9, 10))
                raise DriverError(BAD_ID, self.where() + f": expected product type {_PRODUCT_TYPE!r}, found {found!r}")

    def _check_status(self) -> None:
        self._ask(_CMD_STATUS, self._six)
        if self._six[4] & _FAN_FAILED:
            raise DriverError(NOT_READY, self.where() + ": its fan stands")
        if self._six[4] & _LASER_FAILED:
            raise DriverError(NOT_READY, self.where() + ": its laser's current is out of range")

    def _ask(self, command, answer) -> None:
        """Set the pointer, read, check the checksums."""
        self._bus.write(self._address, command)
        self._bus.read_into(self._address, answer)
        check_words(answer, self)


def make(io, cfg) -> SPS30:
    """The sensor that a board file's entry describes."""
    return SPS30(io.i2c(cfg["bus"]), io.millis, cfg)
