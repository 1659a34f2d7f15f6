"""Sealing into Parquet: a crash at any step leaves every sample once; readers see sealed and hot."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pytest

from aggregator.ingest import Ingest
from aggregator.registry import Registry
from aggregator.store import compactor, reader
from aggregator.store.sealing import STEPS
from aggregator.store.store import Store, Writes
from protocol.city_link import Clock

LATE_EVENING = Clock(0, 86_400_000_000 - 1_000_000, 1.0, 10.0, True)


class Crash(BaseException):
    """Ends the compactor where it stands."""


def fill(store: Store, kit: Any, commits: int, clock: Clock = LATE_EVENING) -> Registry:
    """Store commits of 10 samples each, across a midnight."""
    registry = Registry()
    registry.introduce("edge-1", kit.info(), 1)
    ingest = Ingest(store.overlapping, store.received())
    kit_clock = kit.clock
    kit.clock = clock
    for at in range(commits):
        ingest.take_batch("edge-1", kit.batch(at * 10, 10), at)
        asyncio.run(store.commit(Writes(ingest.close_group(), [("edge-1", kit.info(), 1)])))
    kit.clock = kit_clock
    return registry


def count(store: Store, registry: Registry) -> Any:
    with reader.samples(store.folder, registry.manifest) as query:
        return query.execute("SELECT count(*), count(DISTINCT seq), min(seq), max(seq) FROM samples").fetchone()


@pytest.mark.parametrize("at", STEPS)
@pytest.mark.parametrize("which", [0, 1])
def test_a_crash_at_any_step_loses_and_doubles_nothing(tmp_path: Path, kit: Any, at: str, which: int) -> None:
    store = Store(tmp_path)
    compactor.clean(store)
    registry = fill(store, kit, 6)
    seen: list[str] = []

    def step(name: str) -> None:
        if name == at and seen.count(name) == min(which, 1 if at in STEPS[:3] else 0):
            raise Crash
        seen.append(name)

    with pytest.raises(Crash):
        asyncio.run(compactor.seal_once(store, registry, 2, step))
    assert count(store, registry) == (60, 60, 0, 59)
    store.close()

    again = Store(tmp_path)
    compactor.clean(again)
    assert again.received()[kit.thing, kit.boot].to_list() == [(0, 60)]
    assert count(again, registry) == (60, 60, 0, 59)
    asyncio.run(compactor.seal_once(again, registry, 0))
    assert count(again, registry) == (60, 60, 0, 59)
    assert again.frames_after(-1) == []
    named = {row[0] for row in again.committer.read(lambda c: c.execute("SELECT file FROM sealed").fetchall())}
    assert {p.name for p in (tmp_path / "sealed").iterdir()} == named | {"manifest.json"}
    again.close()


def test_files_are_by_day_sorted_and_numbers_of_commits_go_on(store: Store, kit: Any) -> None:
    registry = fill(store, kit, 3)
    assert asyncio.run(compactor.seal_once(store, registry, 1)) == 20
    with reader.samples(store.folder, registry.manifest) as query:
        days = query.execute("SELECT t_utc_us // 86400000000, count(*) FROM samples GROUP BY 1 ORDER BY 1").fetchall()
        assert days == [(0, 10), (1, 20)]
        rows = query.execute("SELECT datastream, value, quality, commit_no FROM samples WHERE seq = 25").fetchall()
        assert rows == [("river-1/water_level", 1.0, 1, 3)]
    with reader.samples(store.folder) as query:
        names = query.execute("SELECT datastream, count(*) FROM samples GROUP BY 1").fetchall()
        assert names == [("river-1/water_level", 30)]
    number = store.commit_no
    assert Store(store.folder).commit_no == number == 3


def test_what_the_engine_saw_since_its_snapshot_stays_hot(store: Store, kit: Any) -> None:
    registry = fill(store, kit, 3)
    asyncio.run(store.commit(Writes(frozen=b"state")))
    ingest = Ingest(store.overlapping, store.received())
    for at in range(3, 6):
        ingest.take_batch("edge-1", kit.batch(at * 10, 10), at)
        asyncio.run(store.commit(Writes(ingest.close_group())))
    assert asyncio.run(compactor.seal_once(store, registry, 0)) == 30
    snapshot = store.engine()
    assert snapshot is not None
    assert [frame.first for frame in store.frames_after(snapshot[0])] == [30, 40, 50]
    assert asyncio.run(compactor.seal_once(store, registry, 0)) == 0
    asyncio.run(store.commit(Writes(frozen=b"newer state")))
    assert asyncio.run(compactor.seal_once(store, registry, 0)) == 30
    assert store.frames_after(-1) == []


def test_samples_without_event_time_are_kept_apart(store: Store, kit: Any) -> None:
    registry = fill(store, kit, 2, Clock(0, 0, 1.0, 0.0, False))
    asyncio.run(compactor.seal_once(store, registry, 0))
    assert [p.name.split("-0")[0] for p in (store.folder / "sealed").glob("*.parquet")] == ["unsynced"]
    assert count(store, registry) == (20, 20, 0, 19)
    assert store.latest() == []


def test_latest_outlives_sealing(store: Store, kit: Any) -> None:
    registry = fill(store, kit, 2)
    asyncio.run(compactor.seal_once(store, registry, 0))
    ((name, seen),) = store.latest()
    assert (name, seen.value, seen.quality) == ("river-1/water_level", 1.0, 1)


def test_a_blob_with_flipped_bits_goes_to_quarantine_and_stays_in_the_ledger(store: Store, kit: Any) -> None:
    registry = fill(store, kit, 3)
    store.committer.run(lambda c: c.execute("UPDATE blobs SET data = zeroblob(124) WHERE commit_no = 2") and None)
    asyncio.run(compactor.seal_once(store, registry, 0))
    key = (kit.thing, kit.boot)
    assert store.received()[key].to_list() == [(0, 10), (20, 30)]
    assert store.quarantined()[key].to_list() == [(10, 20)]


def test_queries_can_not_leave_the_store(store: Store, kit: Any, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    registry = fill(store, kit, 1)
    with reader.samples(store.folder, registry.manifest) as query:
        with pytest.raises(duckdb.PermissionException):
            query.execute(f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')")
        with pytest.raises(duckdb.Error):
            query.execute("SET enable_external_access = true")


def test_the_write_ahead_store_is_wal_and_full(store: Store) -> None:
    rows: list[Any] = []
    store.committer.run(lambda c: rows.append(c.execute("PRAGMA synchronous").fetchone()[0]))
    assert rows == [2]
    with sqlite3.connect(store.folder / "store.db") as other:
        assert other.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
