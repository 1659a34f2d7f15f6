"""`city demo` as a person runs it, on a synthetic storm."""

from pathlib import Path

import pytest
from demo_run import check_report, run_demo

pytestmark = pytest.mark.system


def test_a_synthetic_storm(tmp_path: Path) -> None:
    report = run_demo(tmp_path, "--speed", "960", "--seed", "3")
    check_report(report)
    assert report["seed"] == 3
    assert report["rain"] == "synthetic"
