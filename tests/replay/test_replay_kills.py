"""A recorder that is killed again and again leaves a record that replays bit for bit."""

from pathlib import Path

import pytest

from .kills import record, replay


@pytest.mark.system
def test_what_a_killed_city_recorded_replays_with_the_same_hash(tmp_path: Path) -> None:
    assert record(tmp_path / "city", 240, 5, seed=1) == 5
    found = replay(tmp_path / "city")
    assert found["recorded"] == found["replayed"] and found["differences"] == []
    assert found["steps"] >= 24 and found["missing_samples"] == 0
