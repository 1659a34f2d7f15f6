"""The verdict of this node on every sample of its boards, and on every channel. Sans-IO.

Raw samples go on unchanged; a verdict is never better than the flag that the board gave. Fusion takes the flag of each
sample (3 or worse is not used), channels named in [quality] are sent with it (`fuse`), health shows what lasts.
State is of this run: after a restart of the node a value has to stay the same all over again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.quality import TESTS, check, new_bank
from protocol import columns
from protocol.manifest import ChannelInfo, Manifest, SensorInfo
from service.host_clock import HostClock

from ..clocks.lines import Line
from . import defaults
from .declared import declared
from .section import ChannelRule, QualitySection
from .words import GAP, Seen, words

CHANNELS = 256
SUSPECT, FAIL, MISSING = 3, 4, 9
SENSOR, GROSS_RANGE = TESTS.index("sensor"), TESTS.index("gross_range")
MAX_ROWS = 32
AHEAD_US = 5_000_000
NAMES = {1: "good", 2: "not_evaluated", SUSPECT: "suspect", FAIL: "fail", MISSING: "missing"}
U8 = npt.NDArray[np.uint8]


class _Place(NamedTuple):
    """A channel of a board that is known."""

    at: int
    thing: str
    channel: ChannelInfo
    sensor: SensorInfo

    @property
    def name(self) -> str:
        """The datastream."""
        return f"{self.thing}/{self.channel.name}"


class QualityWatch:
    """The channels of all boards of this node."""

    def __init__(self, things: Sequence[str], section: QualitySection, host: HostClock) -> None:
        self.section, self._host = section, host
        self._base = {thing: CHANNELS * place for place, thing in enumerate(things)}
        n = CHANNELS * max(1, len(things))
        self._bank = new_bank(n)
        self._places: dict[str, _Place] = {}
        self._stale_us = np.full(n, np.inf)
        self._heard_us = np.zeros(n, np.int64)
        self._since_us = np.zeros(n, np.int64)
        self._shown = np.zeros((2, n), np.uint8)
        self._counts = np.zeros(len(TESTS), np.int64)

    def learn(self, manifest: Manifest, anew: bool = True) -> None:
        """Take a board's channels in; `anew`: it started again, so what it said before is no neighbour in time."""
        base = self._base.get(manifest.thing)
        if base is None:
            return
        for place in [place for place in self._places.values() if place.thing == manifest.thing]:
            del self._places[place.name]
        for channel in manifest.channels[:CHANNELS]:
            place = _Place(base + channel.index, manifest.thing, channel, manifest.sensors[channel.sensor])
            self._places[place.name] = place
            self._tune(place)
            if anew:
                self._forget(place.at)
        self._join()

    def _forget(self, at: int) -> None:
        self._bank.forget(at)
        self._heard_us[at] = self._since_us[at] = 0
        self._shown[:, at] = 0

    def _tune(self, place: _Place) -> None:
        own = self.section.channels.get(place.name, ChannelRule())
        known = declared(place.sensor.chip, place.channel)
        self._bank.tune(place.at, defaults.rule_of(place.channel, known, self.section, own))
        self._stale_us[place.at] = defaults.stale_s(place.sensor.period_ms, self.section, own) * 1e6

    def _join(self) -> None:
        """Compare the pairs whose channels are both known and alike."""
        pairs = []
        for pair in self.section.pairs:
            two = [self._places[name] for name in pair.of if name in self._places]
            if len(two) == 2 and _alike(*two):
                period_s = self._host.speed * max(place.sensor.period_ms for place in two) / 1e3
                at, channels = (two[0].at, two[1].at), (two[0].channel, two[1].channel)
                pairs.append(defaults.pair_of(pair, at, channels, period_s))
        self._bank.join(pairs)

    def check(self, thing: str, line: Line, records: bytes, rx_us: int) -> U8 | None:
        """Return the flags (n,) of a board's records, None for a board that is not of this node.

        `line` places the board's stamps in boottime, in which they came at `rx_us`. A sample of the future fails and
        moves nothing: all that follow would be late.
        """
        base = self._base.get(thing)
        if base is None:
            return None
        rows = columns.decode(records)
        index = base + rows["channel"].astype(np.int64)
        boottime_us = line.edge_times(columns.stamp_us(rows))
        at = np.rint(self._host.speed * boottime_us).astype(np.int64)
        present = boottime_us <= rx_us + AHEAD_US
        told = np.where(present, rows["quality"], np.maximum(rows["quality"], FAIL))
        flag, test = check(self._bank, index, at, rows["value"], told)
        np.maximum.at(self._heard_us, index[present], boottime_us[present].astype(np.int64))
        self._counts += np.bincount(test, minlength=len(TESTS))
        self._note(np.unique(index))
        return flag

    def _note(self, touched: npt.NDArray[np.int64]) -> None:
        """Note since when channels have their verdict."""
        states = self._bank.states[touched]
        now = np.stack((states["flag"], states["test"]))
        changed = (now != self._shown[:, touched]).any(0)
        self._shown[:, touched] = now
        self._since_us[touched[changed]] = self._heard_us[touched[changed]]

    def problems(self) -> list[str]:
        """Return a line for each name in [quality] that boards do not have, and each pair that cannot be compared."""
        known = {place.thing for place in self._places.values()}
        missing = [n for n in self.section.names() if n not in self._places and n.split("/")[0] in known]
        lines = [f"[quality] names {name!r}; expected one of {self._names_of(name.split('/')[0])}" for name in missing]
        for pair in self.section.pairs:
            two = [self._places[name] for name in pair.of if name in self._places]
            if len(two) == 2 and not _alike(*two):
                what = " and ".join(f"{p.name} ({p.channel.property}, {p.channel.unit})" for p in two)
                lines.append(f"[[quality.pairs]] compares {what}; expected the same property and unit")
        return lines

    def _names_of(self, thing: str) -> str:
        return ", ".join(sorted(place.name for place in self._places.values() if place.thing == thing))

    def health(self, now_us: int, up_since_us: Mapping[str, int]) -> dict[str, Any]:
        """Return the part of /health: how many channels are how, how often each test flagged, what is not good and why.

        `up_since_us`: since when the boards are linked, of those that are; others are not missed, their link is told.
        """
        found = [(place, *self._verdict(place, now_us, up_since_us)) for place in self._places.values()]
        counts = dict.fromkeys(NAMES.values(), 0)
        for _, flag, _ in found:
            counts[NAMES.get(flag, "missing")] += 1
        doubted = sorted((one for one in found if self._is_own(*one[1:])), key=_first_what_lasts)
        own = [self._row(*one, now_us, up_since_us) for one in doubted]
        tests = {name: int(count) for name, count in zip(TESTS, self._counts, strict=True) if name}
        return {
            "channels": len(found), **counts, "flagged": tests, "rows": own[:MAX_ROWS],
            "more": max(0, len(own) - MAX_ROWS), "problems": self.problems(),
        }  # fmt: skip

    def _verdict(self, place: _Place, now_us: int, up_since_us: Mapping[str, int]) -> tuple[int, str]:
        """Return (flag, test) of a channel now."""
        silent_us = self._silent_us(place, now_us, up_since_us)
        if silent_us > self._stale_us[place.at]:
            return MISSING, GAP
        flag, test = self._shown[:, place.at]
        return (int(flag) or MISSING), TESTS[test]

    def _silent_us(self, place: _Place, now_us: int, up_since_us: Mapping[str, int]) -> int:
        since = up_since_us.get(place.thing)
        return 0 if since is None else now_us - max(since, int(self._heard_us[place.at]))

    @staticmethod
    def _is_own(flag: int, test: str) -> bool:
        """Return whether the verdict is this node's: what a board says of itself is among its faults."""
        return flag >= SUSPECT and test not in ("", "sensor") and not (test == "gross_range" and flag >= FAIL)

    def _row(self, place: _Place, flag: int, test: str, now_us: int, up_since_us: Mapping[str, int]) -> dict[str, Any]:
        silent_us = self._silent_us(place, now_us, up_since_us)
        since_us = now_us - silent_us if test == GAP else int(self._since_us[place.at])
        what, todo = words(test, self._seen(place, test, silent_us))
        return {
            "thing": place.thing, "sensor": place.sensor.name, "datastream": place.name, "flag": flag, "test": test,
            "since": max(0, self._host.event_utc_us(since_us)), "what": what, "check": todo,
        }  # fmt: skip

    def _seen(self, place: _Place, test: str, silent_us: int) -> Seen:
        state, rule = self._bank.states[place.at], self._bank.rules[place.at]
        unit = place.channel.unit
        bounds = f"{rule['lower']:g} to {rule['upper']:g} {unit}"
        if test == "rate_of_change":
            bounds = f"{rule['rate']:g} {unit}/s and {rule['noise']:g} {unit} of noise"
        lasted_us = silent_us if test == GAP else state["at_us"] - state["since_us"]
        return Seen(f"{state['value']:.5g} {unit}", bounds, float(lasted_us) / 1e6, ", ".join(self._partners(place)))

    def _partners(self, place: _Place) -> Iterator[str]:
        for pair in self.section.pairs:
            for name, other in (pair.of, pair.of[::-1]):
                if name == place.name and other in self._places:
                    there = self._places[other]
                    yield f"{other} ({self._bank.states[there.at]['value']:.5g} {there.channel.unit})"


def _first_what_lasts(one: tuple[_Place, int, str]) -> tuple[bool, str]:
    """Return the order in which doubts are told: not all may be, and the city keeps incidents of those that last."""
    return one[2] == "rate_of_change", one[0].name


def _alike(a: _Place, b: _Place) -> bool:
    return (a.channel.property, a.channel.unit) == (b.channel.property, b.channel.unit)
