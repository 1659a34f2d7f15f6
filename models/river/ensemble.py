"""An ensemble of catchment and reach: runs with the rain, learns from the level, looks ahead.

Kind: theoretical (mass balance, Torricelli, critical flow) with an empirical cascade for the catchment.
Valid for: one catchment of 1 to some 100 km2 without snow; free outflow below the gate.
Validated against: closed-form drawdown, mass balance and a NumPy ensemble update (tests/models); a separate
nonlinear world in closed loop (tests/processes/test_flood.py).
Source: Nash (1957), The form of the instantaneous unit hydrograph, eq. 8 (cascade of equal stores), with the
stores' outflow quadratic in storage, Q = S^2 / c, as in Chow, Maidment & Mays (1988), sec. 8.5 (nonlinear
reservoir); Torricelli's law for the gate, q = Cd b a sqrt(2 g h), and critical flow q = (2/3)^1.5 sqrt(g) b
h^1.5 over the weir and where the gate's lip is out of the water (Chow 1959, ch. 14 and 17); Whitaker & Hamill
(2002), Ensemble data assimilation without perturbed observations, eq. 2 and 10-13.
"""

from typing import NamedTuple

import numpy as np

from models.counter_random import normals
from models.errors import ParameterError
from models.river import kernels
from models.river.kernels import BASE, COLUMNS, F64, LEVEL, PACE, RUNOFF, STORE1, STORE3, Reach

FORECAST_STEP_S = 300.0
_NOISE, _RAIN, _MODEL = 1, 2, 3


class Catchment(NamedTuple):
    """Area (km2), lag of flow behind rain (h) at a reference flow (m3/s), share of rain that runs off (1)."""

    area_km2: float
    response_h: float
    reference_m3_s: float
    runoff: float

    @property
    def store_c(self) -> float:
        """Constant c of one of the three stores, Q = S^2 / c, m3 s: S / Q is a third of the lag."""
        return (self.response_h * 3600.0) ** 2 * self.reference_m3_s

    def rain_m3_s(self, mm_h: float) -> float:
        """Rain on the whole catchment, m3/s."""
        return mm_h * self.area_km2 / 3.6


class Spread(NamedTuple):
    """How fast members drift apart: standard deviations after one hour."""

    stores: float = 0.05  # relative
    base: float = 0.10  # relative
    runoff: float = 0.06
    pace: float = 0.08
    level_m: float = 0.02


class Ahead(NamedTuple):
    """Members' levels at the end of a forecast and their highest on the way, m, (n,)."""

    last_m: F64
    highest_m: F64


def new_members(
    n: int, seed: int, moment: int, catchment: Catchment, reach: Reach,
    level_m: float, sigma_m: float, opening: float,
) -> F64:  # fmt: skip
    """Return members (n, 7) in rough balance with a first level (m) at a gate opening (0..1).

    Raises: ParameterError for numbers outside the model.
    """
    if n < 8 or not (catchment.area_km2 > 0 and catchment.store_c > 0 and reach.plan_area_m2 > 0):
        raise ParameterError("expected n >= 8 members and positive area_km2, response, plan_area_m2")
    noise = normals(seed, moment, 0, COLUMNS * n).reshape(COLUMNS, n)
    members = np.empty((n, COLUMNS))
    level = np.maximum(level_m + sigma_m * noise[LEVEL], 0.0)
    flow = kernels.outflow_kernel(level_m, opening, reach) * np.maximum(1.0 + 0.25 * noise[STORE1], 0.1)
    share = np.clip(0.5 + 0.2 * noise[BASE], 0.1, 0.9)
    members[:, STORE1 : STORE3 + 1] = ((1.0 - share) * flow)[:, None]
    members[:, BASE] = share * flow
    members[:, RUNOFF] = np.clip(catchment.runoff * (1.0 + 0.35 * noise[RUNOFF]), 0.05, 1.5)
    members[:, PACE] = np.clip(1.0 + 0.25 * noise[PACE], 0.5, 2.0)
    members[:, LEVEL] = level
    return members


def advance(
    members: F64, seed: int, moment: int, dt_s: float, rain_mm_h: float, opening: float,
    catchment: Catchment, reach: Reach, spread: Spread,
) -> None:  # fmt: skip
    """Move members (n, 7) on by dt_s in place under rain (mm/h) and a gate opening (0..1), with noise."""
    if dt_s <= 0.0:
        return
    kernels.advance_kernel(members, catchment.rain_m3_s(rain_mm_h), opening, dt_s, catchment.store_c, reach)
    root = float(np.sqrt(dt_s / 3600.0))
    s = spread
    relative = np.array([s.stores, s.stores, s.stores, s.base, 0.0, 0.0, 0.0]) * root
    absolute = np.array([0.0, 0.0, 0.0, 0.05, s.runoff, s.pace, s.level_m]) * root
    kernels.shake_kernel(members, normals(seed, moment, _NOISE, members.size), relative, absolute)


def assimilate(members: F64, level_m: float, sigma_m: float) -> None:
    """Draw members (n, 7) in place towards a measured level (m) of standard deviation sigma_m."""
    kernels.assimilate_kernel(members, level_m, sigma_m * sigma_m)


def inflows(
    members: F64, seed: int, lead_s: float, rain_mm_h: float, rain_fade_h: float,
    catchment: Catchment,
) -> F64:  # fmt: skip
    """Return the members' inflow, m3/s, (n, steps) over lead_s; rain goes on and fades away.

    Each member has one factor for its rain and one for the model, the same at every step of a process: one
    forecast differs from the next by what was learned and not by luck.
    """
    steps = max(1, round(lead_s / FORECAST_STEP_S))
    factor = np.maximum(1.0 + 0.6 * normals(seed, 0, _RAIN, members.shape[0]), 0.0)
    fade = 1.0 / (1.0 + lead_s / steps / (rain_fade_h * 3600.0))
    inflow = np.empty((members.shape[0], steps))
    rain = catchment.rain_m3_s(rain_mm_h) * factor
    kernels.inflow_kernel(members, rain, fade, lead_s / steps, catchment.store_c, inflow)
    model = np.maximum(1.0 + 0.12 * normals(seed, 0, _MODEL, members.shape[0]), 0.0)
    return inflow * model[:, None]


def forecast(
    members: F64, inflow: F64, lead_s: float, setpoint: float, opening: float, travel_s: float, reach: Reach
) -> Ahead:
    """Return levels ahead if the gate goes to `setpoint`, a full stroke in travel_s; inflow (n, steps)."""
    dt_s = lead_s / inflow.shape[1]
    stroke = dt_s / max(travel_s, 1e-9)
    last, highest = np.empty(members.shape[0]), np.empty(members.shape[0])
    start = np.ascontiguousarray(members[:, LEVEL])
    kernels.levels_kernel(start, inflow, setpoint, opening, stroke, dt_s, reach, last, highest)
    return Ahead(last, highest)


def moments(values: F64) -> tuple[float, float, float, float]:
    """Return mean, standard deviation, 5 % and 95 % quantile of values (n,)."""
    mean, sd = kernels.moments_kernel(np.ascontiguousarray(values))
    ordered = np.sort(values)
    return mean, sd, _quantile(ordered, 0.05), _quantile(ordered, 0.95)


def _quantile(ordered: F64, p: float) -> float:
    place = p * (ordered.size - 1)
    low = int(place)
    high = min(low + 1, ordered.size - 1)
    return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))
