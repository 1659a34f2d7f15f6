"""Scalar code of the local linear trend filter, one pass over samples of many filters."""

import numpy as np
import numpy.typing as npt

from models.compile import kernel

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]

SUSPECT = 3


@kernel
def predict_kernel(
    level: float, trend: float, p00: float, p01: float, p11: float, dt: float, q_level: float, q_trend: float
) -> tuple[float, float, float, float, float]:
    """Return (level, trend, p00, p01, p11) `dt` seconds later; the trend is a random walk."""
    half = 0.5 * dt * dt * q_trend
    new_p00 = p00 + dt * (2.0 * p01 + dt * p11) + q_level * dt + half * dt * (2.0 / 3.0)
    new_p01 = p01 + dt * p11 + half
    return level + dt * trend, trend, new_p00, new_p01, p11 + q_trend * dt


@kernel
def update_kernel(
    level: float, trend: float, p00: float, p01: float, p11: float, z: float, r: float
) -> tuple[float, float, float, float, float]:
    """Return the state after measuring `z` with variance `r`; covariance in Joseph form."""
    s = p00 + r
    k0 = p00 / s
    k1 = p01 / s
    nu = z - level
    a = 1.0 - k0
    new_p00 = a * a * p00 + k0 * k0 * r
    new_p01 = a * (p01 - k1 * p00) + k0 * k1 * r
    new_p11 = p11 - 2.0 * k1 * p01 + k1 * k1 * s
    return level + k0 * nu, trend + k1 * nu, new_p00, new_p01, new_p11


@kernel
def fuse_kernel(
    level: F64, trend: F64, p00: F64, p01: F64, p11: F64, t_us: I64, started: U8, misses: I32,
    q_level: F64, q_trend: F64, trend_var: F64, gate_sq: float, max_misses: int,
    index: I64, at_us: I64, z: F64, sigma: F64, quality: U8, mean: F64, spread: F64, ok: U8,
) -> None:  # fmt: skip
    """Fill mean, spread (standard deviation) and ok, each (n,), and move the filters `index` along.

    Not used (ok 0): quality 3 or worse, NaN, non-positive sigma, older than the filter, and outliers
    outside the gate; after `max_misses` outliers in a row the filter starts anew at the last one.
    """
    for i in range(index.size):
        f = index[i]
        usable = quality[i] < SUSPECT and np.isfinite(z[i]) and sigma[i] > 0.0 and np.isfinite(sigma[i])
        r = sigma[i] * sigma[i]
        ok[i] = 0
        if started[f] == 0:
            if not usable:
                mean[i] = np.nan
                spread[i] = np.inf
                continue
            started[f] = 1
            level[f], trend[f], p00[f], p01[f], p11[f] = z[i], 0.0, r, 0.0, trend_var[f]
            t_us[f] = at_us[i]
            ok[i] = 1
        elif at_us[i] >= t_us[f]:
            dt = (at_us[i] - t_us[f]) * 1e-6
            x0, x1, a, b, c = predict_kernel(
                level[f], trend[f], p00[f], p01[f], p11[f], dt, q_level[f], q_trend[f]
            )
            nu = z[i] - x0
            if usable and nu * nu <= gate_sq * (a + r):
                x0, x1, a, b, c = update_kernel(x0, x1, a, b, c, z[i], r)
                misses[f] = 0
                ok[i] = 1
            elif usable:
                misses[f] += 1
                if misses[f] >= max_misses:
                    x0, x1, a, b, c = z[i], 0.0, r, 0.0, trend_var[f]
                    misses[f] = 0
                    ok[i] = 1
            level[f], trend[f], p00[f], p01[f], p11[f] = x0, x1, a, b, c
            t_us[f] = at_us[i]
        mean[i] = level[f]
        spread[i] = np.sqrt(p00[f])
