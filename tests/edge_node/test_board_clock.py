import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.clock import MAX_SIGMA_US, NEVER, STALE_US, BoardClock, Trip
from protocol.city_clock import CityClock

START_US = 50_000_000
WRAP_US = 1 << 30


def trips(drift_ppm: float, first_stamp_us: int, seed: int, n: int = 60):
    """Round trips of a board whose crystal is off, one a second, with uneven delays; yields (true map, trip)."""
    chance = random.Random(seed)

    def stamp(edge_us: float) -> int:
        return round(first_stamp_us + (edge_us - START_US) * (1 + drift_ppm * 1e-6))

    for i in range(n):
        t1 = START_US + i * 1_000_000
        there = 2000 + (chance.expovariate(1 / 8000) if chance.random() < 0.5 else 0)
        back = 2000 + (chance.expovariate(1 / 8000) if chance.random() < 0.5 else 0)
        yield stamp, Trip(t1, stamp(t1 + there), stamp(t1 + there + 300), round(t1 + there + 300 + back))


@settings(max_examples=40, deadline=None)
@given(
    drift_ppm=st.floats(-500, 500),
    first=st.sampled_from([0, WRAP_US - 5_000_000, 7 * WRAP_US - 100]),
    seed=st.integers(0, 999),
)
def test_drift_wraps_and_uneven_delays_stay_within_a_few_milliseconds(drift_ppm: float, first: int, seed: int) -> None:
    clock = BoardClock("b")
    for stamp, trip in trips(drift_ppm, first, seed):
        assert clock.add(trip)
        now = trip.t4_us
        if len(clock.trips) >= 10:
            error = clock.to_edge_us(stamp(now)) - now
            assert abs(error) < 8000 + 4 * clock.sigma_us(now)
    ahead = now + 10_000_000
    assert abs(clock.to_edge_us(stamp(ahead)) - ahead) < 5000
    assert abs(clock.to_board_us(ahead) - stamp(ahead)) < 5000


def test_a_clock_without_trips_is_unsynced_and_says_so() -> None:
    clock = BoardClock("b")
    assert not clock.synced(START_US)
    assert clock.segment(CityClock(), START_US) == NEVER


def test_few_or_old_trips_are_not_synced() -> None:
    clock = BoardClock("b")
    made = [trip for _, trip in trips(100, 0, 1, n=5)]
    assert [clock.add(trip) and clock.synced(trip.t4_us) for trip in made] == [False, False, True, True, True]
    assert not clock.synced(made[-1].t4_us + STALE_US + 1)
    assert clock.sigma_us(made[-1].t4_us) < MAX_SIGMA_US


def test_impossible_trips_are_rejected() -> None:
    clock = BoardClock("b")
    assert clock.add(Trip(1000, 500, 600, 3000))
    assert not clock.add(Trip(2000, 900, 5000, 3000)), "the board held it longer than it was away"
    assert not clock.add(Trip(4000, 400, 450, 5000)), "the board's clock went back"
    assert clock.rejected == 2


def test_segments_map_to_scaled_event_time() -> None:
    city = CityClock(speed=480.0, epoch_boottime_us=START_US, epoch_utc_us=1_790_000_000_000_000)
    clock = BoardClock("b")
    made = list(trips(0, 1000, 3))
    for _, trip in made:
        clock.add(trip)
    stamp = made[0][0]
    segment = clock.segment(city, trip.t4_us)
    at = trip.t4_us - 5_000_000
    (got,) = segment.to_utc(np.array([stamp(at)], np.int64))
    assert segment.synced
    assert got == pytest.approx(city.event_utc_us(at), abs=480 * 3000)
