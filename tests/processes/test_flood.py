"""The flood process in closed loop with a river that is not its model's twin."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processes.contract import Estimate
from processes.engine import Decision, Engine
from processes.flood.inputs import rain_depth
from processes.instance import make_instance
from processes.samples import Track

S = 1_000_000
T0 = 1_700_000_100 * S
EXAMPLE = Path(__file__).parents[2] / "processes" / "flood" / "site.toml"
LEVEL, RAIN, OPENING = "edge-1/river-1.water_level", "mast-1/rainfall_amount", "gate-1/opening_feedback"

RAIN_MM_H = (0.0, 2.0, 7.0, 8.0, 9.0, 8.0, 6.0, 3.0, 1.0, 0.5, 0.0, 0.0)


@dataclass
class River:
    """State: store (mm), delayed store (mm), level (m), opening (0..1), rain so far (mm)."""

    store_mm: float = 4.0
    delayed_mm: float = 4.0
    level_m: float = 0.65
    opening: float = 0.2
    rain_mm: float = 0.0
    inflow_m3_s: float = 0.0
    peak_m: float = 0.0

    def run(self, t_s: float, dt_s: float, setpoint: float) -> None:
        """Move on by dt_s in steps of 10 s; the gate needs an hour for a full stroke."""
        for k in range(round(dt_s / 10)):
            hour = int((t_s + 10 * k) // 3600)
            rain = RAIN_MM_H[hour] if hour < len(RAIN_MM_H) else 0.0
            self.opening += max(-10 / 3600, min(10 / 3600, setpoint - self.opening))
            self._step(rain)

    def _step(self, rain_mm_h: float) -> None:
        h = 10.0 / 3600.0
        quick = 0.035 * self.store_mm**1.5
        late = 0.035 * self.delayed_mm**1.5
        self.store_mm += h * (0.7 * rain_mm_h - quick)
        self.delayed_mm += h * (quick - late)
        self.rain_mm += h * rain_mm_h
        self.inflow_m3_s = late * 29.0 / 3.6
        depth = self.level_m
        gate = min(0.6 * 9.0 * self.opening * (19.62 * depth) ** 0.5, 10.2 * depth**1.5)
        weir = 34.0 * max(depth - 1.9, 0.0) ** 1.5
        area = 60_000.0 * (1.0 + 0.25 * max(depth - 0.5, 0.0))
        self.level_m = max(self.level_m + 10.0 * (self.inflow_m3_s - gate - weir) / area, 0.0)
        self.peak_m = max(self.peak_m, self.level_m)


def engine(mode: str = "act", **site: Any) -> Engine:
    data = tomllib.loads(EXAMPLE.read_text())
    data["mode"] = mode
    data["site"] |= {"gate_travel_s": 3600.0} | site
    return Engine([make_instance("flood", data)], "edge")


@dataclass
class Run:
    """What a closed-loop run leaves: its river, all decisions, setpoints in order, level by time."""

    river: River = field(default_factory=River)
    decisions: list[Decision] = field(default_factory=list)
    setpoints: list[float] = field(default_factory=list)
    levels: dict[int, float] = field(default_factory=dict)

    def estimates(self, name: str) -> list[Estimate]:
        return [e for d in self.decisions for e in d.outcome.estimates if e.name == name]


def run(
    brain: Engine, hours: float = 14.0, *, lump: int = 1, order: int = 1,
    break_level_at: float = 99.0, bad: int = 4,
) -> Run:  # fmt: skip
    """One sample a minute, told to the engine in lumps of `lump`, in order or (-1) backwards."""
    done, rng, waiting, setpoint = Run(), np.random.default_rng(5), [], 0.2
    brain.advance(T0)
    for minute in range(round(hours * 60)):
        done.river.run(minute * 60.0, 60.0, setpoint)
        t = T0 + (minute + 1) * 60 * S
        broken = minute / 60 >= break_level_at
        level = 99.0 if broken else done.river.level_m + 0.003 * rng.normal()
        waiting.append((LEVEL, t, level, 0.005, bad if broken else 1))
        waiting.append((RAIN, t, 0.2 * (done.river.rain_mm // 0.2), 0.1, 1))
        waiting.append((OPENING, t, done.river.opening, 0.01, 1))
        done.levels[t] = done.river.level_m
        if (minute + 1) % lump:
            continue
        for stream, *row in waiting[::order]:
            brain.arrive(stream, *[[v] for v in row])
        waiting = []
        for decision in brain.advance(t):
            done.decisions.append(decision)
            if decision.dispatch and decision.outcome.proposals:
                setpoint = decision.outcome.proposals[0].setpoint
                done.setpoints.append(setpoint)
    return done


@pytest.fixture(scope="module")
def controlled() -> Run:
    return run(engine())


@pytest.fixture(scope="module")
def left_alone() -> Run:
    return run(engine("advise"))


def test_controlled_peak_below_threshold_below_uncontrolled(controlled: Run, left_alone: Run) -> None:
    assert controlled.river.peak_m < 1.6 < left_alone.river.peak_m
    assert left_alone.river.opening == 0.2


def test_the_gate_does_not_flutter(controlled: Run) -> None:
    moves = np.diff(controlled.setpoints)
    assert (moves != 0).sum() <= 12
    turns = np.diff(np.sign(moves[moves != 0]))
    assert (turns != 0).sum() <= 4


def test_forecasts_hold_most_of_what_comes(left_alone: Run) -> None:
    pairs = [(e, left_alone.levels[e.valid_utc_us]) for e in left_alone.estimates("level_if_left")
             if e.valid_utc_us in left_alone.levels]  # fmt: skip
    held = [e.q05 <= truth <= e.q95 for e, truth in pairs]
    assert np.mean(held) > 0.6
    later = [abs(e.mean - truth) for e, truth in pairs if e.valid_utc_us > T0 + 9 * 3600 * S]
    assert max(later) < 0.3
    assert all(e.sigma > 0 and e.q05 <= e.mean <= e.q95 for e, _ in pairs)


def test_people_are_warned_before_the_threshold_is_crossed(left_alone: Run) -> None:
    raised = [e.at_utc_us for d in left_alone.decisions for e in d.alarm_events if e.kind == "raised"]
    crossed = next(t for t, level in left_alone.levels.items() if level > 1.6)
    assert raised
    assert min(raised) < crossed - 1800 * S


def test_same_arrivals_same_decisions(controlled: Run) -> None:
    assert decided(run(engine())) == decided(controlled)


def decided(done: Run) -> list[tuple[Any, ...]]:
    return [(d.step_utc_us, d.outcome[1:], d.dispatch, d.task_ids) for d in done.decisions]


def test_lumps_and_disorder_end_with_the_same_estimates(left_alone: Run) -> None:
    lumped = run(engine("advise"), lump=30, order=-1)
    last = {d.step_utc_us: d.outcome[1:] for d in left_alone.decisions}
    for decision in lumped.decisions:
        assert decision.outcome[1:] == last[decision.step_utc_us]


def test_a_restart_in_mid_storm_changes_no_decision() -> None:
    brain = engine("advise")
    first = run(brain, 5.0)
    resumed = engine("advise")
    assert resumed.thaw(brain.freeze()) == ["flood"]
    t = T0 + 5 * 3600 * S
    for each in (brain, resumed):
        each.arrive(LEVEL, [t + 60 * S], [1.0], [0.01], [1])
    a, b = brain.advance(t + 600 * S), resumed.advance(t + 600 * S)
    assert first.decisions
    assert [d.outcome[1:] for d in a] == [d.outcome[1:] for d in b]
    assert [d.task_ids for d in a] == [d.task_ids for d in b]


def test_lumps_of_half_an_hour_still_keep_the_river_down() -> None:
    assert run(engine(), lump=30).river.peak_m < 1.6


@pytest.mark.parametrize("quality", [3, 4, 9])
def test_a_failed_level_is_not_used_and_sigma_grows(quality: int) -> None:
    done = run(engine("advise"), 6.0, break_level_at=4.0, bad=quality)
    level = done.estimates("level")
    assert all(e.mean < 3.0 for e in level)
    before, after = (next(e for e in level if e.valid_utc_us >= T0 + h * 3600 * S) for h in (3.9, 5.9))
    assert after.sigma > 2 * before.sigma
    assert "level_stale" in {a.key for a in done.decisions[-1].outcome.alarms}
    assert not [a for d in done.decisions if d.step_utc_us < T0 + 4 * 3600 * S for a in d.outcome.alarms
                if a.key == "level_stale" and d.step_utc_us > T0 + 600 * S]  # fmt: skip


def test_a_blind_process_opens_rather_early_than_late() -> None:
    done = run(engine(), 12.0, break_level_at=6.0)
    assert done.river.peak_m < 1.6


def test_nothing_is_proposed_before_the_first_level() -> None:
    brain = engine()
    decisions = brain.advance(T0) + brain.advance(T0 + 3600 * S)
    assert all(not d.outcome.proposals and not d.outcome.estimates for d in decisions)
    assert {a.key for d in decisions for a in d.outcome.alarms} == {"level_stale"}


def rain_series(*rows: tuple[int, float, int, int]) -> Any:
    track = Track()
    for t, value, quality, source in rows:
        track.add(np.array([t]), np.array([value]), np.array([0.1]), np.array([quality]), source)
    return track.between(-1, 10**9)


def test_a_track_knows_whether_it_holds_samples_of_a_span_as_it_gives_them() -> None:
    track = Track()
    assert not track.holds(0, 10)
    for t in (3, 7):
        track.add(np.array([t]), np.array([1.0]), np.array([0.1]), np.array([1]), 0)
    for after in range(10):
        for upto in range(after, 10):
            assert track.holds(after, upto) == bool(track.times(after, upto).size)


def test_a_process_asked_often_makes_the_same_steps_as_one_asked_seldom() -> None:
    often, seldom = engine(), engine()
    often.advance(T0)
    seldom.advance(T0)
    many = [decision for tick in range(1, 3601) for decision in often.advance(T0 + tick * S)]
    few = seldom.advance(T0 + 3600 * S)
    assert [d.step_utc_us for d in many] == [d.step_utc_us for d in few] and len(few) > 10


def test_rain_is_the_rise_of_the_total_and_a_fall_is_a_restart() -> None:
    unknown = np.full(2, np.nan)
    depth, totals = rain_depth(rain_series((0, 10.0, 1, 0), (1, 10.4, 1, 0)), unknown)
    assert depth == pytest.approx(0.4)
    depth, totals = rain_depth(rain_series((2, 10.6, 1, 0), (3, 0.2, 1, 0), (4, 0.6, 1, 0)), totals)
    assert depth == pytest.approx(0.2 + 0.2 + 0.4)
    assert totals[0] == 0.6
    depth, _ = rain_depth(rain_series((5, 99.0, 4, 0)), totals)
    assert depth == 0.0


def test_rain_is_averaged_over_the_gauges_that_report() -> None:
    totals = np.array([1.0, 5.0])
    assert rain_depth(rain_series((0, 2.0, 1, 0), (0, 5.0, 1, 1)), totals)[0] == pytest.approx(0.5)
    assert rain_depth(rain_series((0, 2.0, 1, 0)), totals)[0] == pytest.approx(1.0)
