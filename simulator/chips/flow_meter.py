"""Virtual turbine flow meter: water goes in, times of the hall switch's pulses come out.

Source: YF-S201 data: 7.5 Hz at 1 L/min, 1 to 30 L/min; below that the turbine stands. Flow backwards turns it, too.
"""

from .base import Clock, Range

HERTZ_PER_L_MIN = 7.5
STANDS_BELOW_L_MIN = 1.0


class FlowMeter:
    """The meter. `unplugged`: it turns on, the board does not see it."""

    def __init__(self, hertz_per_l_min: float = HERTZ_PER_L_MIN) -> None:
        self.hertz_per_l_min = hertz_per_l_min
        self.flow_l_min = 0.0
        self.unplugged = False
        self.passed_l = 0.0
        self._part = 0.0

    def sample_range(self) -> dict[str, Range]:
        """Flows in L/min, to one pulse a second."""
        return {"flow_l_min": Range(STANDS_BELOW_L_MIN, 30.0, 1 / self.hertz_per_l_min)}

    def run(self, start_ns: int, end_ns: int) -> list[int]:
        """Times in ns of the pulses between start and end, at the present flow."""
        seconds = (end_ns - start_ns) / 1e9
        self.passed_l += abs(self.flow_l_min) / 60 * seconds
        if abs(self.flow_l_min) < STANDS_BELOW_L_MIN:
            return []
        hertz = abs(self.flow_l_min) * self.hertz_per_l_min
        total = self._part + hertz * seconds
        count = int(total)
        times = [start_ns + int((index + 1 - self._part) / hertz * 1e9) for index in range(count)]
        self._part = total - count
        return [] if self.unplugged else [min(time, end_ns) for time in times]


def make(clock: Clock) -> FlowMeter:
    """A meter in standing water."""
    return FlowMeter()
