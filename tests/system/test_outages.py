"""Kills in mid-storm: somebody always minds the gate, and no sample goes missing."""

import time
from pathlib import Path

import pytest
from running_city import RunningCity

pytestmark = pytest.mark.system

SAFE = 0.2
LEASE_AND_TRAVEL_S = 3.0 + 4.0
OUTAGE_S = 20.0
STORM = ("--speed", "240", "--seed", "7", "--start-in", "8")
"""Twelve hours of storm in three minutes: long enough for a slow machine to start an edge node twice in it."""


def assert_nothing_lost(city: RunningCity) -> None:
    totals = city.settle()
    assert totals["stored"] > 1000
    assert totals["unexplained"] == 0
    assert totals["declared_lost"] == 0
    assert totals["quarantined"] == 0
    assert totals["sent"] == totals["stored"] + totals["buffered"]
    code, _ = city.ask("ledger")
    assert code == 0


def test_the_edge_moves_the_gate_while_the_city_is_dead(tmp_path: Path) -> None:
    with RunningCity(tmp_path / "run", *STORM) as city:
        city.up()
        before = city.gate()
        city.kill("aggregator")
        killed_at = time.monotonic()
        moved = city.until(lambda: city.gate() > before + 0.15, "the edge's own process opens the gate")
        assert moved
        city.until(lambda: time.monotonic() - killed_at > OUTAGE_S, "twenty seconds without a city")
        code, status = city.ask("status")
        assert code == 1
        assert status["source"] == "edge"
        city.start("aggregator")
        city.until(city.linked, "the city sees the edge again")
        assert_nothing_lost(city)
        tasks = city.tasks()
        assert any(task["requester"] == "edge" for task in tasks), tasks


def test_the_gate_falls_to_its_safe_state_when_the_edge_dies(tmp_path: Path) -> None:
    with RunningCity(tmp_path / "run", *STORM) as city:
        city.up()
        city.until(lambda: city.gate() > SAFE + 0.2, "the gate opens under control")
        city.kill("edge")
        city.until(lambda: abs(city.gate() - SAFE) < 0.03, "the board closes to safe")
        city.start("edge")
        city.until(lambda: city.gate() > SAFE + 0.2, "the gate is under control again")
        assert_nothing_lost(city)
