"""CO2 of a well-mixed room: who is in it, how it breathes, what comes next.

Kind: theoretical (mass balance) with an extended Kalman filter for the unknown occupancy and leakage.
Valid for: one zone, well mixed, 0 to 10,000 ppm, air change below 30 per hour.
Validated against: the steady state of 0.31 L/min a person at 7.5 L/s a person, 689 ppm above outside; the
analytic exponential; a matrix Kalman filter in NumPy (tests/models/test_room.py).
Source: ASTM D6245-18, eq. 1 and appendix X1 (balance, 0.31 L/min); ANSI/ASHRAE 62.1-2016, appendix D (7.5
L/s); normal distribution: Abramowitz & Stegun (1964), eq. 26.2.19, absolute error below 1.5e-7.
"""

from typing import NamedTuple

import numpy as np

from models.errors import ParameterError
from models.room.kernels import F64, learn_kernel, move_kernel

BREATH_M3_S = 0.31e-3 / 60.0
OUTSIDE_PPM = 420.0
_TAIL = (0.0498673470, 0.0211410061, 0.0032776263, 0.0000380036, 0.0000488906, 0.0000053830)


class Room(NamedTuple):
    """Volume (m3), air exchanged by the open door and by the fan at full speed (m3/s), CO2 a person breathes
    out (m3/s), CO2 outside (ppm), how fast the number of persons wanders (1/sqrt(s))."""

    volume_m3: float
    door_m3_s: float
    fan_m3_s: float
    breath_m3_s: float = BREATH_M3_S
    outside_ppm: float = OUTSIDE_PPM
    wander: float = 0.25

    def known_air_m3_s(self, door: float, fan: float) -> float:
        """Air exchanged through the door (0..1 open) and the fan (0..1), m3/s."""
        return door * self.door_m3_s + fan * self.fan_m3_s


class Belief(NamedTuple):
    """Mean (3,) and covariance (3, 3) of CO2 (ppm), persons, leakage (m3/s)."""

    mean: F64
    covariance: F64


def steady_ppm(breath_m3_s: float, air_m3_s: float, outside_ppm: float = OUTSIDE_PPM) -> float:
    """Return the CO2 (ppm) at which a source (m3/s) and fresh air (m3/s) balance. Raises: ParameterError."""
    if air_m3_s <= 0.0:
        raise ParameterError(f"air_m3_s must be positive, found {air_m3_s}")
    return outside_ppm + 1e6 * breath_m3_s / air_m3_s


def first_belief(co2_ppm: float, sigma_ppm: float, persons: float, leakage_m3_s: float) -> Belief:
    """Return the belief at a first reading: half of `persons` are in, leakage known to a half."""
    mean = np.array([co2_ppm, 0.5 * persons, leakage_m3_s])
    return Belief(mean, np.diag([sigma_ppm**2, (0.5 * persons) ** 2, (0.5 * leakage_m3_s) ** 2]))


def move(belief: Belief, room: Room, door: float, fan: float, dt_s: float) -> Belief:
    """Return the belief dt_s later with the door (0..1) and the fan (0..1) as they are."""
    mean, covariance = belief.mean.copy(), belief.covariance.copy()
    drift = np.array([0.05, room.wander**2, 1e-10])
    air = room.known_air_m3_s(door, fan)
    move_kernel(mean, covariance, air, dt_s, room.volume_m3, room.breath_m3_s, room.outside_ppm, drift)
    return _bounded(mean, covariance)


def learn(belief: Belief, co2_ppm: float, sigma_ppm: float) -> Belief:
    """Return the belief after a CO2 reading of standard deviation sigma_ppm."""
    mean, covariance = belief.mean.copy(), belief.covariance.copy()
    learn_kernel(mean, covariance, co2_ppm, sigma_ppm * sigma_ppm)
    return _bounded(mean, covariance)


def look_ahead(belief: Belief, room: Room, door: float, fan: float, lead_s: float) -> tuple[float, float]:
    """Return mean and standard deviation of CO2 (ppm) in lead_s."""
    then = move(belief, room, door, fan, lead_s)
    return float(then.mean[0]), float(np.sqrt(then.covariance[0, 0]))


def probability_above(limit: float, mean: float, sigma: float) -> float:
    """Return P(X > limit) of a normal X; sigma 0 gives 0 or 1."""
    if sigma <= 0.0:
        return float(mean > limit)
    z = (limit - mean) / sigma
    x, series = min(abs(z), 30.0), 0.0
    for coefficient in reversed(_TAIL):
        series = (series + coefficient) * x
    power = 1.0 + series
    for _ in range(4):
        power *= power
    tail = 0.5 / power
    return tail if z >= 0.0 else 1.0 - tail


def _bounded(mean: F64, covariance: F64) -> Belief:
    mean[1], mean[2] = max(mean[1], 0.0), max(mean[2], 1e-4)
    return Belief(mean, covariance)
