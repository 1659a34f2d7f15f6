"""`city backup` and `city restore` on a city at work: edges stay connected, resend, and the ledger balances."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from city_process import CityFolder, Edge

from protocol.city_link import Ack, CityHello, GapRecord, Stored, StoredAsk
from tests.waiting import until

pytestmark = pytest.mark.system


@pytest.fixture
def city(tmp_path: Path) -> CityFolder:
    return CityFolder(tmp_path)


@pytest.fixture
def edge(city: CityFolder) -> Iterator[Edge]:
    made = Edge(city)
    yield made
    made.close()


def totals(city: CityFolder) -> dict[str, int]:
    found: dict[str, int] = city.get("/ledger")["totals"]
    return found


def sealed_files(city: CityFolder) -> list[str]:
    """The files that the catalogue names; one that is just being made lies in the folder before."""
    catalogue = city.folder / "city/sealed/manifest.json"
    return [row["file"] for row in json.loads(catalogue.read_text())["files"]] if catalogue.exists() else []


def stored_before_and_after_a_backup(city: CityFolder, edge: Edge, kit: Any) -> CityHello:
    """40 batches, a backup, 30 more; the hello of that city."""
    hello = edge.hello()
    edge.say(kit.info())
    for first in range(0, 40, 5):  # several commits, so that some are sealed
        edge.deliver(*(kit.batch(at * 10, 10) for at in range(first, first + 5)))
    until(lambda: sealed_files(city), "something is sealed")
    code, row, err = city.ask("backup", "saved")
    assert (code, row["samples"], row["keys_included"]) == (0, 400, False), err
    edge.deliver(*(kit.batch(at * 10, 10) for at in range(40, 70)))
    edge.say(kit.heartbeat(1_000_000, 700))
    until(lambda: totals(city)["sent"] == 700, "the account is taken")
    assert totals(city)["stored"] == 700
    return hello


def reconcile(edge: Edge, kit: Any, hello: CityHello) -> Stored:
    """What an edge does after a restore: notice the new epoch, ask what is there."""
    edge.say(kit.heartbeat(2_000_000, 700))
    prompt = edge.hear(CityHello)  # to a node whose version it forgot the city speaks version 1: without an epoch
    assert prompt.start != hello.start
    new = edge.hello(hello.epoch)
    assert new.epoch > hello.epoch
    assert new.start == prompt.start
    edge.say(kit.info(), StoredAsk(kit.thing, kit.boot))
    answer: Stored = edge.hear(Stored)
    assert (answer.epoch, answer.part, answer.parts) == (new.epoch, 0, 1)
    return answer


def test_a_restore_at_work_loses_nothing_that_edges_keep(city: CityFolder, edge: Edge, kit: Any) -> None:
    with city.running():
        hello = stored_before_and_after_a_backup(city, edge, kit)
        code, row, err = city.ask("restore", "saved", "--yes")
        assert (code, row["live"]) == (0, True), err
        assert Path(row["aside"]).is_dir()
        assert totals(city)["stored"] == 400
        answer = reconcile(edge, kit, hello)
        assert answer.ranges == [(0, 400)]
        assert answer.epoch == row["epoch"]
        edge.deliver(*(kit.batch(at * 10, 10) for at in range(40, 70)))
        edge.say(kit.heartbeat(3_000_000, 700))
        edge.deliver(kit.batch(0, 10))
        found = city.get("/ledger")
        assert found["balanced"]
        assert (found["totals"]["sent"], found["totals"]["stored"], found["totals"]["unexplained"]) == (700, 700, 0)
        assert city.ask("ledger")[0] == 0
        assert city.get("/status")["conflicts"] == 0


def test_what_edges_no_longer_keep_is_declared_lost_by_restore(city: CityFolder, edge: Edge, kit: Any) -> None:
    with city.running():
        hello = stored_before_and_after_a_backup(city, edge, kit)
        assert city.ask("restore", "saved", "--yes")[0] == 0
        assert reconcile(edge, kit, hello).ranges == [(0, 400)]
        assert totals(city)["unexplained"] == 300
        edge.deliver(*(kit.batch(at * 10, 10) for at in range(60, 70)))
        edge.say(GapRecord(kit.thing, kit.boot, 1, 400, 600, "restore", "edge-1"))
        edge.hear(Ack, lambda ack: ack.gaps == [1])
        edge.say(kit.heartbeat(3_000_000, 700))
        edge.deliver(kit.batch(0, 10))
        found = totals(city)
        assert (found["stored"], found["declared_lost"], found["unexplained"]) == (500, 200, 0)


def test_a_damaged_backup_changes_nothing_and_says_so(city: CityFolder, edge: Edge, kit: Any) -> None:
    with city.running():
        stored_before_and_after_a_backup(city, edge, kit)
        victim = next((city.folder / "saved/sealed").glob("*.parquet"))
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 4
        victim.write_bytes(bytes(data))
        for words in (("restore", "saved", "--yes"), ("restore", "saved", "--check")):
            code, _, err = city.ask(*words)
            assert code == 6
            assert victim.name in err
        assert city.ask("restore", "nowhere", "--yes")[0] == 4
        assert totals(city)["stored"] == 700
        assert not list((city.folder / "city").glob("replaced-*"))
        edge.deliver(kit.batch(700, 10))


def test_a_restore_at_rest_and_a_second_backup(city: CityFolder, edge: Edge, kit: Any) -> None:
    with city.running() as process:
        hello = stored_before_and_after_a_backup(city, edge, kit)
        process.send_signal(signal.SIGKILL)
        process.wait(90)
        assert city.ask("backup", "saved")[0] == 1
        code, row, err = city.ask("backup", "later", "--with-keys")
        assert (code, row["samples"], row["keys_included"]) == (0, 700, True), err
        assert (city.folder / "later/keys/city.secret").stat().st_mode & 0o777 == 0o600
        code, row, err = city.ask("restore", "saved", "--yes")
        assert (code, row["live"]) == (0, False), err
    with city.running():
        assert reconcile(edge, kit, hello).ranges == [(0, 400)]
        assert os.listdir(city.folder / "city" / Path(row["aside"]).name)
