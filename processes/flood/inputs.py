"""From what arrived to what the model takes: rain depth, gate opening, the newest level."""

from typing import NamedTuple

import numpy as np

from processes.contract import F64, SUSPECT, Series


class Reading(NamedTuple):
    """One usable value."""

    t_utc_us: int
    value: float
    sigma: float


def newest(series: Series) -> Reading | None:
    """Return the last usable sample, or None."""
    usable = (series.quality < SUSPECT) & np.isfinite(series.value)
    if not usable.any():
        return None
    at = int(np.flatnonzero(usable)[-1])
    return Reading(int(series.t_utc_us[at]), float(series.value[at]), float(series.sigma[at]))


def rain_depth(series: Series, totals: F64) -> tuple[float, F64]:
    """Return mm since the last step, averaged over gauges, and the new totals, mm (gauges,).

    totals: last cumulative reading of each gauge, NaN if none yet. A reading below the last one means that
    the gauge's board started anew from 0.
    """
    totals = totals.copy()
    depth, heard = 0.0, 0
    usable = (series.quality < SUSPECT) & np.isfinite(series.value)
    for gauge in range(totals.size):
        readings = series.value[usable & (series.source == gauge)]
        if not readings.size:
            continue
        if np.isnan(totals[gauge]):
            totals[gauge] = readings[0]
        for total in readings.tolist():
            depth += total - totals[gauge] if total >= totals[gauge] else total
            totals[gauge] = total
        heard += 1
    return (depth / heard if heard else 0.0), totals
