"""Local linear trend (constant velocity) Kalman filters in a bank: struct of arrays, batched.

    bank = new_bank(2, process_noise=1e-11)
    mean, sigma, ok = fuse(bank, index, t_utc_us, z, sigma, quality)

Kind: empirical (a structural time series; no physics of the thing measured).
Valid for: slowly varying scalars sampled at irregular times, independent Gaussian noise of known sigma.
Validated against: the steady filter variances of the local level model on the Nile, and a NumPy matrix form.
Source: Durbin & Koopman, Time Series Analysis by State Space Methods (2nd ed.), eq. 3.2 (model), eq. 4.24
(filter), table 2.1 and fig. 2.1 (Nile); Bar-Shalom et al. (2001), eq. 6.2.2-4 (noise for irregular steps).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import ParameterError, ShapeError
from models.kalman.kernels import F64, I32, I64, U8, fuse_kernel

BoolArray = npt.NDArray[np.bool_]


@dataclass
class Bank:
    """State of n filters: arrays (n,). Level in the measured unit, trend in unit/s, variances p00 p01 p11."""

    level: F64
    trend: F64
    p00: F64
    p01: F64
    p11: F64
    t_us: I64
    started: U8
    misses: I32
    q_level: F64
    q_trend: F64
    trend_var: F64
    gate_sigma: float
    max_misses: int

    @property
    def size(self) -> int:
        """Number of filters."""
        return int(self.level.size)


def new_bank(
    n_filters: int,
    process_noise: float | F64,
    *,
    level_noise: float | F64 = 0.0,
    trend_sigma: float | F64 = 1e-3,
    gate_sigma: float = 6.0,
    max_misses: int = 5,
) -> Bank:
    """Return `n_filters` filters that have seen nothing.

    process_noise: spectral density of the trend's random walk, unit^2/s^3 (a river level in m: 1e-11 lets
    the trend wander 0.7 m/h within an hour; CO2 in ppm: 1e-5). level_noise: unit^2/s, added to the level.
    trend_sigma: standard deviation of the unknown first trend, unit/s. gate_sigma: innovations beyond this
    many standard deviations are not used, until `max_misses` of them came in a row.
    Scalars or arrays (n,). Raises: ParameterError for negative or non-finite noise.
    """
    q_trend, q_level, first = (_spread(v, n_filters) for v in (process_noise, level_noise, trend_sigma))
    if not all(np.isfinite(a).all() and (a >= 0.0).all() for a in (q_trend, q_level, first)):
        raise ParameterError("process_noise, level_noise and trend_sigma must be finite and >= 0")

    def zeros() -> F64:
        return np.zeros(n_filters)

    return Bank(
        level=zeros(), trend=zeros(), p00=zeros(), p01=zeros(), p11=zeros(),
        t_us=np.zeros(n_filters, np.int64), started=np.zeros(n_filters, np.uint8),
        misses=np.zeros(n_filters, np.int32), q_level=q_level, q_trend=q_trend, trend_var=first * first,
        gate_sigma=gate_sigma, max_misses=max_misses,
    )  # fmt: skip


def fuse(
    bank: Bank,
    filter_index: npt.ArrayLike,
    t_utc_us: npt.ArrayLike,
    z: npt.ArrayLike,
    sigma: npt.ArrayLike,
    quality: npt.ArrayLike,
) -> tuple[F64, F64, BoolArray]:
    """Return (mean, sigma, ok), each (n,), after each sample; the bank is moved along in place.

    Samples of one filter must come in time order; other orders are ok=False and change nothing. Where ok is
    False the sample was not used (bad quality, NaN, late, outlier); mean and sigma are the prediction (NaN,
    inf before the first good sample). Raises: ShapeError.
    """
    index = np.ascontiguousarray(filter_index, np.int64)
    at = np.ascontiguousarray(t_utc_us, np.int64)
    value = np.ascontiguousarray(z, np.float64)
    noise = np.ascontiguousarray(sigma, np.float64)
    flag = np.ascontiguousarray(quality, np.uint8)
    _check(bank, index, at, value, noise, flag)
    mean, spread, ok = np.empty(index.size), np.empty(index.size), np.empty(index.size, np.uint8)
    fuse_kernel(
        bank.level, bank.trend, bank.p00, bank.p01, bank.p11, bank.t_us, bank.started, bank.misses,
        bank.q_level, bank.q_trend, bank.trend_var, bank.gate_sigma**2, bank.max_misses,
        index, at, value, noise, flag, mean, spread, ok,
    )  # fmt: skip
    return mean, spread, ok.astype(np.bool_)


def _spread(value: float | F64, n: int) -> F64:
    return np.ascontiguousarray(np.broadcast_to(np.asarray(value, np.float64), (n,)))


def _check(bank: Bank, index: I64, *columns: npt.NDArray[np.generic]) -> None:
    if any(c.shape != index.shape for c in columns) or index.ndim != 1:
        raise ShapeError(f"expected {index.size} values in every column, found {[c.shape for c in columns]}")
    if index.size and (index.min() < 0 or index.max() >= bank.size):
        raise ShapeError(f"filter index {index.min()}..{index.max()} is outside a bank of {bank.size}")
