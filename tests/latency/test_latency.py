"""The measurement measures: crossings have an effect, and each is timed from the sample to the pin."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .__main__ import summary

ROOT = Path(__file__).parents[2]


def test_figures_are_those_of_the_spans() -> None:
    assert summary([1.0] * 98 + [3.0, 101.0]) == {"n": 100, "p50_ms": 1.0, "p99_ms": 3.98, "max_ms": 101.0}


@pytest.mark.system
def test_some_crossings_through_the_city(tmp_path: Path) -> None:
    words = ["--crossings", "5", "--where", "city", "--no-load", "--json", str(tmp_path / "l.json")]
    command = [sys.executable, "-m", "tests.latency", *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = json.loads((tmp_path / "l.json").read_text())["runs"].values()
    assert run["sample_to_pin"]["n"] == 5 and run["without_effect"] == 0
    assert 0 < run["sample_to_pin"]["p50_ms"] <= run["contact_to_pin"]["max_ms"]
    assert {"acquire_to_edge", "edge_to_journal", "city_to_store", "edge_guard", "board_act"} <= set(run["hops"])
