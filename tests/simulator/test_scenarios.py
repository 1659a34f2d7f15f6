"""Scenario files that come with the simulator, and the pulses they make."""

from collections import defaultdict
from statistics import pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from simulator import scenario
from simulator.chip_shelf import make_chip
from simulator.pulses import PulseMaker
from simulator.runtime import plan_window
from simulator.wiring import WiredChip
from simulator.world.make import make_world, storm
from simulator.world.rain import HOUR_US

NOISY = {"bme280", "scd41"}  # sigma of 2 resolutions and more


@pytest.mark.parametrize("name", scenario.names())
def test_every_measured_quantity_exists_in_its_world(name: str) -> None:
    plan = scenario.load(name)
    window = plan_window(plan, seed=1)
    world = make_world(plan.world, window, 1, plan.world_parameters)
    known = world.quantities()
    for board in plan.boards:
        wanted = [measure.of for chip in board.chips for measure in chip.measures.values()]
        wanted += [pulse.of for pulse in board.pulses] + [place.of for place in board.inputs]
        assert set(wanted) <= set(known)
    assert plan.board(plan.boards[0].thing) is plan.boards[0]
    with pytest.raises(KeyError, match="no board nobody"):
        plan.board("nobody")


@pytest.mark.parametrize("name", scenario.names())
def test_what_a_noisy_chip_measures_of_a_steady_world_is_never_the_same_for_long(name: str) -> None:
    """A node calls a value stuck that stays in its last digit, where the chip declares more noise than that."""
    for place in (chip for board in scenario.load(name).boards for chip in board.chips if chip.chip in NOISY):
        chip = make_chip(place)
        wired, seen = WiredChip(place, chip), defaultdict(list)
        for _ in range(500):
            wired.update({measure.of: 50.0 for measure in place.measures.values()})
            for attribute in place.measures:
                seen[attribute].append(getattr(chip, attribute))
        for attribute, values in seen.items():
            noise = place.measures[attribute].noise
            assert noise > 0 and pstdev(values) == pytest.approx(noise, rel=0.15), attribute


def test_a_chip_needs_one_wire() -> None:
    with pytest.raises(ValidationError, match="one of bus, uart and pin"):
        scenario.ChipPlace(name="x", chip="y", bus="i2c0", uart="uart1")


def test_storm_windows() -> None:
    whole = storm(seed=1)
    part = storm(seed=1, start=whole.start_utc_us + HOUR_US, end=whole.end_utc_us)
    assert whole.end_utc_us - whole.start_utc_us == 12 * HOUR_US
    assert part.start_utc_us - whole.start_utc_us == HOUR_US
    with pytest.raises(ValueError, match="window must lie"):
        storm(seed=1, start="1999-01-01")


@given(st.lists(st.floats(0, 3), min_size=1, max_size=40))
def test_pulses_count_the_rise_exactly_and_never_overlap(rises: list[float]) -> None:
    maker = PulseMaker(scenario.PulsePlace(name="rain", pin="GP15", of="rain_mm", per_pulse=0.2))
    total, edges = 5.0, []
    maker.edges(total, 0, 1)
    for step, rise in enumerate(rises):
        total += rise
        edges += maker.edges(total, step * 20_000, step * 20_000 + 20_000)
    stamps = [stamp for stamp, _ in edges]
    assert stamps == sorted(stamps)
    assert len(edges) == 2 * maker.made
    assert maker.made == pytest.approx((total - 5.0) / 0.2, abs=1.0)
    assert all(level in (0, None) for _, level in edges)
