"""A Kalman filter of two states for a board's clock: where it stands, and how fast it runs. Pure functions.

State: the edge boottime of a board stamp (us) and the slope, by how many us the edge clock gains in one second
of the board's (ppm). The slope wanders as a crystal's does with temperature: a random walk of 30 ppm in an
hour. So what is predicted over a gap is the less certain the longer it is, and a line drawn between two known
ends (`bridge_var`) is far better than one drawn out from a single end.

Kind: empirical. Valid for: AT-cut crystals and ceramic resonators within 1000 ppm that drift up to 30 ppm an hour.
Source: Zucca and Tavella, The clock model and its relationship with the Allan deviation, IEEE UFFC 52 (2005).
"""

from typing import NamedTuple

FIRST_SLOPE_SIGMA_PPM = 300.0
WANDER_PPM2_PER_S = 30.0**2 / 3600.0


class State(NamedTuple):
    """Estimate at one stamp: `edge_us` of it, `slope_ppm`, and their covariance (us^2, us ppm, ppm^2)."""

    stamp_us: int
    edge_us: float
    slope_ppm: float
    p00: float
    p01: float
    p11: float


def first(stamp_us: int, edge_us: float, var_us2: float) -> State:
    """Return the state after one measurement: the slope is anybody's guess."""
    return State(stamp_us, edge_us, 0.0, var_us2, 0.0, FIRST_SLOPE_SIGMA_PPM**2)


def moved(state: State, stamp_us: int) -> State:
    """Return the prediction for another stamp, later or earlier."""
    dt = (stamp_us - state.stamp_us) * 1e-6
    q, size = WANDER_PPM2_PER_S, abs(dt)
    return State(
        stamp_us,
        state.edge_us + (stamp_us - state.stamp_us) + state.slope_ppm * dt,
        state.slope_ppm,
        state.p00 + 2.0 * dt * state.p01 + dt * dt * state.p11 + q * size**3 / 3.0,
        state.p01 + dt * state.p11 + q * dt * size / 2.0,
        state.p11 + q * size,
    )


def measured(state: State, edge_us: float, var_us2: float) -> State:
    """Return the state after a measurement at its own stamp."""
    total = state.p00 + var_us2
    gain0, gain1 = state.p00 / total, state.p01 / total
    wrong = edge_us - state.edge_us
    return State(
        state.stamp_us,
        state.edge_us + gain0 * wrong,
        state.slope_ppm + gain1 * wrong,
        gain0 * var_us2,
        gain1 * var_us2,
        state.p11 - gain1 * state.p01,
    )


def bridge_var(gap_us: float) -> float:
    """Return the largest variance (us^2) of a straight line between two known ends, by what the slope wanders.

    The line's error e has e'' = white noise and is zero at both ends; in the middle its variance is q D^3 / 48."""
    return float(WANDER_PPM2_PER_S * (gap_us * 1e-6) ** 3 / 48.0)
