"""Runs `city demo` as a person would, and checks what every report must hold."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

STATES_AT_LEAST = 3


def run_demo(folder: Path, *options: str) -> dict[str, Any]:
    """Return the report; the demo must end with exit code 0 and write a plot."""
    words = ["demo", "--dir", str(folder / "run"), "--json", str(folder / "report.json")]
    done = subprocess.run(
        [sys.executable, "-m", "cityreflex", *words, "--plot", str(folder / "report.png"), *options],
        capture_output=True, text=True, timeout=580, check=False,
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
