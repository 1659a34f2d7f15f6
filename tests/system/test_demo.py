"""`city demo` as a person runs it, on a synthetic and on a recorded storm."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(420)]

DATA = Path(os.environ.get("CITYREFLEX_DATA", Path(__file__).parents[3] / "shared" / "data"))
RAIN = DATA / "flood_brompton" / "rain.csv"
STATES_AT_LEAST = 3


def run_demo(folder: Path, *options: str) -> dict[str, Any]:
    """Return the report; the demo must end with exit code 0 and write a plot."""
    words = ["demo", "--dir", str(folder / "run"), "--json", str(folder / "report.json")]
    done = subprocess.run(
        [sys.executable, "-m", "cityreflex", *words, "--plot", str(folder / "report.png"), *options],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (folder / "report.png").read_bytes().startswith(b"\x89PNG")
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def check_report(report: dict[str, Any]) -> None:
    assert {board["id"] for board in report["boards"]} == {"river-1", "mast-1", "gate-1"}
    for board in report["boards"]:
        assert "MicroPython" in board["vm"]
        assert len(bytes.fromhex(board["firmware_sha256"])) == 32
    for counts in (report["samples"], report["samples_uncontrolled"]):
        assert counts["stored"] > 1000
        assert counts["declared_lost"] == counts["unexplained"] == counts["quarantined"] == 0
        assert counts["sent"] == counts["stored"] + counts["buffered"]
    peak = report["peak_level_m"]
    assert peak["controlled"] < peak["threshold"] < peak["uncontrolled"]
    assert report["tasks"]
    assert any(len(task["states"]) >= STATES_AT_LEAST for task in report["tasks"])
    assert any(task["state"] == "observed" for task in report["tasks"])
    for hop in ("acquire_to_edge", "edge_to_city", "city_to_store", "sample_to_act"):
        assert 0 <= report["latency_ms"][hop]["p50"] <= report["latency_ms"][hop]["p99"]


def test_a_synthetic_storm(tmp_path: Path) -> None:
    report = run_demo(tmp_path, "--speed", "960", "--seed", "3")
    check_report(report)
    assert report["seed"] == 3
    assert report["rain"] == "synthetic"


@pytest.mark.skipif(not RAIN.exists(), reason=f"needs the recording {RAIN}; set CITYREFLEX_DATA")
def test_a_recorded_flood(tmp_path: Path) -> None:
    window = ("--from", "2012-09-24T00:00", "--to", "2012-09-25T18:00")
    report = run_demo(tmp_path, "--rain", str(RAIN), *window, "--speed", "2400")
    check_report(report)
    hours = (report["window_utc_us"][1] - report["window_utc_us"][0]) / 3.6e9
    assert hours == pytest.approx(42)
    assert report["speed"] / 3600 * 0.1 * 12 <= 1  # 12 samples an hour from boards that sample every 100 ms
