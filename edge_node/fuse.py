"""Fusion: a Kalman filter per fused channel, emitted as datastreams of this node's own Thing.

For each channel with `fuse` of a board, Thing <edge> has a channel `<thing>.<name>` (mean) and
`<thing>.<name>.sigma`, both with the time of the sample they follow. Own stamps are the boottime of this node plus
HISTORY_US, for samples may be older than the node's start; so they never jump, whatever UTC does. A sample that
could not be used gives the prediction with quality 3 (or the flag it has if worse) or, before the first good one, NaN
with quality 9: a dead sensor never looks alive. A sample older than its filter (backlog) passes as it
is, with the sensor's own sigma. So do all samples of a channel that is not fused but published: its value as it
was, with the quality that this node gives it.
"""

from collections.abc import Container
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.kalman import fuse, new_bank
from protocol import columns
from protocol.manifest import ChannelInfo, Manifest, SensorInfo
from service.host_clock import HostClock

from .clocks.book import OwnClock, event_clock
from .clocks.lines import Line
from .config import FusionSection
from .journal.rows import NewBatch

Column = npt.NDArray[Any]
MAX_FILTERS = 64
HISTORY_US = 400 * 24 * 3600 * 1_000_000
GOOD, SUSPECT, MISSING = 1, 3, 9
_NONE = np.full(256, -1)
FIRST_TREND = {"[ppm]": 0.5, "Cel": 1e-2}


class Fusion:
    """The filters of this node and the manifest of what they emit."""

    def __init__(
        self, edge: str, boot: str, config: FusionSection, host: HostClock, published: Container[str] = ()
    ) -> None:
        """`published`: datastreams of boards that are sent on as they are, with this node's verdict."""
        self.edge, self.boot, self._config, self._host, self._published = edge, boot, config, host, published
        self.clock = OwnClock(HISTORY_US)
        self._bank = new_bank(MAX_FILTERS, config.process_noise)
        self._filters: dict[tuple[str, int], int] = {}
        self._tables: dict[str, Column] = {}
        self._sources: list[tuple[str, ChannelInfo]] = []
        self._periods_ms: list[int] = []
        self._as_it_is = np.zeros(MAX_FILTERS, bool)
        self.left_out: set[str] = set()
        self.used = self.unused = 0

    def learn(self, manifest: Manifest) -> bool:
        """Take the fused channels of a board in; return whether any is new or has another sigma."""
        before = len(self._sources)
        changed = False
        for channel in manifest.channels:
            key = (manifest.thing, channel.index)
            changed |= self._recalibrated(self._filters.get(key, -1), channel)
            name = f"{manifest.thing}/{channel.name}"
            if not (channel.fuse or name in self._published) or key in self._filters:
                continue
            if len(self._sources) < MAX_FILTERS:
                self._as_it_is[len(self._sources)] = not channel.fuse
                self._filters[key] = len(self._sources)
                self._tables.setdefault(manifest.thing, _NONE.copy())[channel.index] = len(self._sources)
                self._sources.append((manifest.thing, channel))
                self._periods_ms.append(_period_ms(manifest, channel))
                self._tune(self._filters[key], manifest.thing, channel)
            else:
                self.left_out.add(name)
        return changed or len(self._sources) > before

    def _how(self, number: int) -> str:
        return "quality" if self._as_it_is[number] else "kalman"

    def _recalibrated(self, number: int, channel: ChannelInfo) -> bool:
        """Return whether a known source has another sigma since its board started again; it counts from now on."""
        if number < 0 or self._sources[number][1].sigma == channel.sigma:
            return False
        thing, known = self._sources[number]
        self._sources[number] = (thing, replace(known, sigma=channel.sigma))
        return True

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
            SensorInfo(number, f"fusion-{thing}.{source.name}", self._how(number), "", "", self._periods_ms[number])
            for number, (thing, source) in enumerate(self._sources)
        ]
        return Manifest(self.edge, "edge_node", sensors, channels, [])

    def fuse(
        self, thing: str, line: Line, records: bytes, rx_us: int, flags: Column | None = None
    ) -> NewBatch | None:  # fmt: skip
        """Return own samples made from a board's (numbered in the commit), None if there are none.

        `line` places the board's stamps in boottime; `flags` (n,): this node's verdict, else the board's flags count.
        The filters live in city time that never jumps."""
        rows = columns.decode(records)
        told = rows["quality"] if flags is None else flags
        numbers = self._tables.get(thing, _NONE)[rows["channel"]]
        boottimes = line.edge_times(columns.stamp_us(rows))
        mine = (numbers >= 0) & (boottimes > -HISTORY_US)
        if not mine.any():
            return None
        order = np.argsort(boottimes[mine], kind="stable")
        index, own, row, flag = (column[mine][order] for column in (numbers, boottimes, rows, told))
        at = np.rint(self._host.speed * own).astype(np.int64)
        noise = np.array([self._sources[i][1].sigma for i in index])
        late = (self._bank.started[index] == 1) & (at < self._bank.t_us[index])
        as_it_is = self._as_it_is[index]
        mean, sigma, ok = fuse(self._bank, index, at, row["value"], noise, flag)
        self.used += int(ok[~as_it_is].sum())
        self.unused += int((~ok[~as_it_is]).sum())
        worse = np.maximum(flag, SUSPECT)
        quality = np.where(ok, GOOD, np.where(np.isfinite(mean), worse, MISSING))
        passes = late | as_it_is
        mean, sigma = np.where(passes, row["value"], mean), np.where(passes, np.where(noise > 0, noise, np.nan), sigma)
        quality = np.where(passes, flag, quality)
        return self._batch(index, own + HISTORY_US, mean, sigma, quality, rx_us)

    def _batch(
        self, index: Column, stamps: Column, mean: Column, sigma: Column, quality: Column, rx_us: int
    ) -> NewBatch:  # fmt: skip
        """Return mean and sigma interleaved: channel 2 i and 2 i + 1 of filter i."""
        channel = np.stack((2 * index, 2 * index + 1), 1).ravel()
        value = np.stack((mean, np.where(np.isfinite(sigma), sigma, np.nan)), 1).ravel()
        packed = columns.encode(channel, np.repeat(quality, 2), np.repeat(stamps, 2), value)
        clock = event_clock(self.clock.line(int(stamps[0]), int(stamps[-1])), self._host)
        return NewBatch(self.edge, self.boot, 0, channel.size, clock, rx_us, packed)


def _period_ms(manifest: Manifest, channel: ChannelInfo) -> int:
    return next((sensor.period_ms for sensor in manifest.sensors if sensor.index == channel.sensor), 0)


def _pair(number: int, name: str, source: ChannelInfo) -> list[ChannelInfo]:
    mean = ChannelInfo(2 * number, name, number, source.property, source.unit, source.lower, source.upper, source.sigma)
    spread = ChannelInfo(
        2 * number + 1, f"{name}.sigma", number, f"{source.property} standard_error", source.unit,
        0.0, source.upper - source.lower, source.sigma, sigma_of=name,
    )  # fmt: skip
    return [mean, spread]
