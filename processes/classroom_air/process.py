"""Classroom air: CO2 and door in, fan out.

A mass balance with unknown occupancy and leakage learns from the CO2. The fan gets its lowest level that
keeps CO2 below the limit over the lead time with enough certainty; a blind room is ventilated.
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from models import room as air
from models.room import Belief, Room
from processes.contract import F64, SUSPECT, Alarm, AlarmRule, Estimate, Outcome, Port, Proposal, Series, State

PORTS = {
    "co2": Port("mole_fraction_of_carbon_dioxide_in_air", "[ppm]", "sense", False),
    "door": Port("door_open", "1", "sense", False),
    "fan": Port("fan_speed", "1", "respond", False),
}
_Z95 = 1.6448536269514722
Level = Annotated[float, Field(ge=0, le=1)]


class Site(BaseModel):
    """A room, its fan and its limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    volume_m3: float = Field(gt=0, le=1e5)
    persons: float = Field(default=30.0, gt=0)
    leakage_m3_s: float = Field(default=0.02, gt=0)
    door_m3_s: float = Field(default=0.1, ge=0)
    fan_m3_s: float = Field(gt=0)
    breath_m3_s: float = Field(default=4.5e-6, gt=0)
    outside_ppm: float = Field(default=420.0, ge=300, le=600)
    fan_levels: Annotated[list[Level], Field(min_length=2)] = [0.0, 1.0]
    limit_ppm: float = Field(default=1000.0, gt=420)
    band_ppm: float = Field(default=100.0, ge=0)  # below the limit by so much before the fan slows down
    lead_time_s: float = Field(default=600.0, ge=60, le=7200)
    p_max: float = Field(default=0.2, gt=0, lt=1)
    hold_s: float = Field(default=300.0, ge=0)
    stale_s: float = Field(default=600.0, gt=0)
    valid_s: float = Field(default=900.0, gt=0, le=86_400)  # real seconds a proposal stays valid

    @property
    def room(self) -> Room:
        """The room as the model takes it."""
        return Room(self.volume_m3, self.door_m3_s, self.fan_m3_s, self.breath_m3_s, self.outside_ppm)


class _Memory(NamedTuple):
    mean: F64
    covariance: F64
    now_utc_us: int
    co2_utc_us: int
    changed_utc_us: int
    door: float
    fan: float
    heard: float

    @property
    def belief(self) -> Belief:
        return Belief(self.mean, self.covariance)


def alarm_rules(site: Site) -> Mapping[str, AlarmRule]:
    """Return how the alarms live: stuffy air is raised when it is all but certain, and returns when it is unlikely."""
    soon = f"{site.limit_ppm:g} ppm of CO2 in {site.lead_time_s / 60:g} min"
    return {
        "air_stuffy": AlarmRule(raise_p=0.8, return_p=0.4, text=f"The fan cannot keep the room below {soon}"),
        "co2_stale": AlarmRule(text="No fresh CO2 reading", about=("co2",)),
    }


def start(site: Site, seed: int) -> State:
    """Return the state of a process that has seen nothing."""
    belief = air.first_belief(site.outside_ppm, 1e3, site.persons, site.leakage_m3_s)
    return _packed(_Memory(*belief, 0, 0, 0, 0.0, site.fan_levels[0], 0.0))


def step(site: Site, state: State, now_utc_us: int, seen: Mapping[str, Series]) -> Outcome:
    """Return the outcome of one step; see the module docstring."""
    memory = _learned(site, _unpacked(state), now_utc_us, seen)
    stale = (now_utc_us - memory.co2_utc_us) * 1e-6 > site.stale_s
    if not (memory.heard or stale):
        return Outcome(_packed(memory), (), (), ())
    memory, risk = _decided(site, memory, stale)
    mean, sigma = air.look_ahead(memory.belief, site.room, memory.door, memory.fan, site.lead_time_s)
    likely = air.probability_above(site.limit_ppm, mean, sigma)
    told = (("co2_stale", float(stale)), ("air_stuffy", likely))
    alarms = tuple(Alarm(key, 2, chance) for key, chance in told if chance > 0.0)
    why = "no fresh CO2 reading" if stale else f"P(CO2 > {site.limit_ppm:g} ppm) = {risk:.2f}"
    reason = f"{why} in {site.lead_time_s / 60:g} min at fan {memory.fan:g}"
    proposal = Proposal("fan", memory.fan, round(site.valid_s * 1000), reason)
    return Outcome(_packed(memory), _estimates(site, memory, mean, sigma), alarms, (proposal,))


