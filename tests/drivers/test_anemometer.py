"""Anemometer: its calibration, means and gusts, against virtual cups."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import anemometer
from simulator.chips import anemometer as chip_anemometer
from tests.drivers.conftest import Bench

MPH = 0.44704


class Mast:
    """Cups at a driver: `blow` lets the wind blow for a period and gives the reading at its end."""

    def __init__(self, period_ms: int = 1000, **cfg: Any) -> None:
        self.bench = Bench()
        self.chip = chip_anemometer.make(self.bench.clock.ns)
        self.period_ms = period_ms
        self.driver = anemometer.make(self.bench, {"pin": "GP15", "period_ms": period_ms, **cfg})

    def blow(self, speed_m_s: float) -> list[float]:
        clock = self.bench.clock
        self.chip.speed_m_s = speed_m_s
        start_ns = clock.ns()
        clock.advance_ms(self.period_ms)
        self.bench.pulse_counts["GP15"].count += len(self.chip.blow(start_ns, clock.ns()))
        return self.bench.acquire(self.driver, 2)


@pytest.mark.parametrize(
    ("pulses", "duration_ms", "slope", "offset", "expected"),
    [
        (10, 2250, 1.00584, 0.0, 10 * MPH),  # Davis: pulses in 2.25 s are mph
        (1600, 3_600_000, 1.00584, 0.0, 1 * MPH),  # Davis: 1600 turns an hour at 1 mph
        (100, 1000, 0.1, 0.35, 10.35),
        (1, 3000, 0.62, 0.21, 0.62 / 3 + 0.21),
        (0, 1000, 0.62, 0.21, 0.0),  # standstill, not the offset
    ],
)
def test_calibrations(pulses: int, duration_ms: int, slope: float, offset: float, expected: float) -> None:
    assert anemometer.compensate_speed(pulses, duration_ms, slope, offset) == pytest.approx(expected, rel=1e-4)


def test_reads_back_the_whole_range() -> None:
    mast = Mast()
    lower, upper, epsilon = mast.chip.sample_range()["speed_m_s"]
    for step in range(1, 21):
        speed = lower + (upper - lower) * step / 21
        assert mast.blow(speed)[0] == pytest.approx(speed, abs=epsilon)


def test_cups_that_stand_read_0_and_so_does_the_gust() -> None:
    mast = Mast(offset=0.21)
    assert [mast.blow(0.0) for _ in range(5)] == [[0.0, 0.0]] * 5
    assert mast.blow(0.3) == [0.0, 0.0]


def test_a_certificates_slope_and_offset() -> None:
    mast = Mast(slope=0.05, offset=0.3)
    mast.chip.turns_per_m, mast.chip.lag_m_s = 20.0, 0.3
    assert mast.blow(12.0)[0] == pytest.approx(12.0, abs=0.05)


def test_a_gust_is_the_highest_mean_of_3_s() -> None:
    mast = Mast()
    for _ in range(10):
        mast.blow(5.0)
    readings = [mast.blow(speed) for speed in (20.0, 20.0, 5.0, 5.0)]
    assert [reading[0] for reading in readings] == pytest.approx([20, 20, 5, 5], abs=1.1)
    assert readings[-1][1] == pytest.approx((20 + 20 + 5) / 3, abs=0.4)


def test_a_short_blast_right_after_the_start_is_no_gust_of_3_s() -> None:
    mast = Mast()
    mast.blow(30.0)
    for _ in range(6):
        last = mast.blow(2.0)
    assert last[1] == pytest.approx((30 + 2 + 2) / 3, abs=0.4)


def test_a_gust_is_forgotten_after_its_window() -> None:
    mast = Mast(gust_window_s=60)
    for _ in range(3):
        mast.blow(25.0)
    gusts = [mast.blow(4.0)[1] for _ in range(70)]
    assert min(gusts[:48]) == pytest.approx(25.0, abs=0.4)
    assert gusts[-1] == pytest.approx(4.0, abs=0.4)


def test_nothing_of_a_gust_is_left_after_a_long_pause() -> None:
    mast = Mast(gust_window_s=60)
    for _ in range(4):
        mast.blow(25.0)
    mast.bench.clock.advance_ms(600_000)
    for _ in range(4):
        speed, gust = mast.blow(0.0)
    assert speed == 0.0
    assert gust < 0.1  # the first mean after the pause reaches back into it


@pytest.mark.parametrize("period_ms", [250, 1000, 3000, 10_000])
def test_the_first_reading_waits_for_200_ms_of_pulses(bench: Any, period_ms: int) -> None:
    driver = anemometer.make(bench, {"pin": "GP15", "period_ms": period_ms})
    values = [float("nan")] * 2
    assert driver.start() == 0
    wait_ms = driver.read_into(values)
    assert 190 <= wait_ms <= 200
    bench.clock.advance_ms(wait_ms)
    assert driver.read_into(values) == 0
    assert values == [0.0, 0.0]


@settings(max_examples=50)
@given(st.lists(st.floats(0, 80), min_size=1, max_size=40), st.sampled_from([250, 1000, 2000, 5000]))
def test_means_add_up_to_the_wind_that_passed(speeds: list[float], period_ms: int) -> None:
    mast = Mast(period_ms)
    means, gusts = zip(*(mast.blow(speed) for speed in speeds), strict=True)
    turns = sum(means) * period_ms / 1000 / 1.00584
    assert turns == pytest.approx(mast.chip.turns, rel=1e-3, abs=0.01)
    assert all(later >= earlier for earlier, later in pairwise(gusts[3000 // period_ms :]))
    assert max(gusts) <= max(means) + 1e-3


def test_an_unplugged_anemometer_turns_unseen() -> None:
    mast = Mast()
    mast.chip.unplugged = True
    assert mast.blow(10.0) == [0.0, 0.0]
    assert mast.chip.turns == 9


def test_closures_are_evenly_spaced_over_stretches() -> None:
    chip = chip_anemometer.Anemometer(turns_per_m=1.0)
    chip.speed_m_s = 3.0
    times = [time for start in range(10) for time in chip.blow(start * 10**9, (start + 1) * 10**9)]
    assert len(times) in (29, 30)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) - min(gaps) <= 10
