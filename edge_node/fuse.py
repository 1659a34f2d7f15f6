"""Fusion: a Kalman filter per fused channel, emitted as datastreams of this node's own Thing.

For each channel with `fuse` of a board, Thing <edge> has a channel `<thing>.<name>` (mean) and
`<thing>.<name>.sigma`, both with the event time of the sample they follow. Own stamps are event time since
`clock.ref_utc_us`, so nothing is lost in conversion. A sample that could not be used gives the prediction
with quality 3 (or the raw one if worse) or, before the first good one, NaN with quality 9: a dead sensor
never looks alive. A sample older than its filter (backlog) passes as it is, with the sensor's own sigma.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.kalman import fuse, new_bank
from protocol import columns
from protocol.city_link import Clock
from protocol.manifest import ChannelInfo, Manifest, SensorInfo

from .config import FusionSection
from .journal_rows import NewBatch

Column = npt.NDArray[Any]
MAX_FILTERS = 32
HISTORY_US = 400 * 24 * 3600 * 1_000_000
GOOD, SUSPECT, MISSING = 1, 3, 9
_NONE = np.full(256, -1)
FIRST_TREND = {"[ppm]": 0.5, "Cel": 1e-2}


class Fusion:
    """The filters of this node and the manifest of what they emit."""

    def __init__(self, edge: str, boot: str, config: FusionSection, start_utc_us: int) -> None:
        self.edge, self.boot, self._config = edge, boot, config
        self.clock = Clock(0, max(0, start_utc_us - HISTORY_US), 1.0, 1.0, True)
        self._bank = new_bank(MAX_FILTERS, config.process_noise)
        self._filters: dict[tuple[str, int], int] = {}
        self._tables: dict[str, Column] = {}
        self._sources: list[tuple[str, ChannelInfo]] = []
        self._periods_ms: list[int] = []
        self.used = self.unused = 0

    def learn(self, manifest: Manifest) -> bool:
        """Take the fused channels of a board in; return whether there are new ones."""
        before = len(self._sources)
        for channel in manifest.channels:
            key = (manifest.thing, channel.index)
            if channel.fuse and key not in self._filters and len(self._sources) < MAX_FILTERS:
                self._filters[key] = len(self._sources)
                self._tables.setdefault(manifest.thing, _NONE.copy())[channel.index] = len(self._sources)
                self._sources.append((manifest.thing, channel))
                self._periods_ms.append(_period_ms(manifest, channel))
                self._tune(self._filters[key], manifest.thing, channel)
        return len(self._sources) > before

    def _tune(self, number: int, thing: str, channel: ChannelInfo) -> None:
        by_unit = self._config.by_unit.get(channel.unit, self._config.process_noise)
        noise = self._config.by_datastream.get(f"{thing}/{channel.name}", by_unit)
        self._bank.q_trend[number] = noise
        if channel.unit in FIRST_TREND:
            self._bank.trend_var[number] = FIRST_TREND[channel.unit] ** 2

    @property
    def manifest(self) -> Manifest:
        """The manifest of this node's own Thing."""
        channels: list[ChannelInfo] = []
        for number, (thing, source) in enumerate(self._sources):
            channels += _pair(number, f"{thing}.{source.name}", source)
        sensors = [
            SensorInfo(number, f"fusion-{thing}.{source.name}", "kalman", "", "", self._periods_ms[number])
            for number, (thing, source) in enumerate(self._sources)
        ]
        return Manifest(self.edge, "edge_node", sensors, channels, [])

    def fuse(self, thing: str, clock: Clock, records: bytes, rx_us: int) -> NewBatch | None:
        """Return own samples made from a board's (numbered in the commit), None if there are none."""
        rows = columns.decode(records)
        numbers = self._tables.get(thing, _NONE)[rows["channel"]]
        times = clock.to_utc(columns.stamp_us(rows))
        mine = (numbers >= 0) & (times > self.clock.ref_utc_us)
        if not clock.synced or not mine.any():
            return None
        order = np.argsort(times[mine], kind="stable")
        index, at, row = numbers[mine][order], times[mine][order], rows[mine][order]
        noise = np.array([self._sources[i][1].sigma for i in index])
        late = (self._bank.started[index] == 1) & (at < self._bank.t_us[index])
        mean, sigma, ok = fuse(self._bank, index, at, row["value"], noise, row["quality"])
        self.used += int(ok.sum())
        self.unused += int(ok.size - ok.sum())
        worse = np.maximum(row["quality"], SUSPECT)
        quality = np.where(ok, GOOD, np.where(np.isfinite(mean), worse, MISSING))
        mean, sigma = np.where(late, row["value"], mean), np.where(late, noise, sigma)
        quality = np.where(late, row["quality"], quality)
        return self._batch(index, at - self.clock.ref_utc_us, mean, sigma, quality, rx_us)

    def _batch(
        self, index: Column, stamps: Column, mean: Column, sigma: Column, quality: Column, rx_us: int
    ) -> NewBatch:  # fmt: skip
        """Return mean and sigma interleaved: channel 2 i and 2 i + 1 of filter i."""
        channel = np.stack((2 * index, 2 * index + 1), 1).ravel()
        value = np.stack((mean, np.where(np.isfinite(sigma), sigma, np.nan)), 1).ravel()
        packed = columns.encode(channel, np.repeat(quality, 2), np.repeat(stamps, 2), value)
        return NewBatch(self.edge, self.boot, 0, channel.size, self.clock, rx_us, packed)


def _period_ms(manifest: Manifest, channel: ChannelInfo) -> int:
    return next((sensor.period_ms for sensor in manifest.sensors if sensor.index == channel.sensor), 0)


def _pair(number: int, name: str, source: ChannelInfo) -> list[ChannelInfo]:
    mean = ChannelInfo(2 * number, name, number, source.property, source.unit, source.lower, source.upper, source.sigma)
    spread = ChannelInfo(
        2 * number + 1, f"{name}.sigma", number, f"{source.property} standard_error", source.unit,
        0.0, source.upper - source.lower, source.sigma, sigma_of=name,
    )  # fmt: skip
    return [mean, spread]
