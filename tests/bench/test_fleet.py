"""The count of boards that keep real time: what was lost, late or bad is seen, and a few real boards keep it."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.bench import fleet
from tests.bench.fleet_host import Line, Seen, verdict

SECONDS = 5
CHANNELS = 2


def line(change: Callable[[dict[str, np.ndarray]], None] = lambda rows: None) -> Line:
    """A board that sent both channels each second for twice the window, 30 ms late, but for `change`."""
    each_us = np.repeat(1_000_000 * np.arange(1, 2 * SECONDS), CHANNELS)
    rows = {
        "stamp": each_us, "channel": np.tile(np.arange(CHANNELS), 2 * SECONDS - 1),
        "quality": np.ones(len(each_us), int), "arrived": each_us + 30_000,
    }  # fmt: skip
    change(rows)
    made = Line.__new__(Line)
    made.thing, made.seen = "station-1", Seen(seqs=set(range(len(rows["stamp"]))))
    made.seen.stamps_us, made.seen.channels = [rows["stamp"]], [rows["channel"]]
    made.seen.qualities, made.seen.arrived_us = [rows["quality"]], [rows["arrived"]]
    made.session = SimpleNamespace(clock=SimpleNamespace(to_edge_us=lambda stamp_us: stamp_us))  # type: ignore[assignment]
    return made


def lost(rows: dict[str, np.ndarray]) -> None:
    rows.update({name: np.delete(row, 5) for name, row in rows.items()})


def late(rows: dict[str, np.ndarray]) -> None:
    rows["arrived"][5] += 1_000_000


def bad(rows: dict[str, np.ndarray]) -> None:
    rows["quality"][5] = 9


def nothing(rows: dict[str, np.ndarray]) -> None:
    rows.update({name: row[:0] for name, row in rows.items()})


def test_a_board_that_sends_all_in_time_keeps_real_time() -> None:
    found = verdict(line(), SECONDS, CHANNELS)
    assert found["kept"] and found["received"] == found["expected"] == 10
    assert set(found["lags_ms"]) == {30.0}


@pytest.mark.parametrize("change", [lost, late, bad, nothing])
def test_what_is_lost_late_or_bad_is_seen(change: Callable[[dict[str, np.ndarray]], None]) -> None:
    assert not verdict(line(change), SECONDS, CHANNELS)["kept"]


def test_numbers_that_did_not_come_are_missing() -> None:
    seen = Seen(seqs={3, 4, 7})
    assert seen.missing() == 2 and Seen().missing() == 0


@pytest.mark.system
def test_three_real_boards_are_counted(tmp_path: Path) -> None:
    found = fleet.run(tmp_path, boards=3, seconds=2, settle_s=1.0)
    assert found["expected"] == found["received"] == 3 * 6 * 2, found
    assert found["vm_pss_kb_per_board"] > 100 and found["missing_numbers"] == 0
    assert len(fleet.lines(found)) == 4
