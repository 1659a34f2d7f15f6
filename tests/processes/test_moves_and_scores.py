"""How two runs differ in what they do, and how far estimates were from what was measured."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.contract import Estimate, Outcome, Proposal
from processes.engine import Decision
from processes.feed import Arrived
from processes.instance import make_instance
from processes.moves import Move, Moves, compare
from processes.scoring import Scores, crps, port_of

S = 1_000_000


def decision(step_s: int, *, setpoint: float = 0.0, amended: bool = False, estimates: Any = ()) -> Decision:
    outcome = Outcome({}, tuple(estimates), (), (Proposal("gate", setpoint, 1000, "why"),))
    return Decision("flood", step_s * S, outcome, amended, not amended, "act", {}, {}, (), ())


def moves(*rows: tuple[int, float]) -> list[Move]:
    return [Move("gate", second * S, setpoint, "") for second, setpoint in rows]


def test_a_setpoint_that_stays_is_no_move_and_an_amended_step_moves_nothing() -> None:
    made = Moves()
    for second, setpoint, amended in ((10, 0.2, False), (20, 0.21, False), (30, 0.5, True), (40, 0.5, False)):
        made.decided([decision(second, setpoint=setpoint, amended=amended)])
    assert [(move.step_utc_us // S, move.setpoint) for move in made.made] == [(10, 0.2), (40, 0.5)]


def test_tasks_are_added_removed_moved_or_the_same() -> None:
    found = compare(moves((10, 0.2), (20, 0.5), (30, 1.0)), moves((10, 0.2), (15, 0.5), (40, 0.7)))
    short = {kind: [(row["step_utc_us"] // S, row["setpoint"]) for row in rows] for kind, rows in found.items()}
    assert short == {"same": [(10, 0.2)], "moved": [(15, 0.5)], "removed": [(30, 1.0)], "added": [(40, 0.7)]}
    assert found["moved"][0]["later_s"] == -5.0


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from([0.0, 0.5, 1.0]))), st.lists(st.tuples(
    st.integers(0, 50), st.sampled_from([0.0, 0.5, 1.0]))))  # fmt: skip
def test_every_move_of_both_runs_is_in_exactly_one_list(a: Any, b: Any) -> None:
    found = compare(moves(*a), moves(*b))
    both = len(found["same"]) + len(found["moved"])
    assert both + len(found["removed"]) == len(a) and both + len(found["added"]) == len(b)


def test_crps_of_a_normal_forecast() -> None:
    assert crps(0.0, 1.0, 0.0) == pytest.approx((math.sqrt(2) - 1) / math.sqrt(math.pi))  # 0.23370
    assert crps(1.0, 2.0, 4.0) == pytest.approx(_crps_by_sum(1.0, 2.0, 4.0), rel=1e-3)
    assert crps(1.0, 0.0, 4.0) == 3.0 == crps(1.0, math.nan, 4.0)


def _crps_by_sum(mean: float, sigma: float, observed: float) -> float:
    """The definition: the integral of (F(x) - H(x - observed))^2."""
    x = np.linspace(mean - 12 * sigma, mean + 12 * sigma, 200_001)
    below = np.array([0.5 * (1 + math.erf((v - mean) / sigma / math.sqrt(2))) for v in x])
    return float(((below - (x >= observed)) ** 2).sum() * (x[1] - x[0]))


def test_an_estimate_is_named_after_the_port_that_measures_it() -> None:
    ports = ["level", "level_low"]
    names = ("level", "level_forecast", "level_low_forecast", "level_if_left", "inflow")
    assert [port_of(name, ports) for name in names] == ["level", "level", "level_low", None, None]


def scores() -> Scores:
    senses = {"level": "a/level", "rain": "a/rain", "opening": "a/opening"}
    site = {"area_km2": 29.0, "response_h": 4.0, "runoff": 0.6, "reach_area_m2": 75000.0, "gate_width_m": 6.0,
            "gate_height_m": 1.5, "discharge_coefficient": 0.61, "weir_crest_m": 1.9, "weir_length_m": 20.0,
            "gate_travel_s": 4.0, "safe_opening": 0.2, "threshold_m": 1.6, "lead_time_s": 10800.0}  # fmt: skip
    data = {"template": "flood", "every_s": 10, "lateness_s": 5, "senses": senses, "site": site}
    return Scores(make_instance("flood", data))


def heard(*rows: tuple[float, float, int]) -> list[Arrived]:
    t, value, quality = zip(*rows, strict=True)
    times = np.array([int(one * S) for one in t])
    return [Arrived("a/level", times, np.array(value), np.zeros(len(t)), np.array(quality, np.uint8), times)]


def test_forecasts_wait_for_the_nearest_good_sample() -> None:
    found = scores()
    ahead = [Estimate("level", 100 * S, 2.0, 0.5, 1.2, 2.8), Estimate("level_forecast", 130 * S, 3.0, 0.5, 2.2, 3.8)]
    found.decided([decision(100, estimates=ahead)])
    found.heard(heard((98.0, 1.0, 1), (100.0, 9.0, 4), (133.0, 5.0, 1), (120.0, 7.0, 1)))
    found.judge(110 * S)
    assert [(row["estimate"], row["n"]) for row in found.rows()] == [("level", 1)]
    found.judge(140 * S)
    now, then = found.rows()
    assert (now["bias"], now["rmse"], now["coverage_90"], now["lead_s"]) == (1.0, 1.0, 0.0, 0.0)
    assert (then["bias"], then["n"], then["lead_s"]) == (-2.0, 1, 30.0)


def test_an_amended_estimate_replaces_what_it_amends_and_the_unmeasured_is_not_counted() -> None:
    found = scores()
    for mean in (5.0, 2.0):
        found.decided([decision(100, estimates=[Estimate("level", 100 * S, mean, 0.5, 1.0, 3.0)])])
    found.decided([decision(200, estimates=[Estimate("level", 200 * S, 2.0, 0.5, 1.0, 3.0)])])
    found.heard(heard((101.0, 2.0, 1)))
    found.judge()
    assert [(row["n"], row["rmse"], row["coverage_90"]) for row in found.rows()] == [(1, 0.0, 1.0)]
