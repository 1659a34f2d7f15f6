"""The newest observation of every Datastream, materialised in memory, with its age."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from processes.feed import Arrived
from protocol.city_link import ClockRecord

from .registry import Registry

QUALITY_NAMES = {1: "good", 2: "not_evaluated", 3: "suspect", 4: "fail", 9: "missing"}
CHECKED = "quality"
"""What stands for the chip in an edge node's manifest where it passes samples on with its verdict."""
_STALE_PERIODS = 3
_STALE_S = 2.0


@dataclass(frozen=True)
class Observation:
    """One value with its uncertainty and where it comes from; time is event time.

    `rx_us`: the city's boottime when it came, of values whose event time is not known; they have no other."""

    t_utc_us: int
    value: float
    sigma: float
    quality: int
    boot: str = ""
    stamp_us: int = 0
    rx_us: int | None = None


class Latest:
    """Datastream id to its newest Observation."""

    def __init__(self, known: Iterable[tuple[str, Observation]] = ()) -> None:
        self.by_id: dict[str, Observation] = dict(known)
        self.without_time: dict[str, Observation] = {}

    def arrived(self, series: Arrived, boot: str = "") -> None:
        """Take samples in; the newest by event time stays, so backlog never hides live data."""
        self._keep(series.datastream, _newest(series, boot))

    def _keep(self, datastream: str, found: Observation) -> None:
        old = self.by_id.get(datastream)
        if old is None or found.t_utc_us >= old.t_utc_us:
            self.by_id[datastream] = found
            self.without_time.pop(datastream, None)

    def keep(self, thing: str, known: Container[str]) -> None:
        """Forget the Datastreams of a Thing that are not known any more."""
        for shown in (self.by_id, self.without_time):
            for name in [name for name in shown if name.startswith(f"{thing}/") and name not in known]:
                del shown[name]

    def untimed(self, series: Arrived, boot: str, rx_us: int) -> None:
        """Take samples in whose event time is not known: the last to come is shown, and says so."""
        self.without_time[series.datastream] = replace(_newest(series, boot), rx_us=rx_us)

    def retimed(self, record: ClockRecord) -> None:
        """A clock record holds: what is shown of its samples gets its event time from it."""
        found = [
            (shown, datastream, seen)
            for shown in (self.by_id, self.without_time)
            for datastream, seen in shown.items()
            if _covers(record, datastream, seen)
        ]
        for shown, datastream, _ in found:
            del shown[datastream]
        for _, datastream, seen in found:
            t_utc_us = int(record.clock.to_utc(np.array([seen.stamp_us], np.int64))[0])
            self._keep(datastream, replace(seen, t_utc_us=t_utc_us, rx_us=None))

    def rows(self, registry: Registry, now_utc_us: int, speed: float, now_us: int) -> list[dict[str, Any]]:
        """Return the rows of /latest; ages are in real seconds."""
        shown = sorted({**self.by_id, **self.without_time}.items())
        return [_row(i, o, registry, _age_s(o, now_utc_us, speed, now_us)) for i, o in shown]


def _newest(series: Arrived, boot: str) -> Observation:
    at = int(np.argmax(series.t_utc_us))
    numbers = float(series.value[at]), float(series.sigma[at]), int(series.quality[at])
    return Observation(int(series.t_utc_us[at]), *numbers, boot, int(series.stamp_us[at]))


def _covers(record: ClockRecord, datastream: str, seen: Observation) -> bool:
    mine = datastream.split("/", maxsplit=1)[0] == record.thing and seen.boot == record.boot
    return mine and record.clock.synced and record.first_us <= seen.stamp_us < record.end_us


def _age_s(seen: Observation, now_utc_us: int, speed: float, now_us: int) -> float:
    """Return how old a value is; without an event time, how long ago it came."""
    if seen.rx_us is not None:
        return max(0.0, (now_us - seen.rx_us) / 1e6)
    return max(0.0, (now_utc_us - seen.t_utc_us) / 1e6 / speed)


def _row(datastream: str, seen: Observation, registry: Registry, age_s: float) -> dict[str, Any]:
    thing, channel = (
        registry.things.get(datastream.split("/", maxsplit=1)[0]),
        registry.channels.get(datastream),
    )
    period_ms = _period_ms(thing.manifest.sensors, channel.sensor) if thing and channel else 0
    return {
        "datastream": datastream,
        "value": _finite(seen.value),
        "sigma": _finite(seen.sigma),
        "unit": channel.unit if channel else None,
        "property": channel.property if channel else None,
        "quality": seen.quality,
        "quality_name": QUALITY_NAMES.get(seen.quality, "unknown"),
        "t_utc_us": seen.t_utc_us if seen.rx_us is None else None,
        "synced": seen.rx_us is None,
        "age_s": round(age_s, 3),
        "stale": age_s > max(_STALE_S, _STALE_PERIODS * period_ms / 1e3),
        "source": _source(thing, channel, datastream),
    }


def _source(thing: Any, channel: Any, datastream: str) -> str:
    """Return `measured` by a board; of an edge node's own: `checked` (as measured, with its verdict) or `fused`."""
    if not thing or thing.edge != datastream.split("/", maxsplit=1)[0]:
        return "measured"
    chips = [sensor.chip for sensor in thing.manifest.sensors if channel and sensor.index == channel.sensor]
    return "checked" if chips == [CHECKED] else "fused"


def _period_ms(sensors: Iterable[Any], index: int) -> int:
    return next((sensor.period_ms for sensor in sensors if sensor.index == index), 0)


def _finite(value: float) -> float | None:
    """Return the value for JSON, which has no NaN."""
    return value if np.isfinite(value) else None
