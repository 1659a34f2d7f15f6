"""Tipping-bucket rain gauge: a reed switch closes once per tip.

Any gauge with a potential-free contact; `mm_per_tip` is on its type plate (Davis AeroCone 6466: 0.2 mm, exact to one
tip or 4 % of the total, the greater of both).

| channel  | property                       | unit | range       | sigma |
|----------|--------------------------------|------|-------------|-------|
| rainfall | thickness_of_rainfall_amount   | mm   | 0 .. 1000000 | 0.12 |

    gauge = make(io, {"pin": "GP15", "mm_per_tip": 0.2})
    gauge.read_into(values)         # values[0]: mm since the board booted

Below 500 ms: an interrupt counts every tip.
Board file keys: `pin`; `mm_per_tip` (0.2); `debounce_ms` (10), shorter than the closing time of the reed.
Limits: the amount only grows, a fall says that the board restarted; water in a bucket that has not tipped yet
is unseen; above about 100 mm/h buckets undercount; a broken wire looks like dry weather. sigma is that of one tip;
above 5 mm in all the 4 % of the total are more.
"""

CHANNELS = (("rainfall", "thickness_of_rainfall_amount", "mm", 0, 1000000, 0.12, 0.2, 0.2, 0),)
PERIOD_MIN_MS = 10
_TABLE_MM_PER_TIP = 0.2


def compensate_rainfall(tips: int, mm_per_tip: float) -> float:
    """Rain in mm from a number of tips."""
    return tips * mm_per_tip


def channels(cfg) -> tuple:
    """The channel of an entry: uncertainty and resolution go with `mm_per_tip`."""
    factor = cfg.get("mm_per_tip", _TABLE_MM_PER_TIP) / _TABLE_MM_PER_TIP
    (c,) = CHANNELS
    return (c[:5] + (c[5] * factor, c[6] * factor, c[7] * factor) + c[8:],)


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
