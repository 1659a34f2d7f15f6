"""Flow meter with a turbine and a hall switch: flow rate and volume.

Any meter with an open collector or a potential-free contact; `pulses_per_l` is its K-factor, on its type plate
(YF-S201: 450, as its 7.5 Hz per L/min say).

| channel | property               | unit  | range         | sigma |
|---------|------------------------|-------|---------------|-------|
| flow    | water_volume_flow_rate | L/min | 0 .. 1000     | 0.3   |
| volume  | water_volume           | L     | 0 .. 10000000 | 1     |

    meter = make(io, {"pin": "GP14", "pulses_per_l": 450})
    meter.read_into(values)         # values[0]: L/min since the reading before, values[1]: L since the board booted

Below 500 ms: an interrupt counts every pulse.
Board file keys: `pin`; `pulses_per_l` (450); `debounce_ms` (0: a hall switch does not bounce).
Limits: below what turns the turbine (YF-S201: 1 L/min) the flow reads 0 and its volume is not counted. It does not see
which way the water flows. One pulse more or less is 60 / pulses_per_l / seconds L/min. The volume only grows, a fall
says that the board restarted. A broken wire looks like no flow.

Source: YF-S201 data (F = 7.5 Q, 1 to 30 L/min, 10 %).
"""

CHANNELS = (
    ("flow", "water_volume_flow_rate", "L/min", 0, 1000, 0.3, 0.1, 0, 0),
    ("volume", "water_volume", "L", 0, 10000000, 1, 0.01, 0, 0),
)
PERIOD_MIN_MS = 250
_SHORTEST_MS = 200


def compensate_flow(pulses: int, duration_ms: int, pulses_per_l: float) -> float:
    """Flow in L/min of a number of pulses in a time."""
    return pulses / pulses_per_l * 60000 / duration_ms


def compensate_volume(pulses: int, pulses_per_l: float) -> float:
    """Volume in L of a number of pulses."""
    return pulses / pulses_per_l


class FlowMeter:
    """The meter behind a pulse counter; `millis()` is the time."""

    def __init__(self, pulses, millis, pulses_per_l: float = 450) -> None:
        self._pulses = pulses
        self._millis = millis
        self._pulses_per_l = pulses_per_l
        self._count = pulses.count
        self._read_ms = millis()

    def start(self) -> int:
        """Wait in ms before `read_into`: none, pulses are counted by interrupt."""
        return 0

    def read_into(self, values) -> int:
        """Put flow in L/min and volume in L in `values`; the ms to wait if the reading before was under 200 ms ago."""
        now_ms, count = self._millis(), self._pulses.count
        passed_ms = now_ms - self._read_ms
        if passed_ms < _SHORTEST_MS:
            return _SHORTEST_MS - passed_ms
        values[0] = compensate_flow(count - self._count, passed_ms, self._pulses_per_l)
        values[1] = compensate_volume(count, self._pulses_per_l)
        self._count, self._read_ms = count, now_ms
        return 0


def make(io, cfg) -> FlowMeter:
    """The meter that a board file's entry describes."""
    return FlowMeter(io.pulses(cfg["pin"], cfg.get("debounce_ms", 0)), io.millis, cfg.get("pulses_per_l", 450))
