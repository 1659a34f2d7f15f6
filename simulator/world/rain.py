"""Rain over the catchment: a recorded series or a synthetic storm, as a step function of UTC.

A recorded series is a CSV file: first column UTC time, second column rain in the unit its header names
(`..._m_per_h` or `..._mm_per_h`). A missing row or an empty/NaN value is a *gap*: it counts as no rain (the
lower bound), is listed in `RainSeries.gaps`, and is never interpolated.
"""

import csv
import itertools
import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

HOUR_US = 3_600_000_000
SYNTHETIC_STEP_US = 300_000_000
SYNTHETIC_START_UTC_US = 1_790_000_000_000_000 - 1_790_000_000_000_000 % HOUR_US
SYNTHETIC_HOURS = 12.0
UNITS_TO_MM_H = {"m_per_h": 1000.0, "mm_per_h": 1.0}


class RainError(ValueError):
    """A rain file that cannot be used; the message names file and line."""


@dataclass
class RainSeries:
    """Rain intensity per step of equal length. `gaps` holds the starts of steps without a value."""

    start_utc_us: int
    step_us: int
    mm_h: list[float]
    gaps: list[int] = field(default_factory=list)
    recorded: bool = False

    @property
    def end_utc_us(self) -> int:
        """UTC microseconds at which the last step ends."""
        return self.start_utc_us + self.step_us * len(self.mm_h)

    def intensity_mm_h(self, t_utc_us: int) -> float:
        """Rain intensity in mm/h at a time; 0 outside the series."""
        index = (t_utc_us - self.start_utc_us) // self.step_us
        return self.mm_h[index] if 0 <= index < len(self.mm_h) else 0.0

    def total_mm(self) -> float:
        """Rain depth of the whole series in mm."""
        return math.fsum(self.mm_h) * self.step_us / HOUR_US


def synthetic_storm(seed: int, start_utc_us: int = SYNTHETIC_START_UTC_US) -> RainSeries:
    """The default storm: 12 h, 5-minute steps, two gamma-shaped bursts with log-normal gusts.

    i(t) = sum_k P_k * g(t - t_k; n, tau_k) * exp(x_t - s^2/2), with g the gamma density of order n = 3,
    depths P = 8 and 20 mm, onsets 0.2 and 0.8 h, tau = 0.3 and 0.6 h; x is a first-order autoregression with
    coefficient 0.8 and stationary deviation s = 0.2, drawn from `random.Random(seed)`. Depths and onsets
    themselves vary by seed: depth +-5 %, onset +-10 minutes.
    """
    rng = random.Random(f"storm-{seed}")
    bursts = [
        (depth * rng.uniform(0.95, 1.05), onset + rng.uniform(-1 / 6, 1 / 6), tau)
        for depth, onset, tau in ((8.0, 0.2, 0.3), (20.0, 0.8, 0.6))
    ]
    gust, spread, values = 0.0, 0.2, []
    for step in range(round(SYNTHETIC_HOURS * HOUR_US / SYNTHETIC_STEP_US)):
        hours = (step + 0.5) * SYNTHETIC_STEP_US / HOUR_US
        gust = 0.8 * gust + 0.6 * spread * rng.gauss(0.0, 1.0)
        shape = sum(depth * _gamma_density(hours - onset, tau) for depth, onset, tau in bursts)
        values.append(shape * math.exp(gust - spread * spread / 2))
    return RainSeries(start_utc_us, SYNTHETIC_STEP_US, values)


def _gamma_density(hours: float, tau: float) -> float:
    """Gamma density of order 3 in 1/h, 0 before the onset."""
    return hours * hours / (2 * tau**3) * math.exp(-hours / tau) if hours > 0 else 0.0


def read_csv(path: Path) -> RainSeries:
    """The whole recorded series, hourly or finer, with every gap listed.

    Raises: RainError naming file and line for an unknown unit, a bad time or a negative value.
    """
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    if len(rows) < 3:
        raise RainError(f"{path}: needs a header and at least two rows of time,rain")
    factor = _unit_factor(path, rows[0])
    points = dict(_parse_row(path, line, row, factor) for line, row in enumerate(rows[1:], start=2) if row)
    return _regular(points)


def _unit_factor(path: Path, header: list[str]) -> float:
    for suffix, factor in UNITS_TO_MM_H.items():
        if len(header) > 1 and header[1].strip().lower().endswith("_" + suffix):
            return factor
    raise RainError(f"{path}:1: the second column must be named ..._m_per_h or ..._mm_per_h, found {header}")


def _parse_row(path: Path, line: int, row: list[str], factor: float) -> tuple[int, float]:
    try:
        value = float(row[1]) if len(row) > 1 and row[1].strip() not in ("", "NA") else math.nan
        time_us = parse_utc(row[0])
    except ValueError as error:
        raise RainError(f"{path}:{line}: {error}") from error
    if value < 0 or math.isinf(value):
        raise RainError(f"{path}:{line}: rain must be 0 or more and finite, found {row[1]}")
    return time_us, value * factor


def parse_utc(text: str) -> int:
    """UTC microseconds of an ISO time; a time without offset is taken as UTC. Raises: ValueError."""
    moment = datetime.fromisoformat(text.strip())
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def format_utc(utc_us: int) -> str:
    """ISO text, to the minute, of UTC microseconds."""
    return datetime.fromtimestamp(utc_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M")


def _regular(points: dict[int, float]) -> RainSeries:
    """Steps of the shortest spacing found, gaps as 0 and listed."""
    times = sorted(points)
    step = min(b - a for a, b in itertools.pairwise(times))
    count = (times[-1] - times[0]) // step + 1
    grid = [times[0] + step * i for i in range(count)]
    values = [points.get(t, math.nan) for t in grid]
    gaps = [t for t, value in zip(grid, values, strict=True) if math.isnan(value)]
    return RainSeries(times[0], step, [0.0 if math.isnan(v) else v for v in values], gaps, recorded=True)


def wettest_window(series: RainSeries, hours: int = 72, core_hours: int = 24) -> tuple[int, int]:
    """Start and end (UTC us) of the window of `hours` centred on the wettest `core_hours`."""
    core = max(1, core_hours * HOUR_US // series.step_us)
    sums = [0.0]
    for value in series.mm_h:
        sums.append(sums[-1] + value)
    last = max(0, len(series.mm_h) - core)
    best = max(range(last + 1), key=lambda i: sums[min(i + core, len(series.mm_h))] - sums[i])
    start = series.start_utc_us + best * series.step_us - (hours - core_hours) // 2 * HOUR_US
    start = max(series.start_utc_us, min(start, series.end_utc_us - hours * HOUR_US))
    return start, min(start + hours * HOUR_US, series.end_utc_us)
