"""The Kalman bank: golden variances, a matrix reference, gating, missing and late data."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.compile import python_of
from models.errors import ParameterError, ShapeError
from models.kalman import Bank, fuse, kernels, new_bank

S = 1_000_000
F64 = npt.NDArray[np.float64]
COMPILED: tuple[Any, ...] = (kernels.predict_kernel, kernels.update_kernel)


def fuse_in_python(bank: Bank, *columns: Any) -> tuple[F64, F64, npt.NDArray[np.uint8]]:
    """As `fuse`, with the kernel as plain Python."""
    index, at, z, sigma, quality = (np.asarray(c) for c in columns)
    mean, spread, ok = np.empty(index.size), np.empty(index.size), np.empty(index.size, np.uint8)
    python_of(kernels.fuse_kernel)(
        bank.level, bank.trend, bank.p00, bank.p01, bank.p11, bank.t_us, bank.started, bank.misses,
        bank.q_level, bank.q_trend, bank.trend_var, bank.gate_sigma**2, bank.max_misses,
        index, at, z, sigma, quality, mean, spread, ok,
    )  # fmt: skip
    return mean, spread, ok


def reference(
    t_s: F64, z: F64, sigma: F64, q_level: float, q_trend: float, trend_sigma: float
) -> tuple[F64, F64]:
    """Matrix form, textbook: returns means and covariances after each sample."""
    x, p = np.array([z[0], 0.0]), np.diag([sigma[0] ** 2, trend_sigma**2])
    means, covariances = [x], [p]
    h = np.array([[1.0, 0.0]])
    for dt, value, noise in zip(np.diff(t_s), z[1:], sigma[1:], strict=True):
        f = np.array([[1.0, dt], [0.0, 1.0]])
        q = q_trend * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]) + np.diag([q_level * dt, 0.0])
        x, p = f @ x, f @ p @ f.T + q
        gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + noise**2)
        x, p = x + gain @ (value - h @ x), (np.eye(2) - gain @ h) @ p
        means.append(x)
        covariances.append(p)
    return np.array(means), np.array(covariances)


def test_variances_of_the_nile() -> None:
    """Durbin & Koopman: observation variance 15099, level variance 1469.1, diffuse start."""
    bank = new_bank(1, 0.0, level_noise=1469.1, trend_sigma=0.0)
    n = 100
    _, sigma, ok = fuse(bank, np.zeros(n), np.arange(n) * S, np.zeros(n), np.full(n, 15099**0.5), np.ones(n))
    assert ok.all()
    assert (sigma**2)[:3] == pytest.approx([15099.0, 7899.736, 5781.470], abs=1e-3)
    assert (sigma**2)[-1] == pytest.approx(4032.158, abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_compiled_and_python_agree_with_the_matrix_form(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 25))
    gaps = data.draw(st.lists(st.integers(0, 600 * S), min_size=n, max_size=n))
    z = np.array(data.draw(st.lists(st.floats(-5, 5), min_size=n, max_size=n)))
    sigma = np.array(data.draw(st.lists(st.floats(0.01, 2.0), min_size=n, max_size=n)))
    t_us = 1_700_000_000 * S + np.cumsum(gaps)
    columns = (np.zeros(n, np.int64), t_us, z, sigma, np.ones(n, np.uint8))
    banks = [new_bank(1, 1e-7, level_noise=1e-6, gate_sigma=1e9) for _ in range(2)]
    compiled, plain = fuse(banks[0], *columns), fuse_in_python(banks[1], *columns)
    means, covariances = reference((t_us - t_us[0]) * 1e-6, z, sigma, 1e-6, 1e-7, 1e-3)
    assert compiled[0] == pytest.approx(means[:, 0], rel=1e-6, abs=1e-8)
    assert compiled[1] == pytest.approx(np.sqrt(covariances[:, 0, 0]), rel=1e-6)
    assert plain[0] == pytest.approx(compiled[0], rel=1e-12)
    assert plain[1] == pytest.approx(compiled[1], rel=1e-12)


def test_filters_of_a_batch_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(1)
    n = 200
    index, at = rng.integers(0, 5, n), np.arange(n) * S
    z, sigma, quality = rng.normal(size=n), np.full(n, 0.1), np.ones(n)
    together = fuse(new_bank(5, 1e-6), index, at, z, sigma, quality)[0]
    for f in range(5):
        mine = index == f
        alone = fuse(new_bank(1, 1e-6), np.zeros(mine.sum()), at[mine], z[mine], sigma[mine], quality[mine])[
            0
        ]
        assert (together[mine] == alone).all()


@pytest.mark.parametrize(
    "bad", [{"quality": 3}, {"quality": 9}, {"z": np.nan}, {"sigma": 0.0}, {"sigma": np.nan}]
)
def test_unusable_samples_are_not_used_and_sigma_grows(bad: dict[str, float]) -> None:
    bank = new_bank(1, 1e-6)
    fuse(bank, [0, 0], [0, S], [1.0, 1.0], [0.1, 0.1], [1, 1])
    before = float(np.sqrt(bank.p00[0]))
    row = {"z": 55.0, "sigma": 0.1, "quality": 1} | bad
    mean, sigma, ok = fuse(bank, [0], [60 * S], [row["z"]], [row["sigma"]], [row["quality"]])
    assert not ok[0]
    assert mean[0] == pytest.approx(1.0, abs=0.2)
    assert sigma[0] > before


def test_nothing_is_claimed_before_the_first_good_sample() -> None:
    mean, sigma, ok = fuse(new_bank(1, 1e-6), [0], [0], [np.nan], [0.1], [9])
    assert np.isnan(mean[0])
    assert np.isinf(sigma[0])
    assert not ok[0]


def test_an_outlier_is_gated_and_a_lasting_step_is_believed() -> None:
    bank = new_bank(1, 1e-9, max_misses=3)
    n = 20
    fuse(bank, np.zeros(n), np.arange(n) * S, np.ones(n), np.full(n, 0.01), np.ones(n))
    mean, _, ok = fuse(bank, [0], [n * S], [4.0], [0.01], [1])
    assert not ok[0]
    assert mean[0] == pytest.approx(1.0, abs=0.01)
    k = np.arange(3)
    fuse(bank, [0], [(n + 1) * S], [1.0], [0.01], [1])
    mean, _, ok = fuse(bank, np.zeros(3), (n + 2 + k) * S, np.full(3, 4.0), np.full(3, 0.01), np.ones(3))
    assert ok.tolist() == [False, False, True]
    assert mean[-1] == 4.0


def test_a_late_sample_changes_nothing() -> None:
    bank = new_bank(1, 1e-6)
    fuse(bank, [0], [10 * S], [1.0], [0.1], [1])
    mean, _, ok = fuse(bank, [0], [9 * S], [5.0], [0.1], [1])
    assert (mean[0], ok[0], bank.t_us[0]) == (1.0, False, 10 * S)


@pytest.mark.parametrize("index", [[1], [-1]])
def test_an_index_outside_the_bank_is_refused(index: list[int]) -> None:
    with pytest.raises(ShapeError, match="outside a bank of 1"):
        fuse(new_bank(1, 1e-6), index, [0], [1.0], [0.1], [1])


def test_uneven_columns_and_negative_noise_are_refused() -> None:
    with pytest.raises(ShapeError, match="expected 1 values"):
        fuse(new_bank(1, 1e-6), [0], [0, 1], [1.0], [0.1], [1])
    with pytest.raises(ParameterError):
        new_bank(1, -1.0)


def test_scalar_kernels_agree_compiled_and_as_python() -> None:
    state = (1.0, 0.1, 0.5, 0.02, 0.03)
    for compiled, extra in zip(COMPILED, ((7.0, 1e-3, 1e-4), (1.4, 0.2)), strict=True):
        assert compiled(*state, *extra) == pytest.approx(python_of(compiled)(*state, *extra), rel=1e-14)
