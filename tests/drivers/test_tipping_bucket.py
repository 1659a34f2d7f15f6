"""Tipping bucket against its virtual counterpart."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import tipping_bucket
from simulator.chips import tipping_bucket as chip_bucket


@given(st.lists(st.floats(0, 20), max_size=30), st.sampled_from([0.1, 0.2, 0.254, 0.5]))
def test_bucket_sums_the_rain_to_one_tip(amounts: list[float], mm_per_tip: float) -> None:
    chip = chip_bucket.TippingBucket(mm_per_tip)
    pulses = type("Pulses", (), {"count": 0})()
    driver = tipping_bucket.TippingBucket(pulses, mm_per_tip)
    last = 0
    for index, amount in enumerate(amounts):
        start, end = index * 10**9, (index + 1) * 10**9
        tips = chip.rain(amount, start, end)
        assert tips == sorted(tips)
        assert all(start <= tip <= end for tip in tips)
        assert not tips or tips[0] >= last
        last = tips[-1] if tips else last
        pulses.count += len(tips)
    values = [0.0]
    driver.read_into(values)
    assert values[0] == pytest.approx(sum(amounts) - chip.held_mm, abs=1e-6)
    assert -1e-6 <= sum(amounts) - values[0] <= mm_per_tip + 1e-6


def test_made_from_a_board_file_entry(bench: Any) -> None:
    driver = tipping_bucket.make(bench, {"pin": "GP15", "mm_per_tip": 0.5})
    bench.pulse_counts["GP15"].count = 7
    values = [0.0]
    assert driver.start() == 0
    driver.read_into(values)
    assert values == [3.5]
    assert tipping_bucket.compensate_rainfall(5, 0.2) == pytest.approx(1.0)


def test_an_unplugged_gauge_tips_unseen() -> None:
    chip = chip_bucket.make(lambda: 0)
    chip.unplugged = True
    assert chip.rain(1.0, 0, 10**9) == []
    assert chip.tips == 5
