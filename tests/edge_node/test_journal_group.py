"""Frames that wait for the same commit become batches: nothing is missing, nothing is twice, each is told once."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.journal import rows
from edge_node.journal.group import MAX_SAMPLES, Frame, Stored, write
from edge_node.journal.rows import NewBatch
from protocol.city_link import Clock

from .journal_desk import BOOT, Desk

OLD, NEW, UNSYNCED = Clock(0, 10, 1.0, 5.0, True), Clock(9, 19, 1.0, 2.0, True), Clock(0, 0, 1.0, 9e9, False)


def part(thing: str, first: int, n: int, clock: Clock = OLD, rx_us: int = 1) -> NewBatch:
    packed = b"".join(i.to_bytes(12, "little") for i in range(first, first + n))
    return NewBatch(thing, BOOT, first, n, clock, rx_us, packed)


def frame(row: int, *parts: NewBatch, own: int = 0) -> Frame:
    made = part("edge-1", 0, own) if own else None
    return Frame(row, list(parts), made, lambda stored: None, lambda error: None)


def written(*frames: Frame) -> tuple[list[Stored], list[tuple[Any, ...]]]:
    """Return what came of each frame, and the rows on disk without their blobs."""
    with sqlite3.connect(":memory:") as c:
        c.executescript(rows.SCHEMA)
        for migration in rows.MIGRATIONS:
            migration.run(c)
        stored = write(c, frames)
        return stored, c.execute("SELECT id, thing, first, n, rx_us FROM batches ORDER BY id").fetchall()


def test_what_follows_is_one_batch_with_the_newest_clock_and_the_first_row() -> None:
    stored, found = written(
        frame(5, part("a", 0, 3)), frame(7, part("a", 3, 2)), frame(9, part("a", 5, 1, NEW, rx_us=8))
    )
    assert found == [(5, "a", 0, 6, 8)]
    assert [len(s.batches) for s in stored] == [0, 0, 1]
    batch = stored[2].batches[0]
    assert (batch.row, batch.first, batch.n, batch.clock) == (5, 0, 6, NEW)
    assert batch.records == part("a", 0, 6).records


@pytest.mark.parametrize(
    "second", [part("a", 4, 2), part("a", 1, 2), part("b", 3, 2), part("a", 3, 2, UNSYNCED), part("a", 3, MAX_SAMPLES)]
)
def test_what_does_not_follow_is_another_batch(second: NewBatch) -> None:
    stored, found = written(frame(5, part("a", 0, 3)), frame(7, second))
    assert found == [(5, "a", 0, 3, 1), (7, second.thing, second.first, second.n, 1)]
    assert [[batch.row for batch in s.batches] for s in stored] == [[5], [7]]


def test_streams_do_not_part_each_other() -> None:
    _, found = written(*(frame(2 * i, part("ab"[i % 2], i // 2, 1)) for i in range(6)))
    assert found == [(0, "a", 0, 3, 1), (2, "b", 0, 3, 1)]


def test_own_samples_are_one_batch_numbered_in_the_commit() -> None:
    stored, found = written(frame(1, part("a", 0, 1), own=4), frame(3, part("b", 0, 1), own=2))
    assert (2, "edge-1", 0, 6, 1) in found
    assert stored[0].own is None
    assert stored[1].own is not None and (stored[1].own.row, stored[1].own.first, stored[1].own.n) == (2, 0, 6)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(1, 900), st.booleans()), max_size=12))
def test_nothing_is_missing_and_nothing_is_twice(drawn: list[tuple[str, int, int, bool]]) -> None:
    ends, frames, given_samples = {"a": 0, "b": 0}, [], {}
    for number, (thing, skip, n, synced) in enumerate(drawn):
        first = ends[thing] + skip
        ends[thing] = first + n
        new = part(thing, first, n, OLD if synced else UNSYNCED)
        given_samples.update({(thing, first + i): new.records[12 * i : 12 * i + 12] for i in range(n)})
        frames.append(frame(2 * number, new))
    stored, found = written(*frames)
    batches = [batch for told in stored for batch in told.batches]
    assert sorted((b.row, b.thing, b.first, b.n, b.rx_us) for b in batches) == found
    kept = {(b.thing, b.first + i): b.records[12 * i : 12 * i + 12] for b in batches for i in range(b.n)}
    assert kept == given_samples
    assert sum(b.n for b in batches) == len(given_samples)
    assert all(b.n <= MAX_SAMPLES for b in batches)


def test_frames_gather_while_a_commit_is_on_its_way(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "journal.db")
    for first in range(0, 50, 10):
        desk.take(first, 10, alone=False)
    desk.settle()
    assert [(b.first, b.n) for b in desk.pending()] == [(0, 10), (10, 40)]
    assert [len(s.batches) for s in desk.stored] == [1, 0, 0, 0, 1]
    assert desk.journal.streams.of("river-1", BOOT).received.to_list() == [(0, 50)]


def test_what_has_gathered_is_written_before_the_journal_closes(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "journal.db")
    for first in range(0, 30, 10):
        desk.take(first, 10, alone=False)
    desk.journal.close()
    again = Desk(tmp_path / "journal.db")
    assert sum(batch.n for batch in again.pending()) == 30
