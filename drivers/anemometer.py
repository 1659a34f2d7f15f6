"""Cup anemometer: a reed or hall switch closes once or more per turn of the cups; wind speed and gust.

Any anemometer with a potential-free contact or an open collector; `slope` and `offset` are those of its type plate
or calibration certificate (speed = slope * frequency + offset; Davis 6410: 1.00584 m/s per Hz, 0 m/s).

| channel | property           | unit | range   | sigma |
|---------|--------------------|------|---------|-------|
| speed   | wind_speed         | m/s  | 0 .. 90 | 0.5   |
| gust    | wind_speed_of_gust | m/s  | 0 .. 90 | 0.5   |

    cups = make(io, {"pin": "GP15", "period_ms": 1000, "slope": 1.00584})
    cups.read_into(values)          # values[0]: mean since the reading before, values[1]: highest 3 s mean of 10 min

Below 500 ms: an interrupt counts every pulse.
Board file keys: `pin`; `period_ms`; `slope` (1.00584) in m/s per Hz; `offset` (0) in m/s; `debounce_ms` (2), shorter
than the time between two pulses in a storm; `gust_window_s` (600): how long a gust is remembered, in tenths of it.
Limits: cups that stand read 0, though a wind of up to `offset`, or what starts them, may blow. One pulse more or
less is slope / period. With a period above 3 s a gust is the mean of a period, so it reads too low. Ice and a broken
wire look like calm.

Source: Davis 6410 specification (speed in mph = pulses * 2.25 / seconds); WMO-No. 8, volume I, chapter 5 (gust: 3 s).
"""

CHANNELS = (
    ("speed", "wind_speed", "m/s", 0, 90, 0.5, 0.1, 0, 0),
    ("gust", "wind_speed_of_gust", "m/s", 0, 90, 0.5, 0.1, 0, 0),
)
PERIOD_MIN_MS = 250
_SHORTEST_MS = 200
_GUST_MS = 3000
_PARTS = 10


def compensate_speed(pulses: int, duration_ms: int, slope: float, offset: float) -> float:
    """Wind speed in m/s of a number of pulses in a time; 0 if there were none."""
    return slope * pulses * 1000 / duration_ms + offset if pulses else 0.0


class Anemometer:
    """The cups behind a pulse counter; `millis()` is the time."""

    def __init__(self, pulses, millis, cfg) -> None:
        self._pulses = pulses
        self._millis = millis
        self._slope = cfg.get("slope", 1.00584)
        self._offset = cfg.get("offset", 0.0)
        readings = max(1, _GUST_MS // cfg["period_ms"])
        self._whole_ms = readings * cfg["period_ms"] * 9 // 10
        self._counts = [pulses.count] * readings
        self._times_ms = [millis()] * readings
        self._place = 0
        self._highest = [0.0] * _PARTS  # an array makes a float object at each look
        self._part_ms = cfg.get("gust_window_s", 600) * 1000 // _PARTS
        self._part = self._times_ms[0] // self._part_ms

    def start(self) -> int:
        """Wait in ms before `read_into`: none, pulses are counted by interrupt."""
        return 0

    def read_into(self, values) -> int:
        """Put speed and gust in m/s in `values`; the ms to wait if the reading before was less than 200 ms ago."""
        now_ms, count = self._millis(), self._pulses.count
        last = self._place - 1
        passed_ms = now_ms - self._times_ms[last]
        if passed_ms < _SHORTEST_MS:
            return _SHORTEST_MS - passed_ms
        values[0] = self._speed(count - self._counts[last], passed_ms)
        oldest = self._place
        span_ms = now_ms - self._times_ms[oldest]
        running = self._speed(count - self._counts[oldest], span_ms)
        self._counts[oldest], self._times_ms[oldest] = count, now_ms
        self._place = (oldest + 1) % len(self._counts)
        values[1] = self._gust(running, span_ms >= self._whole_ms, now_ms)
        return 0

    def _speed(self, pulses: int, duration_ms: int) -> float:
        return compensate_speed(pulses, duration_ms, self._slope, self._offset)

    def _gust(self, running: float, whole: bool, now_ms: int) -> float:
        """The highest running mean in memory; before the first 3 s are over, the mean so far."""
        part = now_ms // self._part_ms
        for stale in range(max(self._part + 1, part - _PARTS + 1), part + 1):
            self._highest[stale % _PARTS] = 0.0
        self._part = part
        if whole:
            self._highest[part % _PARTS] = max(self._highest[part % _PARTS], running)
        highest = max(self._highest)
        return highest if whole else max(highest, running)


def make(io, cfg) -> Anemometer:
    """The anemometer that a board file's entry describes."""
    return Anemometer(io.pulses(cfg["pin"], cfg.get("debounce_ms", 2)), io.millis, cfg)
