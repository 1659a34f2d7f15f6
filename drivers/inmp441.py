"""INMP441 microphone with digital output (InvenSense/TDK), I2S: the level of sound, A-weighted.

Datasheet: DS-INMP441-00 revision 1.1 (May 2014): tables 1 and 2, understanding sensitivity, power management. The
ICS-43434 and ICS-43432 have the same frames and the same sensitivity, narrower in its tolerance.

| channel | property                            | unit  | range     | sigma |
|---------|-------------------------------------|-------|-----------|-------|
| laeq    | sound_pressure_level_in_air         | dB(A) | 20 .. 121 | 1.5   |
| lafmax  | maximum_sound_pressure_level_in_air | dB(A) | 20 .. 121 | 1.5   |
| peak    | peak_sound_pressure_level_in_air    | dB    | 20 .. 124 | 1.5   |

    microphone = make(io, {"bus": "i2s0", "period_ms": 1000})
    wait_ms = microphone.start()
    wait_ms = microphone.read_into(values)   # until it is 0; values[0]: LAeq since the reading before

Below 500 ms: an interrupt of the I2S takes every sample into its buffer.
Board file keys: `bus`; `period_ms`; `rate_hz` (16000), a multiple of 125 from 8000 to 48000; `sensitivity_dbfs` (-26),
what 94 dB at 1 kHz give: -29 to -23 for an INMP441, so calibrate it; -27 to -25 for an ICS-43434.
Limits: it listens all the time, and takes the board's time for it; a reading that missed more than a tenth of its time
is none. Above 0.42 of `rate_hz` it hears nothing: at 16 kHz up to 6.8 kHz. It hears itself at 33 dB(A). One sample at
full scale, 120 dB, makes a reading OUT_OF_RANGE. Wind over the hole is sound to it.
"""

from .errors import INTERNAL, NOT_READY, OUT_OF_RANGE, SILENT, DriverError, check_range
from .sound import Levels, checked_rate

CHANNELS = (
    ("laeq", "sound_pressure_level_in_air", "dB(A)", 20, 121, 1.5, 0.1, 3, 0),
    ("lafmax", "maximum_sound_pressure_level_in_air", "dB(A)", 20, 121, 1.5, 0.1, 3, 0.125),
    ("peak", "peak_sound_pressure_level_in_air", "dB", 20, 124, 1.5, 0.1, 3, 0),
)
PERIOD_MIN_MS = 250
_RATE_HZ = 16000
_SENSITIVITY_DBFS = -26.0  # table 1
_STARTUP_FRAMES = 4096  # 2 ** 18 clocks until it speaks (power management), 64 a frame
_FORGET_MS = 100  # then the filter forgets that step
_STEP_MS = 12
_BUFFER_MS = 40
_FRAME_BYTES = 8  # both channels pass through the controller's buffer, 32 bits each
_READS_MAX = 16


class INMP441:
    """The microphone whose samples come out of `i2s.readinto(buf)`, as many as there are, without waiting."""

    def __init__(self, i2s, millis, cfg, name: str = "i2s0") -> None:
        self._i2s = i2s
        self._millis = millis
        self._name = name
        rate_hz = cfg.get("rate_hz", _RATE_HZ)
        self._levels = Levels(rate_hz, cfg.get("sensitivity_dbfs", _SENSITIVITY_DBFS))
        self._buf = bytearray(4 * self._levels.block)
        self._span_ms = cfg["period_ms"] - 2 * _STEP_MS
        self._settle_ms = _STARTUP_FRAMES * 1000 // rate_hz + _FORGET_MS
        self._begun_ms = self._end_ms = 0
        self._known = self._settling = self._started = False

    def start(self) -> int:
        """Wait in ms before `read_into`; after a failure it first lets the microphone start up."""
        self._started = True
        now_ms = self._millis()
        self._settling = not self._known
        if self._known and now_ms - self._begun_ms > _BUFFER_MS:  # nobody asked for a while: what was heard is a part
            self._listen()
            self._begin(now_ms)
        self._end_ms = now_ms + (self._settle_ms if self._settling else self._span_ms)
        return _STEP_MS

    def read_into(self, values) -> int:
        """Put LAeq, LAFmax in dB(A) and peak in dB in `values`, or give the ms to wait before the next call.

        Raises: DriverError.
        """
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._listen()
        now_ms = self._millis()
        if now_ms < self._end_ms:
            return min(_STEP_MS, self._end_ms - now_ms)
        if self._settling:
            self._settling, self._known = False, True
            self._begin(now_ms)
            self._end_ms = now_ms + self._span_ms
            return _STEP_MS
        self._started = False
        try:
            self._check(now_ms - self._begun_ms)
            self._levels.put(values)
        finally:
            self._begin(now_ms)
        check_range(CHANNELS, values, self)
        return 0

    def where(self) -> str:
        """The chip and its I2S, for people."""
        return "INMP441 on " + self._name

    def _begin(self, now_ms: int) -> None:
        self._levels.begin()
        self._begun_ms = now_ms

    def _listen(self) -> None:
        """Take what has arrived."""
        for _ in range(_READS_MAX):
            try:
                count = self._i2s.readinto(self._buf) or 0
            except OSError as error:
                self._fail(INTERNAL, "cannot read: " + repr(error))
            self._levels.feed(self._buf, count // 4)
            if count < len(self._buf):
                return

    def _check(self, passed_ms: int) -> None:
        """Nothing, if what was heard is sound, and of the whole time."""
        levels = self._levels
        heard_ms = 8 * levels.blocks
        if levels.dead_blocks:
            self._fail(SILENT, f"the same value for {8 * levels.dead_blocks} ms")
        if not heard_ms:
            self._fail(INTERNAL, "no samples")
        if heard_ms * 10 < passed_ms * 9 - 80:
            self._fail(NOT_READY, f"heard {heard_ms} ms of {passed_ms}")
        if levels.overloaded:
            raise DriverError(OUT_OF_RANGE, self.where() + ": overloaded, samples at full scale (120 dB)")

    def _fail(self, code: int, text: str) -> None:
        self._known = False
        raise DriverError(code, self.where() + ": " + text)


def channels(cfg) -> tuple:
    """The channels. Raises: ValueError if `rate_hz` or `sensitivity_dbfs` is none."""
    checked_rate(cfg.get("rate_hz", _RATE_HZ))
    found = cfg.get("sensitivity_dbfs", _SENSITIVITY_DBFS)
    if not isinstance(found, (int, float)) or not -29 <= found <= -23:
        raise ValueError(f"sensitivity_dbfs: found {found!r}; expected a number from -29 to -23")
    return CHANNELS


def make(io, cfg) -> INMP441:
    """The microphone that a board file's entry describes."""
    rate_hz = cfg.get("rate_hz", _RATE_HZ)
    i2s = io.i2s(cfg["bus"], rate_hz, rate_hz * _BUFFER_MS // 1000 * _FRAME_BYTES)
    return INMP441(i2s, io.millis, cfg, cfg["bus"])
