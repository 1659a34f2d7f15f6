"""The newest observation of every Datastream, materialised in memory, with its age."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from processes.feed import Arrived

from .registry import Registry

QUALITY_NAMES = {1: "good", 2: "not_evaluated", 3: "suspect", 4: "fail", 9: "missing"}
_STALE_PERIODS = 3
_STALE_S = 2.0


@dataclass(frozen=True)
class Observation:
    """One value with its uncertainty; time is event time."""

    t_utc_us: int
    value: float
    sigma: float
    quality: int


class Latest:
    """Datastream id to its newest Observation."""

    def __init__(self, known: Iterable[tuple[str, Observation]] = ()) -> None:
        self.by_id: dict[str, Observation] = dict(known)

    def arrived(self, series: Arrived) -> None:
        """Take samples in; the newest by event time stays, so backlog never hides live data."""
        at = int(np.argmax(series.t_utc_us))
        found = Observation(
            int(series.t_utc_us[at]),
            float(series.value[at]),
            float(series.sigma[at]),
            int(series.quality[at]),
        )
        old = self.by_id.get(series.datastream)
        if old is None or found.t_utc_us >= old.t_utc_us:
            self.by_id[series.datastream] = found

    def keep(self, thing: str, known: Container[str]) -> None:
        """Forget the Datastreams of a Thing that are not known any more."""
        for name in [name for name in self.by_id if name.startswith(f"{thing}/") and name not in known]:
            del self.by_id[name]

    def rows(self, registry: Registry, now_utc_us: int, speed: float) -> list[dict[str, Any]]:
        """Return the rows of /latest; ages are in real seconds."""
        return [_row(i, o, registry, now_utc_us, speed) for i, o in sorted(self.by_id.items())]


def _row(datastream: str, seen: Observation, registry: Registry, now_utc_us: int, speed: float) -> dict[str, Any]:
    thing, channel = (
        registry.things.get(datastream.split("/", maxsplit=1)[0]),
        registry.channels.get(datastream),
    )
    period_ms = _period_ms(thing.manifest.sensors, channel.sensor) if thing and channel else 0
    age_s = max(0.0, (now_utc_us - seen.t_utc_us) / 1e6 / speed)
    return {
        "datastream": datastream,
        "value": _finite(seen.value),
        "sigma": _finite(seen.sigma),
        "unit": channel.unit if channel else None,
        "property": channel.property if channel else None,
        "quality": seen.quality,
        "quality_name": QUALITY_NAMES.get(seen.quality, "unknown"),
        "t_utc_us": seen.t_utc_us,
        "age_s": round(age_s, 3),
        "stale": age_s > max(_STALE_S, _STALE_PERIODS * period_ms / 1e3),
        "source": "fused" if thing and thing.edge == datastream.split("/", maxsplit=1)[0] else "measured",
    }


def _period_ms(sensors: Iterable[Any], index: int) -> int:
    return next((sensor.period_ms for sensor in sensors if sensor.index == index), 0)


def _finite(value: float) -> float | None:
    """Return the value for JSON, which has no NaN."""
    return value if np.isfinite(value) else None
