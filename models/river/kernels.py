"""Scalar river physics and ensemble loops. Only + - * / and sqrt: the same bits on every IEEE machine."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.compile import kernel

F64 = npt.NDArray[np.float64]

# Columns of a member: three stores (flow units, m3/s), base flow (m3/s), runoff share of the rain (1),
# pace of the cascade (1: as configured), level (m above the gate sill).
STORE1, STORE2, STORE3, BASE, RUNOFF, PACE, LEVEL = range(7)
COLUMNS = 7
LOWEST = (0.0, 0.0, 0.0, 0.0, 0.05, 0.5, 0.0)
HIGHEST = (1e4, 1e4, 1e4, 1e4, 1.5, 2.0, 1e2)

_TWO_G = 2.0 * 9.80665
_CRITICAL = 1.70460  # (2/3)^1.5 sqrt(g)
LEVEL_STEP_S = 300.0


class Reach(NamedTuple):
    """A pond-like reach behind an undershot gate and a side weir; levels above the gate sill."""

    plan_area_m2: float
    gate_width_m: float
    gate_height_m: float
    discharge_coefficient: float
    crest_m: float
    crest_length_m: float


@kernel
def outflow_kernel(level: float, opening: float, reach: Reach) -> float:
    """Return gate plus weir discharge, m3/s, at a level (m) and a gate opening (0..1)."""
    depth = max(level, 0.0)
    gap = reach.gate_width_m * opening * reach.gate_height_m
    orifice = reach.discharge_coefficient * gap * np.sqrt(_TWO_G * depth)
    free = _CRITICAL * reach.gate_width_m * depth * np.sqrt(depth)
    head = max(level - reach.crest_m, 0.0)
    flow: float = min(orifice, free) + _CRITICAL * reach.crest_length_m * head * np.sqrt(head)
    return flow


@kernel
def level_kernel(level: float, inflow: float, opening: float, dt_s: float, reach: Reach) -> float:
    """Return the level dt_s later under constant inflow (m3/s) and opening; Heun's method in short steps."""
    pieces = max(1, int(np.ceil(dt_s / LEVEL_STEP_S)))
    h = dt_s / pieces
    for _ in range(pieces):
        first = (inflow - outflow_kernel(level, opening, reach)) / reach.plan_area_m2
        guess = max(level + h * first, 0.0)
        second = (inflow - outflow_kernel(guess, opening, reach)) / reach.plan_area_m2
        level = max(level + 0.5 * h * (first + second), 0.0)
    return level


@kernel
def store_kernel(q: float, inflow: float, dt_s: float, c: float) -> float:
    """Return the outflow dt_s later of a store S = sqrt(c Q): implicit Euler in S, solved exactly."""
    supplied = np.sqrt(c * q) + dt_s * inflow
    storage = 2.0 * supplied / (1.0 + np.sqrt(1.0 + 4.0 * dt_s * supplied / c))
    out: float = storage * storage / c
    return out


@kernel
def cascade_kernel(
    q1: float, q2: float, q3: float, supply: float, dt_s: float, c: float
) -> tuple[float, float, float]:
    """Return the outflows (m3/s) of three stores Q = S^2 / c in a row, dt_s later."""
    q1 = store_kernel(q1, supply, dt_s, c)
    q2 = store_kernel(q2, q1, dt_s, c)
    return q1, q2, store_kernel(q3, q2, dt_s, c)


@kernel
def advance_kernel(
    members: F64, rain_m3_s: float, opening: float, dt_s: float, c: float, reach: Reach
) -> None:
    """Move members (n, 7) on by dt_s in place. rain_m3_s: rain on the catchment before any loss."""
    pieces = max(1, int(np.ceil(dt_s / 300.0)))
    h = dt_s / pieces
    for i in range(members.shape[0]):
        m = members[i]
        for _ in range(pieces):
            m[STORE1], m[STORE2], m[STORE3] = cascade_kernel(
                m[STORE1], m[STORE2], m[STORE3], m[RUNOFF] * rain_m3_s, h, c * m[PACE]
            )
            m[LEVEL] = level_kernel(m[LEVEL], m[STORE3] + m[BASE], opening, h, reach)


@kernel
def shake_kernel(members: F64, noise: F64, relative: F64, absolute: F64) -> None:
    """Add noise (7 n,) in place: each column's sd is relative * value + absolute; then keep to the limits."""
    for i in range(members.shape[0]):
        for k in range(COLUMNS):
            value = members[i, k]
            value += noise[k * members.shape[0] + i] * (relative[k] * value + absolute[k])
            members[i, k] = min(max(value, LOWEST[k]), HIGHEST[k])


@kernel
def moments_kernel(values: F64) -> tuple[float, float]:
    """Return mean and standard deviation of values (n,), summed in order."""
    total = 0.0
    for v in values:
        total += v
    mean = total / values.size
    square = 0.0
    for v in values:
        square += (v - mean) * (v - mean)
    return mean, np.sqrt(square / (values.size - 1))


@kernel
def assimilate_kernel(members: F64, observed_m: float, variance: float) -> None:
    """Serial square-root ensemble update of members (n, 7) in place with one level."""
    n = members.shape[0]
    mean_level, sd_level = moments_kernel(members[:, LEVEL])
    spread = sd_level * sd_level
    gain_scale = 1.0 / (spread + variance)
    shrink = 1.0 / (1.0 + np.sqrt(variance * gain_scale))
    departure = members[:, LEVEL] - mean_level
    innovation = observed_m - mean_level
    for k in range(COLUMNS):
        mean = moments_kernel(members[:, k])[0]
        covariance = 0.0
        for i in range(n):
            covariance += (members[i, k] - mean) * departure[i]
        gain = covariance / (n - 1) * gain_scale
        for i in range(n):
            value = members[i, k] + gain * (innovation - shrink * departure[i])
            members[i, k] = min(max(value, LOWEST[k]), HIGHEST[k])


@kernel
def inflow_kernel(members: F64, rain_m3_s: F64, fade: float, dt_s: float, c: float, inflow: F64) -> None:
    """Fill inflow (n, steps), m3/s, into the reach; rain_m3_s (n,) now, times `fade` after each step."""
    for i in range(members.shape[0]):
        m = members[i]
        q1, q2, q3, rain = m[STORE1], m[STORE2], m[STORE3], rain_m3_s[i]
        for j in range(inflow.shape[1]):
            rain *= fade
            q1, q2, q3 = cascade_kernel(q1, q2, q3, m[RUNOFF] * rain, dt_s, c * m[PACE])
            inflow[i, j] = q3 + m[BASE]


@kernel
def levels_kernel(
    start: F64, inflow: F64, setpoint: float, opening: float, stroke_per_step: float, dt_s: float,
    reach: Reach, last: F64, highest: F64,
) -> None:  # fmt: skip
    """Fill last (n,) and highest (n,) level, m, while the gate moves from opening to setpoint."""
    for i in range(start.size):
        level, peak, gate = start[i], start[i], opening
        for j in range(inflow.shape[1]):
            gate += min(max(setpoint - gate, -stroke_per_step), stroke_per_step)
            level = level_kernel(level, inflow[i, j], gate, dt_s, reach)
            peak = max(peak, level)
        last[i], highest[i] = level, peak
