"""Tipping-bucket rain gauge: a reed switch closes once per tip.

Any gauge with a potential-free contact; `mm_per_tip` is on its type plate (Davis AeroCone 6466: 0.2 mm).

| channel  | property                       | unit | range       | sigma |
|----------|--------------------------------|------|-------------|-------|
| rainfall | thickness_of_rainfall_amount   | mm   | 0 .. 1000000 | 0.06 |

    gauge = make(io, {"pin": "GP15", "mm_per_tip": 0.2})
    gauge.read_into(values)         # values[0]: mm since the board booted

Below 500 ms: an interrupt counts every tip.
Board file keys: `pin`; `mm_per_tip` (0.2); `debounce_ms` (10), shorter than the closing time of the reed.
Limits: the amount only grows, a fall says that the board restarted; water in a bucket that has not tipped yet
is unseen; above about 100 mm/h buckets undercount; a broken wire looks like dry weather.
"""

CHANNELS = (("rainfall", "thickness_of_rainfall_amount", "mm", 0, 1000000, 0.06, 0.2, 0.1, 0),)
PERIOD_MIN_MS = 10


def compensate_rainfall(tips: int, mm_per_tip: float) -> float:
    """Rain in mm from a number of tips."""
    return tips * mm_per_tip


class TippingBucket:
    """The gauge behind a pulse counter."""

    def __init__(self, pulses, mm_per_tip: float = 0.2) -> None:
        self._pulses = pulses
        self._mm_per_tip = mm_per_tip

    def start(self) -> int:
        """Wait in ms before `read_into`: none, tips are counted by interrupt."""
        return 0

    def read_into(self, values) -> None:
        """Put the rain in mm since boot in `values[0]`."""
        values[0] = compensate_rainfall(self._pulses.count, self._mm_per_tip)


def make(io, cfg) -> TippingBucket:
    """The gauge that a board file's entry describes."""
    return TippingBucket(io.pulses(cfg["pin"], cfg.get("debounce_ms", 10)), cfg.get("mm_per_tip", 0.2))
