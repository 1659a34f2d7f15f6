"""Virtual cup anemometer: wind goes in, times of reed closures come out.

Source: Davis 7911 and 6410: 1600 turns an hour at 1 mph, one closure a turn. Other types: `turns_per_m` of wind that
passes, less `lag_m_s` (the offset of their calibration); below `starts_m_s` the cups stand.
"""

from .base import Clock, Range

METRES_PER_MILE = 1609.344


class Anemometer:
    """The cups. `unplugged`: they turn on, the board does not see it."""

    def __init__(
        self, turns_per_m: float = 1600 / METRES_PER_MILE, lag_m_s: float = 0.0, starts_m_s: float = 0.4
    ) -> None:
        self.turns_per_m = turns_per_m
        self.lag_m_s = lag_m_s
        self.starts_m_s = starts_m_s
        self.speed_m_s = 0.0
        self.unplugged = False
        self.turns = 0
        self._part = 0.0

    def sample_range(self) -> dict[str, Range]:
        """Speeds in m/s up to the type's highest, to one closure a second."""
        return {"speed_m_s": Range(self.starts_m_s, 89.0, 1 / self.turns_per_m)}

    def blow(self, start_ns: int, end_ns: int) -> list[int]:
        """Times in ns of the closures between start and end, at the present speed."""
        if self.speed_m_s < max(self.starts_m_s, self.lag_m_s):
            return []
        hertz = (self.speed_m_s - self.lag_m_s) * self.turns_per_m
        total = self._part + hertz * (end_ns - start_ns) / 1e9
        count = int(total)
        times = [start_ns + int((index + 1 - self._part) / hertz * 1e9) for index in range(count)]
        self._part = total - count
        self.turns += count
        return [] if self.unplugged else [min(time, end_ns) for time in times]


def make(clock: Clock) -> Anemometer:
    """Cups in calm air."""
    return Anemometer()
