"""Room air: the golden steady state, the exponential, the filter against matrices."""

import math

import numpy as np
import pytest

from models.compile import python_of
from models.errors import ParameterError
from models.room import Room, first_belief, kernels, learn, look_ahead, move, probability_above, steady_ppm

ROOM = Room(200.0, 0.1, 0.35)


def test_steady_state_of_a_person_at_7_5_litres_a_second() -> None:
    """ASTM D6245: 0.31 L/min at 7.5 L/s is 689 ppm above outside."""
    assert steady_ppm(0.31e-3 / 60, 7.5e-3, 0.0) == pytest.approx(689.0, abs=0.5)
    with pytest.raises(ParameterError, match="positive"):
        steady_ppm(1e-6, 0.0)


def test_the_balance_reaches_that_steady_state() -> None:
    room = Room(50.0, 0.0, 0.0, breath_m3_s=0.31e-3 / 60, outside_ppm=400.0)
    belief = first_belief(400.0, 30.0, 20.0, 10 * 7.5e-3)
    then = move(belief, room, 0.0, 0.0, 40_000.0)
    assert then.mean[0] == pytest.approx(400.0 + 688.9, abs=0.2)


def test_an_empty_room_decays_exponentially() -> None:
    belief = first_belief(1400.0, 30.0, 0.0, 0.05)
    mean, _ = look_ahead(belief, ROOM, 1.0, 1.0, 600.0)
    expected = 420.0 + 980.0 * math.exp(-(0.05 + 0.1 + 0.35) / 200.0 * 600.0)
    assert mean == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("run", [lambda k: k, python_of])
def test_covariance_is_the_matrix_form(run) -> None:  # type: ignore[no-untyped-def]
    x, p = np.array([900.0, 20.0, 0.05]), np.diag([100.0, 9.0, 1e-4]) + 1e-3
    drift = np.array([0.1, 0.2, 1e-9])
    f = np.eye(3)
    f[0] = [1 - 30 * 0.15 / 200, 30 * 1e6 * 5e-6 / 200, -30 * (900 - 420) / 200]
    expected = f @ p @ f.T + np.diag(drift) * 30
    run(kernels.move_kernel)(x, p, 0.1, 30.0, 200.0, 5e-6, 420.0, drift)
    assert p == pytest.approx(expected, rel=1e-9)
    h = np.array([[1.0, 0, 0]])
    gain = p @ h.T / (p[0, 0] + 25.0)
    mean, covariance = x + gain[:, 0] * (950.0 - x[0]), (np.eye(3) - gain @ h) @ p
    run(kernels.learn_kernel)(x, p, 950.0, 25.0)
    assert x == pytest.approx(mean, rel=1e-9)
    assert p == pytest.approx(covariance, rel=1e-6, abs=1e-9)


def test_the_filter_finds_the_persons_in_the_room() -> None:
    rng = np.random.default_rng(2)
    belief, co2 = first_belief(420.0, 30.0, 30.0, 0.02), 420.0
    for _ in range(120):
        co2 += 30.0 * (1e6 * ROOM.breath_m3_s * 24 - (0.02 + 0.35) * (co2 - 420.0)) / 200.0
        belief = learn(move(belief, ROOM, 0.0, 1.0, 30.0), co2 + rng.normal() * 20.0, 20.0)
    sigma = belief.covariance[1, 1] ** 0.5
    assert abs(belief.mean[1] - 24) < 3 * sigma
    assert sigma < 5.0


def test_probability_is_the_normal_distributions() -> None:
    for z in np.linspace(-6, 6, 49):
        expected = 0.5 * math.erfc(z / math.sqrt(2))
        assert probability_above(100.0 + 3.0 * z, 100.0, 3.0) == pytest.approx(expected, abs=1.5e-7)
    assert (probability_above(1.0, 2.0, 0.0), probability_above(2.0, 1.0, 0.0)) == (1.0, 0.0)
