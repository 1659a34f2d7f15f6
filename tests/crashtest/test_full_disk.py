"""A disk that is full to the last byte under the edge's journal or the city's store; real ones, mounted here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .proxy import FINE, KINDS
from .rig import Rig

pytestmark = pytest.mark.system


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "rig")
    try:
        if not all(made.disks):
            pytest.skip("a small disk of its own takes a mount, and that takes root")
        made.heal()
        made.until(lambda: (made.page("city", "ledger") or {}).get("totals", {}).get("stored", 0) > 200, 60, "a start")
        yield made
    finally:
        made.close()


def ballast(rig: Rig, part: str, file: str) -> bool:
    return (rig.folder / part / "data" / f"{file}.ballast").exists()


def journal(rig: Rig) -> dict:
    return (rig.page("edge", "health") or {}).get("journal", {})


def test_an_edge_without_room_refuses_what_it_can_not_keep_and_recovers(rig: Rig) -> None:
    rig.proxy.set(KINDS["refused"])
    rig.until(lambda: journal(rig).get("pending_batches", 0) > 40, 60, "a backlog")
    rig.fill("edge")
    rig.until(lambda: journal(rig).get("full") and not ballast(rig, "edge", "journal.db"), 60, "no ballast is left")
    rig.until(lambda: journal(rig).get("refused", 0) > 3, 60, "boards are not acked")
    rig.proxy.set(FINE)
    rig.until(lambda: (rig.page("city", "ledger") or {}).get("totals", {}).get("stored", 0) > 400, 60, "the city hears")
    rig.empty("edge")
    assert rig.settle()["declared_lost"] == 0
    rig.until(lambda: ballast(rig, "edge", "journal.db") and not journal(rig)["full"], 60, "the ballast is back")


def test_a_city_without_room_acks_nothing_and_recovers(rig: Rig) -> None:
    rig.fill("city")
    rig.until(lambda: "disk full: no acks" in rig.tail("city"), 60, "the store finds its disk full")
    rig.until(lambda: not ballast(rig, "city", "store.db"), 60, "the ballast is given up")
    rig.until(lambda: journal(rig).get("pending_batches", 0) > 40, 60, "the edge keeps what is not acked")
    rig.empty("city")
    assert rig.settle()["declared_lost"] == 0
    rig.until(lambda: ballast(rig, "city", "store.db"), 60, "the ballast is back")


def test_an_edge_that_has_no_room_to_start_says_so_and_loses_nothing(rig: Rig) -> None:
    """It may not run without a boot id of its own, which has to be durable before it is used."""
    rig.kill("edge")
    (rig.folder / "edge" / "data" / "journal.db.ballast").unlink()
    rig.fill("edge")
    rig.start("edge")
    code = rig.zygote.wait(rig.pids.pop("edge"), 60)
    assert code == 1 and "no room to start" in rig.tail("edge"), rig.tail("edge")
    assert "Traceback" not in rig.tail("edge")
    rig.empty("edge")
    assert rig.settle()["declared_lost"] == 0


def test_a_city_starts_without_any_room_and_acks_nothing(rig: Rig) -> None:
    rig.kill("city")
    (rig.folder / "city" / "data" / "store.db.ballast").unlink()
    rig.fill("city")
    rig.start("city")
    rig.until(lambda: "disk full: no acks" in rig.tail("city"), 60, "it runs, and says what is wrong")
    rig.empty("city")
    assert rig.settle()["declared_lost"] == 0
