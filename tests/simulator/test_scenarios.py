"""Scenario files that come with the simulator, and the pulses they make."""

import asyncio
from collections import defaultdict
from pathlib import Path
from statistics import pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from simulator import scenario
from simulator.chip_shelf import make_chip
from simulator.pulses import PulseMaker
from simulator.runtime import plan_window
from simulator.wiring import WiredBoard, WiredChip
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
    assert plan.board(next(iter(plan.places))) is next(iter(plan.places.values()))
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
    with pytest.raises(ValidationError, match="one of bus, uart, i2s and pin"):
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


def test_copies_are_boards_of_their_own_that_do_not_act() -> None:
    plan = scenario.load("stations")
    assert len(plan.boards) == 1 and len(plan.places) == 1000 and not plan.acts
    last = plan.board("station-1000")
    assert last.thing == "station-1000" and last.chips == plan.boards[0].chips and last.copies == 1
    with pytest.raises(KeyError, match="no board station-1001"):
        plan.board("station-1001")
    assert scenario.load("riverside").acts
    with pytest.raises(ValidationError, match="two boards named a-1"):
        scenario.Scenario(
            name="x",
            world="riverside",
            boards=(
                scenario.BoardPlace(thing="a", board="b", copies=2),
                scenario.BoardPlace(thing="a-1", board="b"),
            ),
        )


def test_a_chip_on_a_bus_is_shown_the_world_when_it_is_talked_to(tmp_path: Path) -> None:
    plan = scenario.load("stations")
    quantities = {"air_temperature_cel": 10.0, "air_pressure_pa": 1e5, "air_humidity_pct": 50.0}

    async def wired() -> None:
        board = WiredBoard(plan.board("station-1"), tmp_path, tmp_path, quantities)
        assert not board.ticks
        chip = board.sensor("battery").chip  # type: ignore[union-attr]
        for cel in (10.0, 12.0):
            quantities["air_temperature_cel"] = cel
            board.io.i2c[0].transfer(0x40, b"\x00", 2)
            assert chip.bus_v == 12.4 + 0.02 * cel
        await board.stop()

    asyncio.run(wired())
