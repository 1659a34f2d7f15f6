"""The engine's log on disk: chained, merged without losing an entry, bounded, and readable from every base."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from aggregator.replay.recording import Recording
from aggregator.store import log_rows
from aggregator.store.store import Store
from durable import RotError, chained_log
from processes import log

S = 1_000_000


class NoFrames:
    """A log that refers to no samples."""

    missing = samples = 0
    manifests_changed: set[str] = set()  # noqa: RUF012

    def series(self, entry: log.Entry) -> list[Any]:
        return []


def tick(second: int) -> log.Entry:
    return ["tick", second * S, [], {}]


def start(thawed: bool = False) -> log.Entry:
    return ["start", {"instances": [], "fingerprint": {}}, ["flood"] if thawed else [], b"x" * 16 if thawed else b""]


def fill(store: Store, *groups: list[log.Entry]) -> None:
    for group in groups:
        store.committer.run(lambda c, group=group: log_rows.append(c, group, 5 * S))


def entries(store: Store, from_s: int = 0) -> list[log.Entry]:
    return store.committer.read(lambda c: list(Recording(c, NoFrames()).entries(from_s * S, 2**62)))


def rows(store: Store) -> list[Any]:
    query = "SELECT number, first_utc_us / 1000000, last_utc_us / 1000000, base, merged FROM engine_log ORDER BY 1"
    return store.committer.read(lambda c: c.execute(query).fetchall())


def test_merging_keeps_every_entry_and_the_chain(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chained_log, "KEEP_ROWS", 2)
    fill(store, [start()], *([tick(second)] for second in range(10, 20)), [start(True), tick(20)], [tick(21)])
    before, chain = entries(store), _chain(store)
    store.committer.run(chained_log.merge)
    assert rows(store) == [(1, 5, 19, 1, 1), (12, 20, 20, 0, 0), (13, 21, 21, 0, 0)]
    assert entries(store) == before and _chain(store) == chain
    fill(store, [tick(30)], [tick(31)])
    store.committer.run(chained_log.merge)
    assert [row[0] for row in rows(store)] == [1, 12, 14, 15], "a start begins a row of its own"
    assert entries(store)[:-2] == before
    assert store.committer.read(chained_log.thawed) == {b"x" * 16}


def test_what_is_forgotten_ends_before_a_base_and_the_newest_base_stays(store: Store) -> None:
    for day in range(4):
        fill(store, [start(), tick(day * 86_400 + 10)], [tick(day * 86_400 + 20)])
    size = store.committer.read(lambda c: c.execute("SELECT sum(length(body)) FROM engine_log").fetchone()[0])
    assert store.committer.run(lambda c: chained_log.prune(c, size * 6 // 10)) == 4
    assert [row[0] for row in rows(store)] == [5, 6, 7, 8]
    assert store.committer.run(lambda c: chained_log.prune(c, 0)) == 2
    assert [row[0] for row in rows(store)] == [7, 8]
    assert [entry[0] for entry in entries(store)] == ["start", "tick", "tick"]


def test_a_replay_begins_with_the_last_base_before_its_time(store: Store) -> None:
    fill(store, [start(), tick(10)], [tick(20), start(), tick(30)], [tick(40)])
    assert [entry[1] // S for entry in entries(store, 25) if entry[0] == "tick"] == [10, 20, 30, 40]
    assert [entry[1] // S for entry in entries(store, 30) if entry[0] == "tick"] == [30, 40]
    assert [entry[1] // S for entry in entries(store, 1) if entry[0] == "tick"] == [10, 20, 30, 40]


def test_a_base_without_a_time_of_its_own_comes_after_what_was_before(store: Store) -> None:
    fill(store, [start(), tick(100)])
    store.committer.run(lambda c: log_rows.append(c, [start()], 0))
    assert [row[1:3] for row in rows(store)] == [(100, 100), (100, 100)]


@pytest.mark.parametrize("change", [
    "UPDATE engine_log SET body = CAST(substr(body, 1, length(body) - 1) || x'00' AS BLOB) WHERE number = 2",
    "UPDATE engine_log SET body = (SELECT body FROM engine_log WHERE number = 3) WHERE number = 2",
    "DELETE FROM engine_log WHERE number = 2",
])  # fmt: skip
def test_rot_and_tampering_are_found(store: Store, change: str) -> None:
    fill(store, [start()], [tick(10)], [tick(20)])
    store.committer.run(lambda c: c.execute(change))
    with pytest.raises(RotError, match="engine's log"):
        entries(store)


def test_a_store_of_an_earlier_release_has_no_log(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store.db") as connection:
        assert not chained_log.exists(connection)


def _chain(store: Store) -> bytes:
    return bytes(store.committer.read(
        lambda c: c.execute("SELECT chain FROM engine_log ORDER BY number DESC LIMIT 1").fetchone()[0]
    ))  # fmt: skip
