"""PMS5003 particulate matter sensor (Plantower), UART, streaming or on request.

Datasheet: PMS5003 series data manual V2.3 (2016), English version; appendix I is the frame, appendix II the commands.

| channel     | property                                                    | unit  | range       | sigma |
|-------------|-------------------------------------------------------------|-------|-------------|-------|
| pm1         | mass_concentration_of_pm1_ambient_aerosol_particles_in_air   | ug/m3 | 0 .. 1000   | 5     |
| pm2_5       | mass_concentration_of_pm2p5_ambient_aerosol_particles_in_air | ug/m3 | 0 .. 1000   | 5     |
| pm10        | mass_concentration_of_pm10_ambient_aerosol_particles_in_air  | ug/m3 | 0 .. 1000   | 5     |
| over_0_3_um | number_concentration_of_ambient_aerosol_particles_in_air     | 1/cm3 | 0 .. 655.35 | 5     |
| over_0_5_um | number_concentration_of_ambient_aerosol_particles_in_air     | 1/cm3 | 0 .. 655.35 | 5     |
| over_1_um   | number_concentration_of_ambient_aerosol_particles_in_air     | 1/cm3 | 0 .. 655.35 | 1     |
| over_2_5_um | number_concentration_of_ambient_aerosol_particles_in_air     | 1/cm3 | 0 .. 655.35 | 0.5   |
| over_5_um   | number_concentration_of_ambient_aerosol_particles_in_air     | 1/cm3 | 0 .. 655.35 | 0.1   |
| over_10_um  | number_concentration_of_ambient_aerosol_particles_in_air     | 1/cm3 | 0 .. 655.35 | 0.1   |

    sensor = make(io, {"bus": "uart1"})
    wait_ms = sensor.start()        # 30 s the first time: its fan has to run
    while wait_ms := sensor.read_into(values):
        ...                         # come back after wait_ms

Board file keys: `bus`; `baud` (9600); `mode` ("active": it streams; "passive": each reading is asked for, the board's
TX must be wired); `sleep` (false; true: fan and laser rest between readings); `warm_up_ms` (30000); `standard` (false;
true: masses of the factory's calibration particles, "CF=1", instead of ambient air); `max_age_ms` (3000).
Limits: it has no identity; its 16-bit sum lets one bad frame in 65536 pass. Counts above 0.3 um are of half the
particles (efficiency 50 %), masses are computed from counts. Fog counts as dust. The laser lives 3 years running.
"""

from .errors import BAD_CHECKSUM, NOT_READY, SILENT, TIMEOUT, DriverError

_MASS = "mass_concentration_of_pm{}_ambient_aerosol_particles_in_air"
_NUMBER = "number_concentration_of_ambient_aerosol_particles_in_air"
CHANNELS = (
    ("pm1", _MASS.format("1"), "ug/m3", 0, 1000, 5, 1, 10, 10),
    ("pm2_5", _MASS.format("2p5"), "ug/m3", 0, 1000, 5, 1, 10, 10),
    ("pm10", _MASS.format("10"), "ug/m3", 0, 1000, 5, 1, 10, 10),
    ("over_0_3_um", _NUMBER, "1/cm3", 0, 655.35, 5, 0.01, 0, 10),
    ("over_0_5_um", _NUMBER, "1/cm3", 0, 655.35, 5, 0.01, 0, 10),
    ("over_1_um", _NUMBER, "1/cm3", 0, 655.35, 1, 0.01, 0, 10),
    ("over_2_5_um", _NUMBER, "1/cm3", 0, 655.35, 0.5, 0.01, 0, 10),
    ("over_5_um", _NUMBER, "1/cm3", 0, 655.35, 0.1, 0.01, 0, 10),
    ("over_10_um", _NUMBER, "1/cm3", 0, 655.35, 0.1, 0.01, 0, 10),
)
PERIOD_MIN_MS = 3000
READ_MAX_MS = 34000  # with a start anew and the default `warm_up_ms`

_HEAD_1, _HEAD_2 = 0x42, 0x4D
_DATA_BYTES, _ANSWER_BYTES = 28, 4  # appendix I: 13 words and the sum; appendix II: command, data and the sum
_STANDARD_AT, _AMBIENT_AT, _COUNTS_AT = 4, 10, 16
_CMD_READ = b"\x42\x4d\xe2\x00\x00\x01\x71"  # appendix II
_CMD_PASSIVE = b"\x42\x4d\xe1\x00\x00\x01\x70"
_CMD_ACTIVE = b"\x42\x4d\xe1\x00\x01\x01\x71"
_CMD_SLEEP = b"\x42\x4d\xe4\x00\x00\x01\x73"
_CMD_WAKE = b"\x42\x4d\xe4\x00\x01\x01\x74"
_LOOK_MS = 250  # four frames fit a UART's 128 bytes, and at its fastest it sends one in 200 ms
_MAX_READS = 16


def frame_ok(frame, end: int) -> bool:
    """Whether frame[:end] is sound: its last two bytes are the sum of those before."""
    total = 0
    for index in range(end - 2):
        total += frame[index]
    return total == frame[end - 2] << 8 | frame[end - 1]


