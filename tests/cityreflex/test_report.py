"""The report: its documented fields, and what makes it a failure."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cityreflex.demo import report
from cityreflex.demo.report import COUNTS, Plan
from cityreflex.demo.view import LiveView, PlainView, progress, spark
from cityreflex.demo.watch import Record, Watcher

HOUR_US = 3_600_000_000
PLAN = Plan(0, 12 * HOUR_US, 480.0, 7, None, 1.6)
PAGE = (Path(__file__).parent.parent.parent / "docs" / "report.md").read_text()


def record(peak_m: float, **counts: int) -> Record:
    """A run that reached this level and left these samples."""
    totals = dict.fromkeys(COUNTS, 0) | {"sent": 900, "stored": 900} | counts
    truth = [
        {"utc_us": hour * HOUR_US, "level_m": level, "rain_mm_h": 1.0, "gate_opening": 0.2}
        for hour, level in enumerate((0.5, peak_m, 0.6))
    ]
    board = {"thing": "river-1", "vm": "3.4.0; MicroPython v1.28.0", "firmware_sha256": "ab" * 32, "boot": "1-1"}
    task = {
        "id": "00ff", "actuator": "gate-1/opening", "setpoint": 1.0, "instance": "flood", "requester": "city",
        "reason": "risk", "state": "observed",
        "history": [{"state": "proposed", "code": "ok", "utc_us": HOUR_US, "text": ""}],
    }  # fmt: skip
    return Record(
        truth=truth,
        ledger={"totals": totals},
        latency={"sample_to_act": {"n": 3, "p50_ms": 40.0, "p99_ms": 90.0}},
        tasks=[task],
        things=[{**board, "board": "river_gauge"}, {**board, "thing": "edge-1", "vm": "", "firmware_sha256": ""}],
        done=True,
    )


def test_report_keeps_its_promise() -> None:
    found = report.build(PLAN, record(2.1), record(1.3))
    assert found["ok"]
    assert found["failures"] == []
    assert found["peak_level_m"] == {"controlled": 1.3, "uncontrolled": 2.1, "threshold": 1.6}
    assert found["boards"][0]["vm"] == "3.4.0; MicroPython v1.28.0"
    assert [board["id"] for board in found["boards"]] == ["river-1"]
    assert found["samples"] == {
        "sent": 900, "stored": 900, "buffered": 0, "declared_lost": 0, "quarantined": 0, "unexplained": 0,
    }  # fmt: skip
    assert found["latency_ms"]["sample_to_act"] == {"n": 3, "p50": 40.0, "p99": 90.0}
    assert found["tasks"][0]["states"] == [{"state": "proposed", "code": "ok", "utc_us": HOUR_US}]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("alone", "control", "reason"),
    [
        (record(1.5), record(1.3), "the storm is too weak"),
        (record(2.1), record(1.7), "the gate did not help"),
        (record(2.1), record(1.3, unexplained=2), "samples: 2 unexplained"),
        (record(2.1, declared_lost=1), record(1.3), "samples_uncontrolled: 1 declared_lost"),
        (record(2.1), record(1.3, stored=0), "samples: nothing was stored"),
        (record(2.1), Record(), "no record of the level"),
    ],
)
def test_broken_promises(alone: Record, control: Record, reason: str) -> None:
    found = report.build(PLAN, alone, control)
    assert not found["ok"]
    assert any(reason in failure for failure in found["failures"])
    assert "NOT REACHED" in report.text(found)


def test_every_field_is_documented_and_every_documented_field_is_there() -> None:
    found = report.build(PLAN, record(2.1), record(1.3))
    documented = set(re.findall(r"^\| `(\w+)", PAGE, re.M))
    assert documented == set(found)
    for inner in (*found["boards"][0], *found["samples"], *found["peak_level_m"], *found["tasks"][0]):
        assert f"`{inner}`" in PAGE or f"`{inner}[]`" in PAGE, inner


def test_text_is_for_people() -> None:
    text = report.text(report.build(PLAN, record(2.1), record(1.3)))
    assert "2.10 m left alone   threshold 1.60 m   1.30 m under control" in text
    assert "1 observed" in text


def test_progress_and_spark() -> None:
    assert progress(PLAN, Record()) == 0.0
    assert progress(PLAN, record(2.0)) == pytest.approx(2 / 12)
    assert spark([0, 1, 2, 3], 4, "abcd") == "abcd"
    assert spark([], 4) == ""
    assert len(spark(range(1000), 20)) <= 20


def test_a_half_written_line_waits(tmp_path: Path) -> None:
    """The trace is read while the world writes it."""
    trace = tmp_path / "world.jsonl"
    watcher = Watcher(tmp_path)
    trace.write_text('{"utc_us": 1, "level_m": 0.5}\n{"utc_us": 2, "lev')
    assert not watcher.look()
    assert len(watcher.record.truth) == 1
    trace.write_text('{"utc_us": 1, "level_m": 0.5}\n{"utc_us": 2, "level_m": 0.6}\n{"done": true}\n')
    watcher.look()
    assert watcher.record.peak_m() == 0.6
    assert watcher.record.done
    watcher.close()


def test_the_screen_shows_everything() -> None:
    console = Console(width=80, height=30, force_terminal=True, file=io.StringIO(), record=True, color_system=None)
    with LiveView(console) as view:
        view.show("under control", PLAN, record(1.3))
    text = console.export_text()
    for label in ("under control", "rain", "level", "gate", "peak", "forecast", "tasks", "sample_to_act", "ledger"):
        assert label in text, label


def test_plain_lines_have_the_numbers() -> None:
    class Said:
        lines: list[Any] = []  # noqa: RUF012

        def print(self, text: str, **_: Any) -> None:
            self.lines.append(text)

    view = PlainView(Said())  # type: ignore[arg-type]
    view.show("under control", PLAN, record(1.3))
    (line,) = Said.lines
    assert "level 0.60 m" in line
    assert "stored 900" in line
