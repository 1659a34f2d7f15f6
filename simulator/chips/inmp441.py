"""Virtual INMP441 microphone, written from its datasheet: sound goes in, words of 24 bits come out on SD.

Source: InvenSense DS-INMP441-00 revision 1.1: sensitivity, noise, frequency response and passband (table 1), SCK and WS
(table 2), start-up of 2 ** 18 clocks of SCK, 64 clocks a frame, a tri-stated SD (table 6, I2S data interface). The
physical side is that of `sound.Sound`: `tone_hz` and `tone_db`, `white_db`, `pink_db`, `octaves_db`, in dB SPL.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Clock, Range
from .sound import Sound, amplitude_pa

FULL_SCALE = 2**23 - 1
SENSITIVITY_DBFS = -26.0
CLOCKS_A_FRAME = 64
STARTUP_FRAMES = 2**18 // CLOCKS_A_FRAME
WS_HZ = (7800, 50_000)
LOW_CUT_HZ, HIGH_CUT_HZ = 60.0, 15_000.0
PASSBAND, STOPBAND, STOPBAND_DB = 0.423, 0.577, -60.0
NOISE_DBA = 33.0


class INMP441(Sound):
    """The microphone. `right`: L/R is high; `unplugged`: no supply; `sensitivity_dbfs`: of this one, -29 to -23."""

    def __init__(self, clock: Clock, *, right: bool = False, seed: int = 1) -> None:
        super().__init__(seed)
        self.right = right
        self.sensitivity_dbfs = SENSITIVITY_DBFS
        self._rng = np.random.default_rng(seed)
        self._unplugged = False
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """A tone from well above its own noise up to the end of its range, 120 dB."""
        return {"tone_db": Range(55.0, 119.9, 0.15)}

    @property
    def unplugged(self) -> bool:
        """Whether it has no supply; with one it starts up again."""
        return self._unplugged

    @unplugged.setter
    def unplugged(self, value: bool) -> None:
        if self._unplugged and not value:
            self.power_on()
        self._unplugged = value

    def power_on(self) -> None:
        """Start up: it counts the clocks of SCK from the next frame on."""
        self._first_frame: int | None = None

    def words(self, first: int, count: int, rate_hz: int) -> NDArray[np.int32] | None:
        """Return `count` words of 24 bits, two's complement, (n,), of the frames from number `first` on.

        None if it drives nothing: without a supply, or with a WS too slow or too fast. Zeros while it starts up.
        """
        if self._unplugged or not WS_HZ[0] <= rate_hz <= WS_HZ[1]:
            return None
        if self._first_frame is None or first < self._first_frame:
            self._first_frame = first
        pascal = self.pressure_pa(first, count, rate_hz, response) + self._noise(count, rate_hz)
        peak_at_94_db = FULL_SCALE * 10 ** (self.sensitivity_dbfs / 20) / np.sqrt(2) / amplitude_pa(94.0)
        counts = np.clip(np.round(pascal * peak_at_94_db), -FULL_SCALE - 1, FULL_SCALE)
        found: NDArray[np.int32] = counts.astype(np.int32)
        silent = self._first_frame + STARTUP_FRAMES - first
        if silent > 0:
            found[:silent] = 0
        return found

    def _noise(self, count: int, rate_hz: int) -> NDArray[np.float64]:
        """Its own noise in Pa: white, 33 dB(A) over 20 Hz to 20 kHz."""
        hertz = np.arange(20.0, 20_000.0, 10.0)
        weighted = float(np.mean(a_weighting(hertz) ** 2))
        part = (rate_hz / 2 - 20) / 19_980
        return np.asarray(amplitude_pa(NOISE_DBA) * np.sqrt(part / weighted) * self._rng.standard_normal(count))


def response(frequency_hz: Any, rate_hz: int) -> Any:
    """Return the gain at frequencies in Hz, 1 at 1 kHz: -3 dB at 60 Hz and 15 kHz, and the decimation filter."""
    low = frequency_hz / np.hypot(frequency_hz, LOW_CUT_HZ)
    high = 1 / np.hypot(1, frequency_hz / HIGH_CUT_HZ)
    at_1_khz = 1 / np.hypot(1, LOW_CUT_HZ / 1000) / np.hypot(1, 1000 / HIGH_CUT_HZ)
    beyond = np.clip((np.asarray(frequency_hz) / rate_hz - PASSBAND) / (STOPBAND - PASSBAND), 0, 1)
    return low * high / at_1_khz * 10 ** (STOPBAND_DB * beyond / 20)


def a_weighting(frequency_hz: Any) -> Any:
    """Return the gain of the A-weighting, 1 at 1 kHz. Source: IEC 61672-1:2013, formula (7)."""
    square = np.asarray(frequency_hz, dtype=float) ** 2
    gain = 12194.217**2 * square**2 / ((square + 20.598997**2) * (square + 12194.217**2))
    gain = gain / np.sqrt((square + 107.65265**2) * (square + 737.86223**2))
    return gain * 10 ** (2.000 / 20)


def make(clock: Clock) -> INMP441:
    """A microphone in the left channel, in a silent place."""
    return INMP441(clock)
