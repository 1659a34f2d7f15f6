"""Flood: rain and level in, gate setpoint out, with the probability that the threshold is exceeded.

An ensemble of catchment and reach runs with the rain, learns from the level and looks ahead over the lead
time. The gate gets the smallest opening that keeps the probability of exceeding the threshold below p_max.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from models import river
from models.river import Spread
from processes.contract import F64, Alarm, AlarmRule, Estimate, Outcome, Port, Proposal, Series, State
from processes.flood.inputs import Reading, newest, rain_depth
from processes.flood.site import Site

PORTS = {
    "level": Port("water_surface_height_above_reference_datum", "m", "sense", False),
    "rain": Port("thickness_of_rainfall_amount", "mm", "sense", True),
    "opening": Port("gate_opening_fraction", "1", "sense", False),
    "gate": Port("gate_opening_fraction", "1", "respond", False),
}
MAX_GAUGES = 16
_SPREAD = Spread()
_CLOSE_SHARE = 0.5  # a lower setpoint must keep the probability below this share of p_max


class _Memory(NamedTuple):
    """The state by name: scalars of the process beside the members (n, 7)."""

    members: F64
    totals: F64
    seed: int
    now_utc_us: int
    level_utc_us: int
    opening: float
    rain_mm_h: float
    setpoint: float
    calm_utc_us: int


def alarm_rules(site: Site) -> Mapping[str, AlarmRule]:
    """Return how the alarms live: raised at p_alarm, they hold down to half of it."""
    above = AlarmRule(raise_p=site.p_alarm, return_p=0.5 * site.p_alarm)
    ahead = f"{site.threshold_m:g} m within {site.lead_time_s / 3600:g} h"
    return {
        "threshold_exceedance": above._replace(text=f"The river is likely to exceed {ahead} unless the gate moves"),
        "beyond_control": above._replace(text=f"The river is likely to exceed {ahead} whatever the gate does"),
        "level_stale": AlarmRule(text="No usable reading of the river's level", about=("level",)),
    }


def start(site: Site, seed: int) -> State:
    """Return the state of a process that has seen nothing."""
    members = np.empty((0, river.COLUMNS))
    totals = np.full(MAX_GAUGES, np.nan)
    return _packed(_Memory(members, totals, seed, 0, 0, site.safe_opening, 0.0, site.safe_opening, 0))


def step(site: Site, state: State, now_utc_us: int, seen: Mapping[str, Series]) -> Outcome:
    """Return the outcome of one step; see the module docstring."""
    memory = _assimilated(site, _unpacked(state), now_utc_us, seen)
    stale = _stale_alarms(site, memory)
    if not memory.members.size:
        return Outcome(_packed(memory), (), stale, ())
    look = _look_ahead(site, memory)
    memory = _chosen(site, memory, look)
    alarms = (*stale, *_alarms(site, memory, look))
    return Outcome(_packed(memory), _estimates(site, memory, look), alarms, (_proposal(site, memory, look),))


class _Look(NamedTuple):
    """Forecasts if the gate stays, and `chances`: P(threshold exceeded) by setpoint, as far as asked for."""

    inflow: F64
    left: river.Ahead
    p_left: float
    chances: dict[float, float]


def _assimilated(site: Site, memory: _Memory, now_utc_us: int, seen: Mapping[str, Series]) -> _Memory:
    dt_s = (now_utc_us - memory.now_utc_us) * 1e-6 if memory.now_utc_us else 0.0
    depth, totals = rain_depth(seen["rain"], memory.totals)
    rate = depth * 3600.0 / dt_s if dt_s > 0.0 else 0.0
    gate, level = newest(seen["opening"]), newest(seen["level"])
    opening = memory.opening if gate is None else min(max(gate.value, 0.0), 1.0)
    members = _moved(site, memory, now_utc_us, dt_s, rate, 0.5 * (opening + memory.opening), level)
    weight = dt_s / (dt_s + 2700.0)
    return memory._replace(
        members=members,
        totals=totals,
        now_utc_us=now_utc_us,
        level_utc_us=(memory.level_utc_us or now_utc_us) if level is None else level.t_utc_us,
        opening=opening,
        rain_mm_h=memory.rain_mm_h + weight * (rate - memory.rain_mm_h),
    )


def _moved(
    site: Site, memory: _Memory, now_utc_us: int, dt_s: float, rate: float, opening: float,
    level: Reading | None,
) -> F64:  # fmt: skip
    """Return the members at `now`: on to the level's time, drawn to it, and on to now."""
    now_s = now_utc_us // 1_000_000
    if not memory.members.size:
        if level is None:
            return memory.members
        sigma = _level_sigma(site, level)
        return river.new_members(
            site.members, memory.seed, now_s, site.catchment, site.reach, level.value, sigma, opening
        )
    members = memory.members.copy()
    parts = [dt_s]
    if level is not None:
        before = min(max((level.t_utc_us - memory.now_utc_us) * 1e-6, 0.0), dt_s)
        parts = [before, dt_s - before]
    for at, part_s in enumerate(parts):
        moment = 2 * now_s + at
        place = (site.catchment, site.reach, _SPREAD)
        river.advance(members, memory.seed, moment, part_s, rate, opening, *place)
        if level is not None and at == 0:
            river.assimilate(members, level.value, _level_sigma(site, level))
    return members


