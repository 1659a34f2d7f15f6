"""`city demo` on a recorded storm."""

import os
from pathlib import Path

import pytest
from demo_run import check_report, run_demo

pytestmark = pytest.mark.system

DATA = Path(os.environ.get("CITYREFLEX_DATA", Path(__file__).parents[3] / "shared" / "data"))
RAIN = DATA / "flood_brompton" / "rain.csv"


@pytest.mark.skipif(not RAIN.exists(), reason=f"needs the recording {RAIN}; set CITYREFLEX_DATA")
def test_a_recorded_flood(tmp_path: Path) -> None:
    window = ("--from", "2012-09-24T00:00", "--to", "2012-09-25T18:00")
    report = run_demo(tmp_path, "--rain", str(RAIN), *window, "--speed", "2400")
    check_report(report)
    hours = (report["window_utc_us"][1] - report["window_utc_us"][0]) / 3.6e9
    assert hours == pytest.approx(42)
    assert report["speed"] / 3600 * 0.1 * 12 <= 1  # 12 samples an hour from boards that sample every 100 ms
