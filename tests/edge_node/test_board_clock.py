"""The clock of a board against boards whose true time is known: golden cases, then coverage over drawn ones."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.clocks.board_clock import MAX_REJECTED, MAX_SIGMA_US, STALE_US, WINDOW, BoardClock, Trip
from edge_node.clocks.lines import MAX_KNOTS

from .board_clocks import START_US, WRAP_US, Crystal, Way, drawn, trips

HOUR_US = 3_600_000_000
STILL = Way(2000, 2000, 0)


def clock_of(
    crystal: Crystal, way: Way, seed: int = 1, n: int = 60, start_us: int = START_US
) -> tuple[BoardClock, int]:
    """Return a clock after n seconds of trips, and the edge boottime of its last one."""
    clock, now = BoardClock("b"), 0
    for trip in trips(crystal, way, seed, n, start_us):
        clock.add(trip)
        now = trip.t4_us
    return clock, now


@pytest.mark.parametrize("ppm", [-500.0, -20.0, 0.0, 20.0, 500.0])
def test_an_even_line_gives_offset_and_rate(ppm: float) -> None:
    crystal = Crystal(ppm, first_stamp_us=WRAP_US - 5_000_000)
    clock, now = clock_of(crystal, STILL)
    assert abs(clock.to_edge_us(crystal.stamp(now)) - now) <= 300
    ahead = now + 60_000_000
    assert abs(clock.to_edge_us(crystal.stamp(ahead)) - ahead) <= 2000, "the rate is known to 30 ppm"
    assert abs(clock.to_board_us(ahead) - crystal.stamp(ahead)) <= 2000


def test_a_lopsided_line_is_off_by_half_and_says_so() -> None:
    crystal = Crystal(100)
    clock, now = clock_of(crystal, Way(1000, 9000, 0))
    error = clock.to_edge_us(crystal.stamp(now)) - now
    assert error == pytest.approx(4000, abs=300)
    assert abs(error) <= 3 * clock.sigma_us(now)


def test_a_clock_without_trips_is_unsynced_and_says_so() -> None:
    clock = BoardClock("b")
    assert not clock.synced(START_US) and clock.line(0, 1) is None and clock.lines(0, 1) == []
    assert clock.sigma_us(START_US) == float("inf")


def test_few_or_old_trips_are_not_synced() -> None:
    clock = BoardClock("b")
    made = list(trips(Crystal(100), STILL, 1, n=0))
    assert [clock.add(trip) and clock.synced(trip.t4_us) for trip in made] == [False, False, True, True, True]
    assert not clock.synced(made[-1].t4_us + STALE_US + 1)
    assert clock.sigma_us(made[-1].t4_us) < MAX_SIGMA_US


def test_impossible_trips_are_rejected_until_they_are_all_there_is() -> None:
    clock = BoardClock("b")
    assert clock.add(Trip(1000, 10**9, 10**9 + 100, 3000))
    assert not clock.add(Trip(2000, 10**9 + 900, 10**9 + 5000, 3000)), "the board held it longer than it was away"
    assert not clock.add(Trip(4000, 400, 450, 5000)), "the board's clock went back"
    for at in range(MAX_REJECTED):
        clock.add(Trip(10_000 + at * 1000, 500 + at * 1000, 510 + at * 1000, 10_500 + at * 1000))
    assert clock.rejected == MAX_REJECTED, "the first one was the wrong one"
    assert abs(clock.to_edge_us(5500) - 15_245) < 2000


@pytest.mark.parametrize("leap_us", [HOUR_US, -2_000_000, 60_000])
def test_one_reply_that_lies_moves_nothing(leap_us: int) -> None:
    crystal = Crystal(100)
    clock, now = clock_of(crystal, STILL)
    board = crystal.stamp(now + 500_000) + leap_us
    assert not clock.add(Trip(now + 499_000, board, board + 100, now + 501_000))
    assert abs(clock.to_edge_us(crystal.stamp(now)) - now) <= 300
    assert clock.synced(now + 501_000)
    taken = [clock.add(trip) for trip in trips(crystal, STILL, 2, 90) if trip.t1_us > now + 600_000]
    assert len(taken) > 20 and all(taken), "honest replies go on"


def test_errors_stay_within_three_sigma() -> None:
    """True error over sigma, of live conversions and of predictions; drift, swings, jitter, loss and wraps drawn."""
    live: list[float] = []
    ahead: list[float] = []
    for seed in range(60):
        crystal, way = drawn(seed)
        clock = BoardClock("b")
        for trip in trips(crystal, way, seed, n=75):
            now = trip.t4_us
            if clock.add(trip) and len(clock.trips) >= 3:
                live.append(abs(clock.to_edge_us(crystal.stamp(now)) - now) / clock.sigma_us(now))
        for s in (60, 600, 3600, 14_400):
            at = now + s * 1_000_000
            ahead.append(abs(clock.to_edge_us(crystal.stamp(at)) - at) / clock.sigma_us(at))
    for found in (live, ahead):
        assert sum(ratio > 3 for ratio in found) <= len(found) / 100
    assert sorted(live)[len(live) // 2] > 0.1, "a sigma that covers all tells nothing"


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), hours=st.floats(0.1, 12))
def test_samples_from_hours_alone_lie_between_both_ends(seed: int, hours: float) -> None:
    """A board that was offline: its backlog is placed between the last trips before and the first after."""
    crystal, way = drawn(seed)
    clock, left = clock_of(crystal, way, seed)
    back = left + round(hours * HOUR_US)
    alone = crystal.stamp(left + round(hours * HOUR_US / 2))
    before = clock.line(alone, alone)
    for trip in list(trips(crystal, way, seed + 1, n=6, start_us=back))[:4]:
        clock.add(trip)
    after = clock.line(alone, alone + 1000)
    assert before is not None and after is not None
    true_us = left + hours * HOUR_US / 2
    assert abs(after.edge_us(alone) - true_us) <= 4 * after.sigma_us
    assert after.sigma_us < before.sigma_us or after.sigma_us < 60_000, "by 40 ms of jitter"


def test_uncertainty_grows_with_the_time_alone() -> None:
    clock, now = clock_of(Crystal(50), STILL)
    sigmas = [clock.sigma_us(now + s * 1_000_000) for s in (0, 60, 600, 3600, 36_000)]
    assert sigmas == sorted(sigmas) and sigmas[0] < 2000 and sigmas[3] > 20_000
    assert not clock.synced(now + 36_000_000_000)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_lines_cover_what_is_asked_without_a_hole(seed: int, cuts: list[float]) -> None:
    crystal, way = drawn(seed)
    clock, now = clock_of(crystal, way, seed, n=80)
    for trip in trips(crystal, way, seed, n=10, start_us=now + HOUR_US):
        clock.add(trip)
    first, last = (crystal.stamp(START_US + f * (HOUR_US * 1.2)) for f in sorted(cuts))
    found = clock.lines(first, last)
    assert found[0][0] == first and found[-1][1] == last + 1
    assert all(a[1] == b[0] for a, b in pairwise(found))
    for a, b, line in found:
        for stamp in (a, (a + b) // 2, b - 1):
            assert abs(line.edge_us(stamp) - clock.line(stamp, stamp).edge_us(stamp)) <= 4 * line.sigma_us


def test_history_is_bounded() -> None:
    clock, chance, crystal = BoardClock("b"), random.Random(1), Crystal(10)
    for at in range(MAX_KNOTS + WINDOW + 300):
        clock.add(STILL.trip(crystal, START_US + at * 31_000_000, chance))
    assert len(clock.knots()) <= MAX_KNOTS + WINDOW
    early = crystal.stamp(START_US + 31_000_000)
    assert abs(clock.line(early, early).edge_us(early) - (START_US + 31_000_000)) < 5000
