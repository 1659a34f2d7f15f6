"""Scalar code of the room's balance: state (3,) is CO2 (ppm), persons, leakage (m3/s)."""

import numpy as np
import numpy.typing as npt

from models.compile import kernel

F64 = npt.NDArray[np.float64]

STEP_S = 30.0


@kernel
def rate_kernel(
    co2: float, persons: float, air_m3_s: float, volume: float, breath: float, outside: float
) -> float:
    """Return dC/dt, ppm/s: V dC/dt = 1e6 g n - Q (C - C_out); breath g in m3/s per person."""
    return (1e6 * breath * persons - air_m3_s * (co2 - outside)) / volume


@kernel
def move_kernel(
    x: F64, p: F64, known_air: float, dt_s: float, volume: float, breath: float, outside: float, drift: F64
) -> None:  # fmt: skip
    """Move state x (3,) and covariance p (3, 3) on by dt_s in place; drift (3,) adds variance per second."""
    pieces = max(1, int(np.ceil(dt_s / STEP_S)))
    h = dt_s / pieces
    f = np.empty(3)
    row = np.empty(3)
    for _ in range(pieces):
        air = known_air + x[2]
        first = rate_kernel(x[0], x[1], air, volume, breath, outside)
        second = rate_kernel(x[0] + h * first, x[1], air, volume, breath, outside)
        f[0] = 1.0 - h * air / volume
        f[1] = h * 1e6 * breath / volume
        f[2] = -h * (x[0] - outside) / volume
        x[0] += 0.5 * h * (first + second)
        for j in range(3):  # p <- F p F' where F is the identity but for its first row f
            row[j] = f[0] * p[0, j] + f[1] * p[1, j] + f[2] * p[2, j]
        p[0, 0] = f[0] * row[0] + f[1] * row[1] + f[2] * row[2]
        p[0, 1] = p[1, 0] = row[1]
        p[0, 2] = p[2, 0] = row[2]
        for i in range(3):
            p[i, i] += h * drift[i]


@kernel
def learn_kernel(x: F64, p: F64, measured: float, variance: float) -> None:
    """Update x and p in place with a measured CO2; covariance in Joseph form."""
    s = p[0, 0] + variance
    gain = np.empty(3)
    first = np.empty(3)
    for i in range(3):
        gain[i] = p[i, 0] / s
        first[i] = p[0, i]
    innovation = measured - x[0]
    for i in range(3):
        x[i] += gain[i] * innovation
        for j in range(3):
            p[i, j] += gain[i] * gain[j] * s - gain[i] * first[j] - gain[j] * first[i]
    for i in range(3):
        for j in range(i):
            p[i, j] = p[j, i]
