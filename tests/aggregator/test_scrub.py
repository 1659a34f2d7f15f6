"""Rot is looked for: broken blobs and files are set aside, the ledger hears of it, intact copies are welcome again."""

import asyncio
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from city_process import CityFolder, Edge
from city_turns import T, acked, sealed_city, turn

from aggregator.errors import DamagedError
from aggregator.ledger import view as ledger_view
from aggregator.pages import status
from aggregator.store import compactor, housekeeping, scrub
from aggregator.store.store import Store

FAST = 10_000.0


def scrubbed(store: Store, city: Any) -> None:
    """One round, at once."""
    asyncio.run(housekeeping.scrub_round(lambda: (store, city), asyncio.Lock(), FAST))


def counts(city: Any) -> tuple[int, int, int]:
    rows = ledger_view.account_rows(city.ingest, city.accounts, {})
    totals = ledger_view.ledger_table(rows)["totals"]
    return totals["stored"], totals["quarantined"], totals["unexplained"]


def account(kit: Any, city: Any) -> None:
    kit.give(city, T, kit.heartbeat(5, 120))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(bytes(data))


def break_blob(store: Store, number: int) -> None:
    query = "UPDATE blobs SET data = zeroblob(length(data)) WHERE commit_no = ?"
    store.committer.run(lambda c: c.execute(query, (number,)) and None)


def test_nothing_wrong_changes_nothing(kit: Any, store: Store) -> None:
    city = sealed_city(kit, store)
    account(kit, city)
    scrubbed(store, city)
    assert counts(city) == (120, 0, 0)
    assert status.alarms(city) == []


def test_a_broken_hot_blob_is_quarantined_told_and_taken_anew(kit: Any, store: Store) -> None:
    city = sealed_city(kit, store)
    account(kit, city)
    break_blob(store, store.commit_no)
    scrubbed(store, city)
    assert counts(city) == (110, 10, 0)
    assert "10 stored samples failed their checksum" in status.alarms(city)[0]
    again = kit.city(store)
    assert again.ingest.quarantined[kit.thing, kit.boot].to_list() == [(110, 120)]
    assert acked(turn(again, store, kit, kit.batch(110, 10, 12.0))) == [(110, 120)]
    assert status.alarms(again) == []
    third = kit.city(store)
    assert third.ingest.stored[kit.thing, kit.boot].to_list() == [(0, 120)]
    assert not any(ranges.total() for ranges in third.ingest.quarantined.values())


@pytest.mark.parametrize("how", ["flip", "gone"])
def test_a_broken_sealed_file_leaves_the_catalogue_and_a_copy_is_kept(kit: Any, store: Store, how: str) -> None:
    city = sealed_city(kit, store)
    account(kit, city)
    (file,) = (store.folder / "sealed").glob("*.parquet")
    if how == "flip":
        flip(file)
    else:
        file.unlink()
    scrubbed(store, city)
    assert counts(city) == (20, 100, 0)
    assert (store.folder / "quarantine" / file.name).exists() == (how == "flip")
    assert store.received()[kit.thing, kit.boot].to_list() == [(100, 120)]
    assert file.name not in (store.folder / "sealed/manifest.json").read_text()
    for at in range(10):
        turn(city, store, kit, kit.batch(at * 10, 10, 1.0 + at))
    assert counts(city) == (120, 0, 0)
    scrubbed(store, city)
    assert counts(city) == (120, 0, 0)
    compactor.clean(store)
    assert (store.folder / "quarantine" / file.name).exists() == (how == "flip"), "a start deletes no evidence"


def test_files_of_an_earlier_release_get_their_checksum_at_first_sight(kit: Any, store: Store) -> None:
    city = sealed_city(kit, store)
    account(kit, city)
    store.committer.run(lambda c: c.execute("DELETE FROM sealed_sums") and None)
    scrubbed(store, city)
    sums = dict(store.committer.read(lambda c: c.execute("SELECT file, sha256 FROM sealed_sums").fetchall()))
    assert len(sums) == 1
    flip(next((store.folder / "sealed").glob("*.parquet")))
    scrubbed(store, city)
    assert counts(city)[1] == 100