def _level_sigma(site: Site, level: Reading) -> float:
    sigma = level.sigma if np.isfinite(level.sigma) and level.sigma > 0.0 else site.level_model_sigma_m
    return float(np.sqrt(sigma * sigma + site.level_model_sigma_m * site.level_model_sigma_m))


def _look_ahead(site: Site, memory: _Memory) -> _Look:
    inflow = river.inflows(
        memory.members, memory.seed, site.lead_time_s,
        memory.rain_mm_h, site.rain_fade_h, site.catchment,
    )  # fmt: skip
    left = _ahead(site, memory, inflow, memory.opening)
    return _Look(inflow, left, _exceeding(site, left), {})


def _ahead(site: Site, memory: _Memory, inflow: F64, setpoint: float) -> river.Ahead:
    return river.forecast(
        memory.members, inflow, site.lead_time_s, setpoint, memory.opening, site.gate_travel_s, site.reach
    )


def _exceeding(site: Site, ahead: river.Ahead) -> float:
    return int((ahead.highest_m > site.threshold_m).sum()) / ahead.highest_m.size


def _chance(site: Site, memory: _Memory, look: _Look, setpoint: float) -> float:
    if setpoint not in look.chances:
        look.chances[setpoint] = _exceeding(site, _ahead(site, memory, look.inflow, setpoint))
    return look.chances[setpoint]


def _smallest(site: Site, memory: _Memory, look: _Look, limit: float) -> float:
    """Return the smallest setpoint within the limit, else fully open; a wider gate never raises the level."""
    low, high = 0, len(site.setpoints) - 1
    while low < high:
        middle = (low + high) // 2
        if _chance(site, memory, look, site.setpoints[middle]) <= limit:
            high = middle
        else:
            low = middle + 1
    return site.setpoints[low]


def _chosen(site: Site, memory: _Memory, look: _Look) -> _Memory:
    """Return the memory with its new setpoint: up at once, down only after `hold_s` of calm."""
    need = _smallest(site, memory, look, site.p_max)
    if need >= memory.setpoint:
        return memory._replace(setpoint=need, calm_utc_us=memory.now_utc_us)
    enough = _smallest(site, memory, look, site.p_max * _CLOSE_SHARE)
    if enough >= memory.setpoint:
        return memory._replace(calm_utc_us=memory.now_utc_us)
    if (memory.now_utc_us - memory.calm_utc_us) * 1e-6 < site.hold_s:
        return memory
    return memory._replace(setpoint=enough, calm_utc_us=memory.now_utc_us)


def _stale_alarms(site: Site, memory: _Memory) -> tuple[Alarm, ...]:
    age_s = (memory.now_utc_us - memory.level_utc_us) * 1e-6
    return (Alarm("level_stale", 2, 1.0),) if age_s > site.stale_s else ()


def _alarms(site: Site, memory: _Memory, look: _Look) -> tuple[Alarm, ...]:
    """Return the alarms with their probabilities: if the gate stays as it is, and at the chosen opening."""
    best = _chance(site, memory, look, memory.setpoint)
    conditions = Alarm("threshold_exceedance", 3, look.p_left), Alarm("beyond_control", 4, best)
    return tuple(alarm for alarm in conditions if alarm.probability > 0.0)


def _estimates(site: Site, memory: _Memory, look: _Look) -> tuple[Estimate, ...]:
    """Return level and inflow now, and forecasts at the lead time with the gate as proposed and as left."""
    now, then = memory.now_utc_us, memory.now_utc_us + round(site.lead_time_s * 1e6)
    proposed = _ahead(site, memory, look.inflow, memory.setpoint)
    risk = _chance(site, memory, look, memory.setpoint)
    return (
        Estimate("level", now, *river.moments(memory.members[:, river.LEVEL])),
        Estimate("inflow", now, *river.moments(look.inflow[:, 0])),
        Estimate("level_forecast", then, *river.moments(proposed.last_m)),
        Estimate("level_if_left", then, *river.moments(look.left.last_m)),
        Estimate("exceedance_probability", then, risk, 0.0, risk, risk),
        Estimate("exceedance_if_left", then, look.p_left, 0.0, look.p_left, look.p_left),
    )


def _proposal(site: Site, memory: _Memory, look: _Look) -> Proposal:
    best = _chance(site, memory, look, memory.setpoint)
    reason = (
        f"P(level > {site.threshold_m:g} m within {site.lead_time_s / 3600:g} h) = {best:.2f} "
        f"at opening {memory.setpoint:g}, {look.p_left:.2f} if left at {memory.opening:.2f}"
    )
    return Proposal("gate", memory.setpoint, round(site.valid_s * 1000), reason)


def _packed(memory: _Memory) -> State:
    """Return the memory as plain arrays."""
    times = np.array([memory.seed, memory.now_utc_us, memory.level_utc_us, memory.calm_utc_us], np.int64)
    numbers = np.array([memory.opening, memory.rain_mm_h, memory.setpoint])
    arrays = {"members": memory.members, "totals": memory.totals}
    return {**arrays, "times": times, "numbers": numbers}


def _unpacked(state: State) -> _Memory:
    seed, now, level, calm = state["times"].tolist()
    opening, rain, setpoint = state["numbers"].tolist()
    return _Memory(
        members=state["members"], totals=state["totals"], seed=seed, now_utc_us=now, level_utc_us=level,
        opening=opening, rain_mm_h=rain, setpoint=setpoint, calm_utc_us=calm,
    )  # fmt: skip
