"""Sound pressure at a place: a tone, white and pink noise and octave bands, each with its level in dB SPL.

Noise is a stretch of `LOOP_S` seconds, made once from a spectrum with random phases and repeated, so its level over a
whole stretch is exact and so is its spectrum. Levels count from 20 Hz to 20 kHz; a microphone that samples slowly gets
the part of it below half its sample rate.
Source: ISO 1683 (20 uPa); IEC 61260-1 (octaves).
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

REFERENCE_PA = 20e-6
BAND_HZ = (20.0, 20_000.0)
OCTAVES_HZ = tuple(1000.0 * 2.0**step for step in range(-4, 4))  # 63 Hz to 8 kHz
LOOP_S = 2
SILENCE_DB = -20.0

F64 = NDArray[np.float64]


class Response(Protocol):
    """What a microphone makes of a frequency."""

    def __call__(self, frequency_hz: Any, rate_hz: int) -> Any:
        """Gain at frequencies in Hz, sampled at a rate in Hz."""


class Sound:
    """What can be heard; all levels in dB SPL, `SILENCE_DB` and below count as nothing. `seed` gives the phases."""

    def __init__(self, seed: int = 1) -> None:
        self.tone_hz = 1000.0
        self.tone_db = SILENCE_DB
        self.white_db = SILENCE_DB
        self.pink_db = SILENCE_DB
        self.octaves_db = [SILENCE_DB] * len(OCTAVES_HZ)
        self._seed = seed
        self._loops: dict[tuple[str, int], F64] = {}

    def pressure_pa(self, first: int, count: int, rate_hz: int, response: Response) -> F64:
        """Return `count` samples in Pa from number `first` on, as a microphone with this response senses them, (n,)."""
        time = np.arange(first, first + count)
        found = np.zeros(count)
        if self.tone_db > SILENCE_DB:
            gain = float(response(self.tone_hz, rate_hz)) * amplitude_pa(self.tone_db) * np.sqrt(2)
            found += gain * np.sin(2 * np.pi * self.tone_hz / rate_hz * time)
        octaves = zip((f"octave {centre:g}" for centre in OCTAVES_HZ), self.octaves_db, strict=True)
        for kind, level_db in (("white", self.white_db), ("pink", self.pink_db), *octaves):
            if level_db > SILENCE_DB:
                loop = self._loop(kind, rate_hz, response)
                found += amplitude_pa(level_db) * loop[time % loop.size]
        return found

    def _loop(self, kind: str, rate_hz: int, response: Response) -> F64:
        """A stretch of noise that would be 1 Pa over the whole band."""
        if (kind, rate_hz) not in self._loops:
            size = LOOP_S * rate_hz
            hertz = np.fft.rfftfreq(size, 1 / rate_hz)
            power = density(kind, np.arange(1, LOOP_S * int(BAND_HZ[1]) + 1) / LOOP_S)
            power = np.concatenate(([0.0], power / power.sum()))[: hertz.size]
            power = np.pad(power, (0, hertz.size - power.size))
            number = sum(kind.encode()) + 1000 * self._seed
            phases = np.random.default_rng(number).uniform(0, 2 * np.pi, hertz.size)
            lines = np.sqrt(power / 2) * size * np.exp(1j * phases) * response(hertz, rate_hz)
            self._loops[kind, rate_hz] = np.fft.irfft(lines, size)
        return self._loops[kind, rate_hz]


def amplitude_pa(level_db: float) -> float:
    """Return the root mean square pressure in Pa of a level in dB SPL."""
    return float(REFERENCE_PA * 10 ** (level_db / 20))


def density(kind: str, frequency_hz: F64) -> F64:
    """Return the power at each frequency, up to a factor: white, pink, or pink within an octave."""
    lower, upper = BAND_HZ
    if kind.startswith("octave"):
        centre = float(kind.split()[1])
        lower, upper = centre / np.sqrt(2), centre * np.sqrt(2)
    inside = (frequency_hz >= lower) & (frequency_hz < upper)
    return np.where(inside, 1.0 if kind == "white" else 1 / frequency_hz, 0.0)