def test_a_broken_blob_met_while_sealing_is_told_at_once(kit: Any, store: Store) -> None:
    city = sealed_city(kit, store)
    account(kit, city)
    break_blob(store, store.commit_no)
    done = compactor.seal_once(store, city.registry, 0, aside=lambda spans: housekeeping.set_aside(city, spans))
    asyncio.run(done)
    assert counts(city) == (110, 10, 0)


def test_reading_is_in_slices(kit: Any, store: Store) -> None:
    sealed_city(kit, store)
    reader = scrub.Round(store.folder)
    steps = [reader.step(100)]
    while not steps[-1].over:
        steps.append(reader.step(100))
    reader.close()
    assert len(steps) == 4
    assert not any(step.found for step in steps)


def damage(database: Path, table: str) -> None:
    with closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = db.execute("PRAGMA page_size").fetchone()[0]
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    data = bytearray(database.read_bytes())
    data[(root - 1) * page : (root - 1) * page + 64] = b"\xff" * 64
    database.write_bytes(bytes(data))


def test_a_damaged_page_is_an_alarm_with_a_next_step(kit: Any, store: Store) -> None:
    city = sealed_city(kit, store)
    store.close()
    damage(store.folder / "store.db", "things")
    reader = scrub.Round(store.folder)
    found = [page for table in reader.tables() if (page := reader.check(table)) is not None]
    reader.close()
    assert len(found) == 1 and "things" in found[0].text
    asyncio.run(housekeeping.put_right(store, city, found[0]))
    assert "city restore" in status.alarms(city)[0]


@pytest.mark.parametrize("table", ["frames", "sealed", "gaps"])
def test_a_store_with_a_damaged_page_names_itself(kit: Any, store: Store, table: str) -> None:
    sealed_city(kit, store)
    store.close()
    damage(store.folder / "store.db", table)

    def everything() -> None:
        again = Store(store.folder)
        try:
            for read in (again.received, again.lost, again.gaps):
                read()
        finally:
            again.close()

    with pytest.raises(DamagedError, match=r"store\.db"):
        everything()


@pytest.mark.system
def test_a_start_on_a_damaged_store_says_what_to_do_and_a_restore_mends_it(tmp_path: Path, kit: Any) -> None:
    city = CityFolder(tmp_path)
    with city.running() as process:
        edge = Edge(city)
        edge.hello()
        edge.say(kit.info())
        edge.deliver(*(kit.batch(at * 10, 10) for at in range(10)))
        process.terminate()
        process.wait(90)
    assert city.ask("backup", "saved")[0] == 0
    damage(tmp_path / "city/store.db", "frames")
    done = subprocess.run(
        city.command(), cwd=tmp_path, env=city.environment(), capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 6
    assert "the store is damaged" in done.stderr
    assert "next: put the newest backup back: city restore BACKUP" in done.stderr
    code, _, err = city.ask("restore", "saved", "--yes")
    assert code == 0, err
    with city.running():
        assert city.get("/ledger")["totals"]["stored"] == 100
    edge.close()


def test_pages_are_checked_table_by_table_while_others_work(
    kit: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of housekeeping is free while a large table is read; a restore then ends the round."""
    city, quiet, seen = sealed_city(kit, store), asyncio.Lock(), []
    check = scrub.Round.check

    def checking(self: scrub.Round, table: str) -> Any:
        seen.append((table, quiet.locked()))
        return check(self, table)

    monkeypatch.setattr(scrub.Round, "check", checking)
    present = lambda: (store if len(seen) < 4 else None, city)  # noqa: E731
    asyncio.run(housekeeping.scrub_round(present, quiet, FAST))  # type: ignore[arg-type]
    assert [locked for _, locked in seen] == [False] * 4, "and the fourth is the last: the store has been replaced"
    scrubbed(store, city)
    assert {"blobs", "frames", "sealed", "sqlite_schema"} <= {table for table, _ in seen}
