"""How far estimates were from what was measured later: RMSE, bias, CRPS and coverage, by estimate and lead time. Pure.

An estimate is judged against a sense port if it has the port's name, or begins with it and `_` (`level_forecast`);
`level_if_left` is what would have been, so nothing measures it. Observed is the good sample nearest to the time that
the estimate is valid for, no further away than half a step.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from processes.contract import F64, I64, SUSPECT
from processes.engine import Decision
from processes.feed import Arrived
from processes.instance import Instance

LEAST_NEAR_US = 1_000_000
PRUNE_ROWS = 4096


class Row(NamedTuple):
    """One estimate that waits for its measurement."""

    name: str
    lead_us: int
    valid_utc_us: int
    mean: float
    sigma: float
    q05: float
    q95: float


class _Sum:
    """Sums of errors of one estimate at one lead time."""

    def __init__(self) -> None:
        self.n = self.covered = 0
        self.error = self.square = self.crps = 0.0

    def add(self, row: Row, observed: float) -> None:
        self.n += 1
        error = row.mean - observed
        self.error, self.square = self.error + error, self.square + error * error
        self.crps += crps(row.mean, row.sigma, observed)
        self.covered += row.q05 <= observed <= row.q95


class Scores:
    """Judges the estimates of one instance against what its sense ports hear."""

    def __init__(self, instance: Instance) -> None:
        config = instance.config
        self._ports = {streams[0]: port for port, streams in config.senses.items() if len(streams) == 1}
        self._near_us = max(round(config.every_s * 5e5), LEAST_NEAR_US)
        self._wait_us = round(config.lateness_s * 1e6) + self._near_us
        self._heard: dict[str, tuple[I64, F64]] = {}
        self._pending: dict[tuple[str, int, int], Row] = {}
        self._sums: dict[tuple[str, int], _Sum] = {}

    def heard(self, series: Iterable[Arrived]) -> None:
        """Take measurements in."""
        for one in series:
            port = self._ports.get(one.datastream)
            good = (one.quality < SUSPECT) & np.isfinite(one.value)
            if port is not None and good.any():
                times, values = self._heard.get(port, (np.empty(0, np.int64), np.empty(0)))
                times, values = np.concatenate([times, one.t_utc_us[good]]), np.concatenate([values, one.value[good]])
                order = np.argsort(times, kind="stable")
                self._heard[port] = times[order], values[order]

    def decided(self, decisions: Iterable[Decision]) -> None:
        """Take estimates in; an amended one replaces what it amends."""
        for decision in decisions:
            for e in decision.outcome.estimates:
                if port_of(e.name, self._ports.values()) is not None and math.isfinite(e.mean):
                    key = e.name, decision.step_utc_us, e.valid_utc_us
                    self._pending[key] = Row(e.name, e.valid_utc_us - decision.step_utc_us, *e[1:])

    def judge(self, now_utc_us: int | None = None) -> None:
        """Judge the estimates whose measurements must have come by now; None: all that can be."""
        due = [key for key, row in self._pending.items()
               if now_utc_us is None or row.valid_utc_us + self._wait_us <= now_utc_us]  # fmt: skip
        for key in due:
            row = self._pending.pop(key)
            observed = self._observed(row)
            if observed is not None:
                self._sums.setdefault((row.name, row.lead_us), _Sum()).add(row, observed)
        self._prune(now_utc_us)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per estimate and lead time."""
        return [_shown(name, lead_us, self._sums[name, lead_us]) for name, lead_us in sorted(self._sums)]

    def _observed(self, row: Row) -> float | None:
        port = port_of(row.name, self._ports.values())
        if port not in self._heard:
            return None
        times, values = self._heard[port]
        at = int(np.searchsorted(times, row.valid_utc_us))
        near = [i for i in (at - 1, at) if 0 <= i < times.size]
        best = min(near, key=lambda i: abs(int(times[i]) - row.valid_utc_us))
        return float(values[best]) if abs(int(times[best]) - row.valid_utc_us) <= self._near_us else None

    def _prune(self, now_utc_us: int | None) -> None:
        """Forget measurements that no estimate will ask for."""
        if now_utc_us is None:
            return
        oldest = min([row.valid_utc_us for row in self._pending.values()], default=now_utc_us)
        edge = min(oldest, now_utc_us - self._wait_us) - self._near_us
        for port, (times, values) in self._heard.items():
            first = int(np.searchsorted(times, edge))
            if first > PRUNE_ROWS:
                self._heard[port] = times[first:], values[first:]


def port_of(name: str, ports: Iterable[str]) -> str | None:
    """Return the port that measures what an estimate is of, if there is one."""
    if "_if_" in name:
        return None
    found = [port for port in ports if name == port or name.startswith(f"{port}_")]
    return max(found, key=len) if found else None


def crps(mean: float, sigma: float, observed: float) -> float:
    """Return the continuous ranked probability score of a normal forecast, in the unit of the quantity.

    Source: Gneiting et al. 2005, Monthly Weather Review 133, eq. 5. Without a sigma: the absolute error.
    """
    if not (math.isfinite(sigma) and sigma > 0.0):
        return abs(mean - observed)
    z = (observed - mean) / sigma
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return sigma * (z * math.erf(z / math.sqrt(2.0)) + 2.0 * density - 1.0 / math.sqrt(math.pi))


def _shown(name: str, lead_us: int, total: _Sum) -> dict[str, Any]:
    n = total.n
    return {
        "estimate": name, "lead_s": lead_us / 1e6, "n": n, "rmse": math.sqrt(total.square / n),
        "bias": total.error / n, "crps": total.crps / n, "coverage_90": total.covered / n,
    }  # fmt: skip
