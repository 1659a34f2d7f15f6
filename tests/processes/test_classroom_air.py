"""The classroom process in closed loop: every arrival a step, fan on and off without chatter."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from processes.engine import Decision, Engine
from processes.instance import make_instance

S = 1_000_000
T0 = 1_700_000_000 * S
EXAMPLE = Path(__file__).parents[2] / "processes" / "classroom_air" / "site.toml"


def engine(**changes: Any) -> Engine:
    return Engine([make_instance("classroom_air", tomllib.loads(EXAMPLE.read_text()) | changes)], "edge")


def run(brain: Engine, minutes: int = 120, *, fail_at: int = 999) -> tuple[list[float], list[Decision]]:
    """Return CO2 (ppm) and decisions: 28 pupils from minute 10 to 60, a sample each 20 s."""
    rng, ppm, fan = np.random.default_rng(3), 430.0, 0.0
    trace, decisions = [], brain.advance(T0)
    for k in range(minutes * 3):
        pupils = 28 if 10 <= k / 3 < 60 else 0
        for _ in range(20):
            ppm += (4.7 * pupils - (0.015 + 0.33 * fan) * (ppm - 415.0)) / 190.0
        failed = k / 3 >= fail_at
        t = T0 + (k + 1) * 20 * S
        value = np.nan if failed else ppm + 20 * rng.normal()
        brain.arrive("room-1/co2", [t], [value], [30.0], [9 if failed else 1])
        brain.arrive("room-1/door_open", [t], [0.0], [0.0], [1])
        for decision in brain.advance(t):
            decisions.append(decision)
            if decision.dispatch and decision.outcome.proposals:
                fan = decision.outcome.proposals[0].setpoint
        trace.append(ppm)
    return trace, decisions


def setpoints(decisions: list[Decision]) -> list[float]:
    return [d.outcome.proposals[0].setpoint for d in decisions if d.outcome.proposals]


def test_the_fan_keeps_the_room_below_its_limit_and_stops_afterwards() -> None:
    alone, _ = run(engine(mode="advise"))
    trace, decisions = run(engine())
    assert max(trace) < 1000.0 < max(alone)
    fan = setpoints(decisions)
    assert fan[0] == 0.0
    assert max(fan) == 1.0
    assert fan[-1] == 0.0
    assert (np.diff(fan) != 0).sum() <= 4


def test_it_steps_on_each_arrival() -> None:
    _, decisions = run(engine(), 5)
    assert [d.step_utc_us for d in decisions] == [T0 + k * 20 * S for k in range(1, 16)]


def test_it_counts_the_pupils_within_its_own_uncertainty() -> None:
    _, decisions = run(engine(), 50)
    persons = next(e for e in decisions[-1].outcome.estimates if e.name == "persons")
    assert abs(persons.mean - 28) < 3 * persons.sigma
    assert persons.sigma < 8


def test_a_blind_room_is_ventilated_and_says_so() -> None:
    _, decisions = run(engine(), 30, fail_at=5)
    assert setpoints(decisions)[-1] == 1.0
    assert [e.key for d in decisions for e in d.alarm_events] == ["co2_stale"]
    assert "no fresh CO2" in decisions[-1].outcome.proposals[0].reason


def test_a_sensor_that_is_dead_from_the_start_is_noticed() -> None:
    _, decisions = run(engine(), 30, fail_at=0)
    assert not decisions[5].outcome.proposals
    assert not decisions[5].outcome.alarms
    assert setpoints(decisions)[-1] == 1.0
    assert "co2_stale" in {a.key for a in decisions[-1].outcome.alarms}


def test_stuffy_air_that_the_fan_cannot_cure_raises_an_alarm() -> None:
    data = tomllib.loads(EXAMPLE.read_text())
    data["site"] |= {"limit_ppm": 600.0}
    _, decisions = run(Engine([make_instance("c", data)], "edge"), 60)
    assert "air_stuffy" in {a.key for d in decisions for a in d.outcome.alarms}


def test_it_runs_on_the_edge_only() -> None:
    data = tomllib.loads(EXAMPLE.read_text())
    assert Engine([make_instance("c", data)], "city").instances == {}


def test_a_fixed_step_works_too() -> None:
    trace, _ = run(engine(every_s=30))
    assert max(trace) < 1000.0
