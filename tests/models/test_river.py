"""River model: balances with closed forms, and the ensemble update against NumPy."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.compile import python_of
from models.errors import ParameterError
from models.river import (
    Catchment,
    Reach,
    Spread,
    advance,
    assimilate,
    forecast,
    inflows,
    kernels,
    moments,
    new_members,
)

REACH = Reach(60_000.0, 6.0, 1.5, 0.61, 1.9, 20.0)
CATCHMENT = Catchment(29.0, 4.0, 8.0, 0.6)
T = 1_700_000_000


def members(n: int = 64, level: float = 1.0) -> npt.NDArray[np.float64]:
    return new_members(n, 1, T, CATCHMENT, REACH, level, 0.02, 0.2)


def test_gate_discharge_is_torricellis() -> None:
    assert kernels.outflow_kernel(1.5, 0.2, REACH) == pytest.approx(
        0.61 * 6 * 0.3 * (2 * 9.80665 * 1.5) ** 0.5
    )


def test_where_the_lip_is_out_of_the_water_the_flow_is_critical() -> None:
    expected = 6.0 * 9.80665**0.5 * (2.0 / 3.0 * 0.8) ** 1.5
    assert kernels.outflow_kernel(0.8, 1.0, REACH) == pytest.approx(expected, rel=1e-5)


def test_weir_adds_above_its_crest_only() -> None:
    gate = 0.61 * 6 * 0.3 * (2 * 9.80665 * 2.1) ** 0.5
    weir = 20.0 * 9.80665**0.5 * (2.0 / 3.0 * 0.2) ** 1.5
    assert kernels.outflow_kernel(2.1, 0.2, REACH) == pytest.approx(gate + weir, rel=1e-5)


def test_drawdown_through_the_gate_follows_the_closed_form() -> None:
    """sqrt(h) falls linearly where only the orifice drains: sqrt(h0) - Cd b a sqrt(2 g) t / (2 A)."""
    slope = 0.61 * 6 * 0.3 * (2 * 9.80665) ** 0.5 / (2 * REACH.plan_area_m2)
    level = kernels.level_kernel(1.8, 0.0, 0.2, 3600.0, REACH)
    assert level == pytest.approx((1.8**0.5 - slope * 3600.0) ** 2, rel=1e-5)


def test_a_level_with_balanced_inflow_stays() -> None:
    inflow = kernels.outflow_kernel(1.2, 0.3, REACH)
    assert kernels.level_kernel(1.2, inflow, 0.3, 86_400.0, REACH) == pytest.approx(1.2, rel=1e-9)


@given(q=st.floats(0, 50), supply=st.floats(0, 100), dt=st.floats(1, 3600))
def test_a_store_keeps_its_water(q: float, supply: float, dt: float) -> None:
    c = CATCHMENT.store_c
    out = kernels.store_kernel(q, supply, dt, c)
    gained = (c * out) ** 0.5 - (c * q) ** 0.5
    assert gained == pytest.approx(dt * (supply - out), rel=1e-6, abs=1e-6 * (1 + (c * q) ** 0.5))


def test_an_empty_store_of_constant_supply_reaches_the_closed_form() -> None:
    """dS/dt = I - S^2/c has S = sqrt(c I) tanh(t sqrt(I / c))."""
    c, supply, q = CATCHMENT.store_c, 10.0, 0.0
    for _ in range(3600):
        q = kernels.store_kernel(q, supply, 4.0, c)
    expected = supply * np.tanh(14_400.0 * (supply / c) ** 0.5) ** 2
    assert q == pytest.approx(expected, rel=1e-3)


def test_kernels_agree_compiled_and_as_python(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, compiled = members(8), members(8)
    kernels.advance_kernel(compiled, 40.0, 0.3, 700.0, CATCHMENT.store_c, REACH)
    kernels.assimilate_kernel(compiled, 1.1, 4e-4)
    last, highest = np.empty(8), np.empty(8)
    inflow = np.empty((8, 5))
    rain = np.full(8, 30.0)
    kernels.inflow_kernel(compiled, rain, 0.9, 300.0, CATCHMENT.store_c, inflow)
    start = np.ascontiguousarray(compiled[:, kernels.LEVEL])
    kernels.levels_kernel(start, inflow, 0.8, 0.2, 0.1, 300.0, REACH, last, highest)

    names = ["outflow_kernel", "level_kernel", "store_kernel", "cascade_kernel", "moments_kernel"]
    originals = {name: getattr(kernels, name) for name in [*names, "advance_kernel", "assimilate_kernel"]}
    for name in names:
        monkeypatch.setattr(kernels, name, python_of(originals[name]))
    python_of(originals["advance_kernel"])(plain, 40.0, 0.3, 700.0, CATCHMENT.store_c, REACH)
    python_of(originals["assimilate_kernel"])(plain, 1.1, 4e-4)
    again, last2, highest2 = np.empty((8, 5)), np.empty(8), np.empty(8)
    python_of(kernels.inflow_kernel)(plain, rain, 0.9, 300.0, CATCHMENT.store_c, again)
    start2 = np.ascontiguousarray(plain[:, kernels.LEVEL])
    python_of(kernels.levels_kernel)(start2, again, 0.8, 0.2, 0.1, 300.0, REACH, last2, highest2)
    for a, b in ((plain, compiled), (again, inflow), (last2, last), (highest2, highest)):
        assert a == pytest.approx(b, rel=1e-12)


def test_assimilation_is_the_serial_square_root_update() -> None:
    """Mean by the Kalman gain; covariance of the level column shrinks to P R / (P + R)."""
    ensemble = members()
    ensemble[:, kernels.LEVEL] += 0.3 * (ensemble[:, kernels.STORE3] - ensemble[:, kernels.STORE3].mean())
    ensemble[:, kernels.RUNOFF] = 0.6 + 0.3 * (ensemble[:, kernels.RUNOFF] - 0.6)  # away from its limits
    before = ensemble.copy()
    assimilate(ensemble, 1.05, 0.03)
    p, r = before[:, kernels.LEVEL].var(ddof=1), 0.03**2
    cross = np.cov(before.T)[:, kernels.LEVEL]
    expected = before.mean(axis=0) + cross / (p + r) * (1.05 - before[:, kernels.LEVEL].mean())
    assert ensemble.mean(axis=0) == pytest.approx(expected, rel=1e-9)
    assert ensemble[:, kernels.LEVEL].var(ddof=1) == pytest.approx(p * r / (p + r), rel=1e-9)


def test_noise_is_repeatable_and_keeps_to_the_limits() -> None:
    runs = [members(), members()]
    for ensemble, k in itertools.product(runs, range(50)):
        advance(ensemble, 1, T + k, 300.0, 20.0, 0.2, CATCHMENT, REACH, Spread())
    assert (runs[0] == runs[1]).all()
    assert (runs[0] >= np.array(kernels.LOWEST)).all()
    assert (runs[0] <= np.array(kernels.HIGHEST)).all()


def test_rain_raises_the_forecast_and_an_open_gate_lowers_it() -> None:
    ensemble = members()
    dry = inflows(ensemble, 1, 10_800.0, 0.0, 2.0, CATCHMENT)
    wet = inflows(ensemble, 1, 10_800.0, 10.0, 2.0, CATCHMENT)
    assert (wet >= dry).all()
    assert wet[:, -1].mean() > dry[:, -1].mean() + 1.0
    shut, opened = (forecast(ensemble, wet, 10_800.0, s, 0.2, 4.0, REACH) for s in (0.2, 1.0))
    assert (opened.last_m < shut.last_m).all()
    slow = forecast(ensemble, wet, 10_800.0, 1.0, 0.2, 1e5, REACH)
    assert (slow.last_m > opened.last_m).all()


def test_moments_are_numpys() -> None:
    x = np.random.default_rng(0).normal(size=64)
    expected = (x.mean(), x.std(ddof=1), np.quantile(x, 0.05), np.quantile(x, 0.95))
    assert moments(x) == pytest.approx(expected)


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(ParameterError, match="positive"):
        new_members(64, 1, T, CATCHMENT._replace(area_km2=0.0), REACH, 1.0, 0.1, 0.2)
