"""A whole city goes back to a backup while boards sample on: the edge node gives it again what it forgot."""

from pathlib import Path

import pytest
from running_city import RunningCity

from edge_node.city.epoch import BEGUN, OVER

pytestmark = pytest.mark.system

MORE = 300


def test_a_restored_city_gets_back_what_it_forgot(tmp_path: Path) -> None:
    with RunningCity(tmp_path / "run", "--speed", "480", "--seed", "7", "--start-in", "4") as city:
        city.up()
        city.until(lambda: city.ledger()["totals"]["stored"] > MORE, "samples before the backup")
        code, saved = city.ask("backup", str(tmp_path / "saved"))
        assert code == 0, saved
        assert saved["samples"] > MORE
        wanted = saved["samples"] + MORE
        city.until(lambda: city.ledger()["totals"]["stored"] > wanted, "samples after the backup")
        code, restored = city.ask("restore", str(tmp_path / "saved"), "--yes")
        assert code == 0, restored
        assert restored["live"]
        assert restored["epoch"] > 0
        city.until(lambda: city.ledger()["totals"]["stored"] > wanted, "what was forgotten is stored again")
        totals = city.settle()
        assert (totals["unexplained"], totals["declared_lost"], totals["quarantined"]) == (0, 0, 0)
        assert city.ask("ledger")[0] == 0
        assert city.page("status")["conflicts"] == 0
        log = "".join(path.read_text() for path in (city.folder / "logs").glob("edge*.log"))
        assert log.count(BEGUN) == log.count(OVER) == 1, "the node's log tells of the beginning and of the end"