def compensate_count(per_decilitre: int) -> float:
    """Particles in 1/cm3 from the frame's count in 0.1 L (appendix I, data 7 to 12)."""
    return per_decilitre / 100


class PMS5003:
    """The sensor at the end of a UART."""

    def __init__(self, uart, millis, cfg) -> None:
        self._uart = uart
        self._millis = millis
        self._name = cfg["bus"]
        self._passive = cfg.get("mode", "active") == "passive"
        self._sleep = cfg.get("sleep", False)
        self._warm_up_ms = cfg.get("warm_up_ms", 30000)
        self._max_age_ms = cfg.get("max_age_ms", 3000)
        self._mass_at = _STANDARD_AT if cfg.get("standard", False) else _AMBIENT_AT
        self._chunk = bytearray(32)
        self._frame = bytearray(_DATA_BYTES + 4)
        self._newest = bytearray(_DATA_BYTES + 4)
        self._fill = 0
        self._found = self._heard = False
        self._awake = self._started = self._asked = False
        self._deadline_ms = 0
        self.bad_frames = 0

    def start(self) -> int:
        """Wake it if it sleeps or was never heard; wait in ms before `read_into`. Raises: DriverError."""
        self._started = self._asked = False
        if self._awake:
            wait_ms = self._ask()
        else:
            self._send(_CMD_WAKE)
            self._send(_CMD_PASSIVE if self._passive else _CMD_ACTIVE)
            self._awake = True
            wait_ms = self._warm_up_ms
        self._started = True
        return wait_ms

    def read_into(self, values) -> int:
        """Put masses and counts in `values`, or nothing yet: ms to wait before the next call. Raises: DriverError."""
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        if not self._asked:  # warm now: what it said meanwhile is of no use
            return self._ask()
        self._drain()
        if not self._found:
            return self._later()
        self._started = False
        self._fill_in(values)
        if self._sleep:
            self._awake = False
            self._send(_CMD_SLEEP)
        return 0

    def where(self) -> str:
        """The chip and its UART, for people."""
        return "PMS5003 on " + self._name

    def _ask(self) -> int:
        """Forget what was said before now; in passive mode ask for a frame."""
        self._drain()
        self._found = self._heard = False
        self._fill = 0
        self._asked = True
        if self._passive:
            self._send(_CMD_READ)
        self._deadline_ms = self._millis() + self._max_age_ms
        return _LOOK_MS

    def _later(self) -> int:
        """Wait on, until the deadline. Raises: DriverError."""
        if self._millis() < self._deadline_ms:
            return _LOOK_MS
        self._started = False
        if self._heard:
            raise DriverError(BAD_CHECKSUM, self.where() + ": bytes but no valid frame")
        self._awake = False  # it may have lost power, or sleep: wake it at the next start
        raise DriverError(SILENT, self.where() + f": nothing for {self._max_age_ms} ms")

    def _send(self, command) -> None:
        if self._uart.write(command) != len(command):
            self._awake = False
            raise DriverError(TIMEOUT, self.where() + ": the UART takes no bytes")

    def _fill_in(self, values) -> None:
        frame = self._newest
        for index in range(9):
            at = (self._mass_at if index < 3 else _COUNTS_AT - 6) + 2 * index
            word = frame[at] << 8 | frame[at + 1]
            values[index] = word if index < 3 else compensate_count(word)

    def _drain(self) -> None:
        for _ in range(_MAX_READS):
            if not self._uart.any():
                return
            count = self._uart.readinto(self._chunk, len(self._chunk)) or 0
            for index in range(count):
                self._take(self._chunk[index])
            self._heard = self._heard or count > 0

    def _take(self, byte: int) -> None:
        self._frame[self._fill] = byte
        self._fill += 1
        if not self._begins_well():
            self._resynchronise()
        elif self._fill > 3 and self._fill == self._frame[3] + 4:
            self._complete()

    def _begins_well(self) -> bool:
        """Whether the bytes so far can be the beginning of a frame."""
        frame, fill = self._frame, self._fill
        if frame[0] != _HEAD_1 or (fill > 1 and frame[1] != _HEAD_2):
            return False
        if fill < 4:
            return True
        return frame[2] == 0 and (frame[3] == _DATA_BYTES or frame[3] == _ANSWER_BYTES)  # a tuple costs heap

    def _complete(self) -> None:
        if not frame_ok(self._frame, self._fill):
            self.bad_frames += 1
            self._resynchronise()
            return
        if self._fill > _ANSWER_BYTES + 4:
            self._frame, self._newest = self._newest, self._frame
            self._found = True
        self._fill = 0

    def _resynchronise(self) -> None:
        """Take the bytes after the first once more: a frame may begin among them."""
        count, self._fill = self._fill, 0
        for index in range(1, count):
            self._take(self._frame[index])


def make(io, cfg) -> PMS5003:
    """The sensor that a board file's entry describes."""
    return PMS5003(io.uart(cfg["bus"], cfg.get("baud", 9600)), io.millis, cfg)
