"""Catchment, river reach, sluice gate and overflow weir of the scenario `riverside`.

Catchment (mm over its area): rain meets a soil whose infiltration capacity varies over the area, so the
share that runs off is 1 - (1 - W/Wmax)^b with soil water W. What runs off goes down three nonlinear stores
in a row, q = (S/k)^(5/3), the kinematic-wave exponent of sheet flow; seepage feeds a slow linear groundwater
store.

Reach: storage by the level's plan area A(h), which widens with the flood plain above 0.5 m; inflow from the
catchment, outflow through the gate and over a side weir:

    A(h) dh/dt = Q_in - Q_gate(h, a) - Q_weir(h)
    Q_gate = min(Cd b a sqrt(2 g h), 1.7 b h^1.5)       orifice, or broad-crested when the gate hangs clear
    Q_weir = 1.7 L max(h - crest, 0)^1.5

Everything is stepped explicitly in at most 20 s of world time; `Balance` keeps the water volumes, so a test
can close them. More opening gives more outflow at equal level, hence never a higher level.

Source: Zhao 1992 (infiltration curve); Chow 1959 ch. 14 (weirs), Henderson 1966 ch. 6 (sluice gates).
"""

import math
from dataclasses import dataclass, field

GRAVITY_M_S2 = 9.80665
WEIR_COEFFICIENT = 1.7
MAX_STEP_S = 20.0
STORE_EXPONENT = 5.0 / 3.0


@dataclass(frozen=True)
class RiverSite:
    """Fixed properties of catchment, reach, gate and weir."""

    area_km2: float = 29.0
    soil_capacity_mm: float = 150.0
    infiltration_shape: float = 0.55
    store_k: float = 5.0
    seepage_per_h: float = 0.0004
    groundwater_hours: float = 240.0
    reach_area_m2: float = 60_000.0
    flood_plain_per_m: float = 0.25
    gate_width_m: float = 6.0
    gate_full_m: float = 1.5
    gate_discharge: float = 0.61
    weir_crest_m: float = 1.9
    weir_length_m: float = 20.0


@dataclass
class Balance:
    """Water volumes since the start, in m3."""

    rain_m3: float = 0.0
    gate_m3: float = 0.0
    weir_m3: float = 0.0


@dataclass
class RiverState:
    """Stores in mm over the catchment, the level in m above the gate sill."""

    soil_mm: float = 90.0
    stores_mm: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    groundwater_mm: float = 44.7
    level_m: float = 0.3
    inflow_m3_s: float = 0.0
    balance: Balance = field(default_factory=Balance)


def gate_flow_m3_s(site: RiverSite, level_m: float, opening: float) -> float:
    """Flow through the gate in m3/s for an opening of 0..1 of the full height."""
    head = max(level_m, 0.0)
    height = opening * site.gate_full_m
    orifice = site.gate_discharge * site.gate_width_m * height * math.sqrt(2 * GRAVITY_M_S2 * head)
    return min(orifice, WEIR_COEFFICIENT * site.gate_width_m * math.pow(head, 1.5))


def weir_flow_m3_s(site: RiverSite, level_m: float) -> float:
    """Flow over the side weir in m3/s."""
    return WEIR_COEFFICIENT * site.weir_length_m * math.pow(max(level_m - site.weir_crest_m, 0.0), 1.5)


def reach_area_m2(site: RiverSite, level_m: float) -> float:
    """Water surface of the reach at a level, in m2."""
    return site.reach_area_m2 * (1 + site.flood_plain_per_m * max(level_m - 0.5, 0.0))


def stored_m3(site: RiverSite, state: RiverState) -> float:
    """All water in soil, stores, groundwater and reach, in m3."""
    catchment_mm = state.soil_mm + state.groundwater_mm + math.fsum(state.stores_mm)
    above = max(state.level_m - 0.5, 0.0)
    reach = site.reach_area_m2 * (state.level_m + site.flood_plain_per_m * above * above / 2)
    return catchment_mm * site.area_km2 * 1000.0 + reach


def advance(
    site: RiverSite,
    state: RiverState,
    seconds: float,
    rain_mm_h: float,
    opening: float,
    *,
    max_step_s: float = MAX_STEP_S,
) -> None:
    """Move the state on by `seconds` of world time under constant rain and gate opening (0..1)."""
    steps = max(1, math.ceil(seconds / max_step_s))
    for _ in range(steps):
        runoff_mm_h = _catchment_step(site, state, seconds / steps / 3600.0, rain_mm_h)
        state.inflow_m3_s = runoff_mm_h * site.area_km2 / 3.6
        _reach_step(site, state, seconds / steps, opening)


def _catchment_step(site: RiverSite, state: RiverState, hours: float, rain_mm_h: float) -> float:
    """Runoff in mm/h over one short step; moves water between the stores."""
    dry = max(0.0, 1.0 - state.soil_mm / site.soil_capacity_mm)
    quick = rain_mm_h * (1.0 - math.pow(dry, site.infiltration_shape))
    seepage = site.seepage_per_h * state.soil_mm
    state.soil_mm += (rain_mm_h - quick - seepage) * hours
    flow = quick
    for index, store in enumerate(state.stores_mm):
        out = min(math.pow(store / site.store_k, STORE_EXPONENT), store / hours)
        state.stores_mm[index] = store + (flow - out) * hours
        flow = out
    base = state.groundwater_mm / site.groundwater_hours
    state.groundwater_mm += (seepage - base) * hours
    state.balance.rain_m3 += rain_mm_h * hours * site.area_km2 * 1000.0
    return flow + base


def _reach_step(site: RiverSite, state: RiverState, seconds: float, opening: float) -> None:
    gate = gate_flow_m3_s(site, state.level_m, opening)
    weir = weir_flow_m3_s(site, state.level_m)
    change_m3 = (state.inflow_m3_s - gate - weir) * seconds
    state.level_m = _level_after(site, state.level_m, change_m3)
    state.balance.gate_m3 += gate * seconds
    state.balance.weir_m3 += weir * seconds


def _level_after(site: RiverSite, level_m: float, change_m3: float) -> float:
    """Level after adding a volume, exact for the piecewise linear plan area."""
    above = max(level_m - 0.5, 0.0)
    volume = site.reach_area_m2 * (level_m + site.flood_plain_per_m * above * above / 2) + change_m3
    depth = volume / site.reach_area_m2
    if depth <= 0.5:
        return max(depth, 0.0)
    f = site.flood_plain_per_m
    return 0.5 + (math.sqrt(1.0 + 2.0 * f * (depth - 0.5)) - 1.0) / f if f else depth


def steady_level_m(site: RiverSite, flow_m3_s: float, opening: float) -> float:
    """Level at which gate and weir together pass a flow, by bisection to 0.1 mm."""
    low, high = 0.0, 10.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        passed = gate_flow_m3_s(site, middle, opening) + weir_flow_m3_s(site, middle)
        low, high = (middle, high) if passed < flow_m3_s else (low, middle)
    return high


def start_state(
    site: RiverSite, wetness: float, quick_mm_h: float, base_m3_s: float, opening: float
) -> RiverState:
    """A steady start: soil water as a share of its capacity, one quick flow in all stores, a base flow."""
    store = site.store_k * math.pow(quick_mm_h, 1 / STORE_EXPONENT)
    groundwater = base_m3_s * 3.6 / site.area_km2 * site.groundwater_hours
    flow = base_m3_s + quick_mm_h * site.area_km2 / 3.6
    level = steady_level_m(site, flow, opening)
    return RiverState(wetness * site.soil_capacity_mm, [store] * 3, groundwater, level, flow)