def _last(series: Series) -> tuple[int, float, float] | None:
    usable = np.flatnonzero((series.quality < SUSPECT) & np.isfinite(series.value))
    if not usable.size:
        return None
    at = int(usable[-1])
    return int(series.t_utc_us[at]), float(series.value[at]), float(series.sigma[at])


def _learned(site: Site, memory: _Memory, now_utc_us: int, seen: Mapping[str, Series]) -> _Memory:
    """Return the memory moved on to now and drawn to the newest usable CO2."""
    dt_s = (now_utc_us - memory.now_utc_us) * 1e-6 if memory.now_utc_us else 0.0
    belief = air.move(memory.belief, site.room, memory.door, memory.fan, dt_s) if dt_s > 0 else memory.belief
    co2, door = _last(seen["co2"]), _last(seen["door"])
    if co2 is not None:
        sigma = co2[2] if np.isfinite(co2[2]) and co2[2] > 0 else 50.0
        belief = air.learn(belief, co2[1], sigma)
    return memory._replace(
        mean=belief.mean,
        covariance=belief.covariance,
        now_utc_us=now_utc_us,
        co2_utc_us=(memory.co2_utc_us or now_utc_us) if co2 is None else co2[0],
        heard=memory.heard if co2 is None else 1.0,
        door=memory.door if door is None else float(door[1] > 0.5),
    )


def _risk(site: Site, memory: _Memory, fan: float, limit_ppm: float) -> float:
    ahead = air.look_ahead(memory.belief, site.room, memory.door, fan, site.lead_time_s)
    return air.probability_above(limit_ppm, *ahead)


def _lowest(site: Site, memory: _Memory, limit_ppm: float) -> float:
    levels = sorted(site.fan_levels)
    good = [level for level in levels if _risk(site, memory, level, limit_ppm) <= site.p_max]
    return good[0] if good else levels[-1]


def _decided(site: Site, memory: _Memory, stale: bool) -> tuple[_Memory, float]:
    """Return the memory with its new fan level, and its risk: up at once, down after `hold_s` and a band."""
    need = max(site.fan_levels) if stale else _lowest(site, memory, site.limit_ppm)
    if need < memory.fan:
        held_s = (memory.now_utc_us - memory.changed_utc_us) * 1e-6
        calm = min(_lowest(site, memory, site.limit_ppm - site.band_ppm), memory.fan)
        need = calm if held_s >= site.hold_s else memory.fan
    if need != memory.fan:
        memory = memory._replace(fan=need, changed_utc_us=memory.now_utc_us)
    return memory, _risk(site, memory, memory.fan, site.limit_ppm)


def _estimates(site: Site, memory: _Memory, mean: float, sigma: float) -> tuple[Estimate, ...]:
    now, then = memory.now_utc_us, memory.now_utc_us + round(site.lead_time_s * 1e6)
    spread = np.sqrt(np.diag(memory.covariance))
    values = [float(v) for v in memory.mean]
    sigmas = [float(v) for v in spread]
    names = ("co2", "persons", "leakage")
    present = tuple(_normal(n, now, v, s) for n, v, s in zip(names, values, sigmas, strict=True))
    return (*present, _normal("co2_forecast", then, mean, sigma))


def _normal(name: str, valid_utc_us: int, mean: float, sigma: float) -> Estimate:
    return Estimate(name, valid_utc_us, mean, sigma, mean - _Z95 * sigma, mean + _Z95 * sigma)


def _packed(memory: _Memory) -> State:
    times = np.array([memory.now_utc_us, memory.co2_utc_us, memory.changed_utc_us], np.int64)
    numbers = np.array([memory.door, memory.fan, memory.heard])
    return {"mean": memory.mean, "covariance": memory.covariance, "times": times, "numbers": numbers}


def _unpacked(state: State) -> _Memory:
    door, fan, *_, heard = state["numbers"].tolist()  # a state of release 0.1.0 has one more between them
    now, co2, changed = state["times"].tolist()
    return _Memory(state["mean"], state["covariance"], now, co2, changed, door, fan, heard)
