"""Properties of the river world: the storms do what the demo needs, water is conserved, seeds repeat."""

import math
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.world import river
from simulator.world.gate import Gate
from simulator.world.rain import (
    HOUR_US,
    RainError,
    RainSeries,
    parse_utc,
    read_csv,
    synthetic_storm,
    wettest_window,
)
from simulator.world.riverside import RiversideWorld

THRESHOLD_M = 1.6
DATA = Path(os.environ.get("CITYREFLEX_DATA", Path(__file__).parents[3] / "shared/data"))
BROMPTON = DATA / "flood_brompton/rain.csv"
needs_brompton = pytest.mark.skipif(not BROMPTON.exists(), reason=f"{BROMPTON} is missing")


def _peak(rain: RainSeries, start: int, end: int, opening: float, from_hour: float = 0.0) -> float:
    """Peak level with the gate at 0.2 until `from_hour`, then at `opening`."""
    world = RiversideWorld(rain, start)
    peak = 0.0
    while world.utc_us < end:
        world.gate.position = opening if world.utc_us - start >= from_hour * HOUR_US else 0.2
        world.advance(0.0, 120.0)
        peak = max(peak, world.state.level_m)
    return peak


@pytest.mark.parametrize("seed", [1, 2, 7])
def test_synthetic_storm_floods_without_and_not_with_the_gate(seed: int) -> None:
    rain = synthetic_storm(seed)
    assert 1.9 < _peak(rain, rain.start_utc_us, rain.end_utc_us, 0.2) < 2.3
    assert _peak(rain, rain.start_utc_us, rain.end_utc_us, 1.0, from_hour=3.0) < 1.45


@needs_brompton
@pytest.mark.parametrize("window", ["wettest", "november"])
def test_recorded_storm_floods_without_and_not_with_the_gate(window: str) -> None:
    rain = read_csv(BROMPTON)
    start, end = wettest_window(rain)
    if window == "november":
        start, end = parse_utc("2012-11-24 12:00"), parse_utc("2012-11-27 12:00")
    assert 1.8 < _peak(rain, start, end, 0.2) < 2.35
    assert _peak(rain, start, end, 1.0, from_hour=12.0) < 1.45


@needs_brompton
def test_recorded_gaps_are_listed_and_count_as_no_rain() -> None:
    rain = read_csv(BROMPTON)
    assert parse_utc("2012-11-30 11:00") in rain.gaps
    assert len(rain.gaps) == 2
    assert rain.intensity_mm_h(rain.gaps[0]) == 0.0
    assert 300 < rain.total_mm() < 330


def test_water_balance_closes() -> None:
    rain = synthetic_storm(3)
    world = RiversideWorld(rain, rain.start_utc_us)
    before = river.stored_m3(world.site, world.state)
    for step in range(360):
        world.gate.position = 0.2 + 0.8 * (step % 7) / 6
        world.advance(0.05, 120.0)
    balance = world.state.balance
    change = river.stored_m3(world.site, world.state) - before
    assert math.isclose(balance.rain_m3 - balance.gate_m3 - balance.weir_m3, change, abs_tol=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    low=st.floats(0.0, 1.0),
    more=st.floats(0.0, 1.0),
    rain_mm_h=st.floats(0.0, 30.0),
    level_m=st.floats(0.0, 3.0),
)
def test_more_opening_never_raises_the_level(
    low: float, more: float, rain_mm_h: float, level_m: float
) -> None:
    site = river.RiverSite()
    levels = []
    for opening in (low, min(1.0, low + more)):
        state = river.start_state(site, 0.7, 0.5, 1.5, 0.2)
        state.level_m = level_m
        river.advance(site, state, 7200.0, rain_mm_h, opening)
        levels.append(state.level_m)
    assert levels[1] <= levels[0] + 1e-12


def test_same_seed_gives_the_same_world() -> None:
    traces = []
    for _ in range(2):
        rain = synthetic_storm(5)
        world = RiversideWorld(rain, rain.start_utc_us, seed=5)
        trace = []
        for _ in range(50):
            world.advance(0.05, 120.0)
            trace.append(world.quantities())
        traces.append(trace)
    assert traces[0] == traces[1]
    assert synthetic_storm(5).mm_h != synthetic_storm(6).mm_h


def test_gate_moves_in_real_time_and_stalls_on_both_relays() -> None:
    gate = Gate(position=0.0)
    gate.drive(True, False)
    gate.advance(1.0)
    assert gate.position == pytest.approx(0.25)
    gate.drive(True, True)
    gate.advance(1.0)
    assert gate.position == pytest.approx(0.25)
    assert gate.conflicts == 1
    gate.drive(False, True)
    gate.advance(9.0)
    assert gate.at_closed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,rain\n2020-01-01,1\n2020-01-02,1\n", "second column"),
        ("time,rain_mm_per_h\n2020-01-01,1\n2020-01-02,x\n", ":3:"),
        ("time,rain_mm_per_h\n2020-01-01,1\n2020-01-02,-1\n", ":3: rain must be"),
    ],
)
def test_bad_rain_files_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rain.csv"
    path.write_text(text)
    with pytest.raises(RainError, match=message):
        read_csv(path)
