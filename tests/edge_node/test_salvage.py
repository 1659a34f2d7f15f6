"""A damaged or copied journal: what can be read is kept, what is lost is said, numbers are never used twice."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable import DISK
from edge_node.config import EdgeConfig, parse
from edge_node.errors import JournalDamagedError
from edge_node.journal import city, salvage
from edge_node.journal import rows as journal_rows
from edge_node.journal.identity import COPY_MARGIN
from edge_node.journal.journal import Journal
from edge_node.journal.mending import open_sound_journal
from edge_node.journal.start_file import NAME, StartFile
from protocol.city_link import GapRecord
from protocol.ranges import Ranges

from .damage import PAGE_SIZE, pages_of, wipe
from .journal_desk import BOOT, Desk, reopened


def config(folder: Path) -> EdgeConfig:
    board = {"thing": "river-1", "port": "x", "key_file": "k"}
    keys = dict.fromkeys(("server_public_file", "public_file", "secret_file", "verify_key_file"), "k")
    data = {"edge": {"id": "edge-1", "data_dir": "edge"}, "boards": [board], "city": {"endpoint": "tcp://x:1", **keys}}
    return parse(data, folder)


def written(folder: Path, batches: int = 400) -> Path:
    """A journal with as many batches of 10, some acked, a gap, a snapshot; return its path."""
    desk = Desk(folder / "edge" / "journal.db")
    desk.journal.began("river-1", BOOT)
    for at in range(batches):
        desk.take(at * 10, 10)
    desk.journal.save("snapshots", "engine", b"frozen")
    desk.journal.gap(GapRecord("river-1", BOOT, 3, 9000, 9010, "overflow", "river-1"), lambda g: None)
    desk.settle()
    desk.journal.city_has("river-1", BOOT, [(0, 500)], [])
    desk.settle()
    desk.committer.close()
    return desk.committer.path


def mended(folder: Path) -> Journal:
    calls: list[Callable[[], None]] = []
    journal = open_sound_journal(config(folder), calls.append)
    return journal


def pending(journal: Journal) -> Ranges:
    found = journal.run(lambda c: journal_rows.read_page(c, 0, journal.next_row, 10_000))
    return Ranges((row[3], row[3] + row[4]) for row in found)


def test_a_damaged_page_of_batches_is_survived_and_its_samples_are_declared(tmp_path: Path) -> None:
    path = written(tmp_path)
    leaves = pages_of(path, "batches")
    wipe(path, leaves[len(leaves) // 2])
    salvage.beside(path, salvage.SUSPECT).touch()
    journal = mended(tmp_path)
    stream = journal.streams.of("river-1", BOOT)
    gaps = [gap for gap in journal.gaps.values() if gap.cause == "damage"]
    lost = Ranges((gap.first, gap.end) for gap in gaps)
    assert 0 < lost.total() <= 400, "a page's worth"
    assert pending(journal).union(lost) == Ranges([(500, 4000)]) and not pending(journal).intersection(lost)
    assert stream.balance().unexplained == 0 and {gap.declared_by for gap in gaps} == {"edge-1"}
    assert journal.saved("snapshots") == {"engine": b"frozen"}
    assert len(journal.gaps) == len(gaps) + 1, "the board's own gap is still to be told"
    assert "journal.db.damaged-1" in journal.notices[0] and journal.health()["notices"]
    journal.close()
    assert not salvage.beside(path, salvage.SUSPECT).exists()
    again = mended(tmp_path)
    assert list(again.gaps) == list(journal.gaps), "declared once"
    again.close()
    (path.parent / "journal.db.damaged-1").unlink()
    last = mended(tmp_path)
    assert last.notices == []
    last.close()


def test_what_a_damaged_journal_held_is_declared_but_not_what_is_elsewhere(tmp_path: Path) -> None:
    """10 batches of 10: the first was acked, the second dropped, the third set aside; the next four are gone."""
    desk = Desk(tmp_path / "journal.db")
    for at in range(10):
        desk.take(at * 10, 10)
    desk.journal.city_has("river-1", BOOT, [(0, 10)], [])
    desk.settle()
    key = ("river-1", BOOT)

    def spoil(c: sqlite3.Connection) -> None:
        city.declare(c, "edge-1", key, [(10, 20)], "quota")
        journal_rows.grow(c, "quarantined", *key, [(20, 30)])
        c.execute("DELETE FROM batches WHERE first < 70")

    desk.committer.run(spoil)
    assert desk.committer.run(lambda c: city.declare_damage(c, "edge-1", {key: Ranges([(60, 100)])})) == 30
    again = reopened(desk)
    stream, gaps = again.journal.streams.of(*key), again.journal.gaps.values()
    assert [(g.first, g.end, g.declared_by) for g in gaps if g.cause == "damage"] == [(30, 60, "edge-1")]
    assert stream.recall.to_list() == [(60, 70)], "the board still has these: they are taken again, not lost"
    assert not stream.received.covers(60, 70) and stream.received.covers(70, 100)
    assert again.committer.run(lambda c: city.declare_damage(c, "edge-1", {})) == 0, "declared once"
    again.committer.close()


@pytest.mark.parametrize("table", ["streams", "meta", "gaps", "snapshots"])
def test_any_table_may_be_damaged(table: str, tmp_path: Path) -> None:
    path = written(tmp_path)
    wipe(path, pages_of(path, table)[0])
    salvage.beside(path, salvage.SUSPECT).touch()
    journal = mended(tmp_path)
    assert pending(journal) == Ranges([(500, 4000)])
    assert journal.streams.of("river-1", BOOT).received.covers(500, 4000)
    assert not [gap for gap in journal.gaps.values() if gap.cause == "damage"], "of the samples nothing is lost"
    assert journal.begin().starts >= 1
    journal.close()


def test_a_file_that_is_no_database_is_moved_aside_without_being_told(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(b"\xa5" * 50_000)
    journal = mended(tmp_path)
    assert not journal.streams.by_key and journal.notices
    assert (path.parent / "journal.db.damaged-1").read_bytes() == b"\xa5" * 50_000
    journal.close()


def test_a_sound_file_that_was_suspected_stays(tmp_path: Path) -> None:
    path = written(tmp_path)
    salvage.beside(path, salvage.SUSPECT).touch()
    journal = mended(tmp_path)
    assert not journal.notices and pending(journal).total() == 3500
    assert not salvage.beside(path, salvage.SUSPECT).exists()
    journal.close()


@pytest.mark.parametrize("crash_at", range(8))
def test_a_crash_anywhere_in_a_salvage_is_gone_on_from(
    crash_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path)
    leaves = pages_of(path, "batches")
    wipe(path, leaves[3])
    salvage.beside(path, salvage.SUSPECT).touch()
    calls = 0

    def failing(name: str) -> Callable[..., None]:
        real = getattr(type(DISK), name)

        def call(self: object, *args: object) -> None:
            nonlocal calls
            calls += 1
            if calls == crash_at + 1:
                raise KeyboardInterrupt
            real(self, *args)

        return call

    with monkeypatch.context() as patch:
        for name in ("rename", "unlink"):
            patch.setattr(type(DISK), name, failing(name))
        try:
            mended(tmp_path).close()
        except KeyboardInterrupt:
            pass
        else:
            assert calls <= crash_at, "all of it was tried"
    journal = mended(tmp_path)
    lost = Ranges((gap.first, gap.end) for gap in journal.gaps.values() if gap.cause == "damage")
    assert pending(journal).union(lost).union(Ranges([(0, 500)])) == Ranges([(0, 4000)])
    assert (path.parent / "journal.db.damaged-1").exists()
    assert journal.streams.of("river-1", BOOT).balance().unexplained == 0
    journal.close()


def test_without_room_for_the_copy_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    wipe(path, pages_of(path, "batches")[3])
    salvage.beside(path, salvage.SUSPECT).touch()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(salvage, "_copy_table", full)
    with pytest.raises(JournalDamagedError, match="Make room on that disk"):
        mended(tmp_path)
    assert path.exists(), "and nothing was moved"


@settings(max_examples=40, deadline=None)
@given(wiped=st.sets(st.integers(0, 19), max_size=12), rows=st.integers(0, 400))
def test_every_row_outside_damaged_pages_is_read(
    wiped: set, rows: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("d") / "x.db"
    c = sqlite3.connect(path)
    c.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)")
    c.executemany("INSERT INTO t VALUES (?, ?)", [(i * i // 7 + i, bytes(200)) for i in range(rows)])
    c.commit()
    c.close()
    leaves = pages_of(path, "t")
    whole = {row[0] for row in sqlite3.connect(path).execute("SELECT id FROM t")}
    bounds = [sqlite3.connect(path).execute("SELECT count(*) FROM t").fetchone()[0]]
    assert bounds[0] == rows
    broken = [leaves[at] for at in sorted(wiped) if at < len(leaves) and leaves[at] != 1]
    alone = {page: rows_of(path, page) for page in broken}
    for page in broken:
        wipe(path, page)
    source = sqlite3.connect(path)
    found = [row[0] for row in salvage.readable(source, "t", ["id", "v"])]
    source.close()
    missing = whole - set(found)
    assert missing <= hull(sorted(id_ for ids in alone.values() for id_ in ids), sorted(whole), alone)


def rows_of(path: Path, page: int) -> list[int]:
    """Return the rowids on a leaf page."""
    data = path.read_bytes()[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    found = []
    for cell in range(int.from_bytes(data[3:5], "big")):
        at = int.from_bytes(data[8 + 2 * cell : 10 + 2 * cell], "big")
        at += 1 + (data[at] >= 0x80)  # the payload's length
        number, more = 0, True
        while more:
            number, more, at = number << 7 | data[at] & 0x7F, data[at] >= 0x80, at + 1
        found.append(number)
    return found


def hull(lost: list[int], whole: list[int], alone: dict) -> set[int]:
    """Return the rows on damaged pages, and those between two of them that no scan from outside can reach."""
    return {row for row in whole if lost and lost[0] <= row <= lost[-1]} if len(alone) > 1 else set(lost)


def test_an_older_copy_of_the_journal_uses_no_number_again(tmp_path: Path) -> None:
    desk, note = Desk(tmp_path / "journal.db"), StartFile(tmp_path)
    first = desk.journal.begin(random_bits=lambda n: 5, known=note.read())
    note.write(first.started)
    desk = reopened(desk)
    second = desk.journal.begin(random_bits=lambda n: 6, known=note.read())
    note.write(second.started)
    assert second.boot.split("-")[0] == first.boot.split("-")[0] and not second.copied and not desk.journal.notices
    desk.settle()
    desk.committer.close()
    copy = (tmp_path / "journal.db").read_bytes()
    desk = Desk(tmp_path / "journal.db")
    third = desk.journal.begin(random_bits=lambda n: 7, known=note.read())
    note.write(third.started)
    desk.settle()
    desk.committer.close()
    (tmp_path / "journal.db").write_bytes(copy)
    desk = Desk(tmp_path / "journal.db")
    fourth = desk.journal.begin(random_bits=lambda n: 8, known=note.read())
    assert fourth.boot.split("-")[0] not in (first.boot.split("-")[0], third.boot.split("-")[0])
    assert fourth.starts > third.starts, "fences go on rising"
    assert fourth.counters[0] >= third.counters[1] + COPY_MARGIN
    assert "older copy" in desk.journal.notices[0]
    note.write(fourth.started)
    desk = reopened(desk)
    assert not desk.journal.begin(known=note.read()).copied
    desk.committer.close()


def test_a_deleted_journal_goes_on_ahead_of_what_it_used(tmp_path: Path) -> None:
    desk, note = Desk(tmp_path / "a.db"), StartFile(tmp_path)
    for _ in range(3):
        used = desk.journal.begin()
    note.write(used.started)
    desk.committer.close()
    desk = Desk(tmp_path / "b.db")
    after = desk.journal.begin(known=note.read())
    assert after.starts > used.starts and after.counters[0] > used.counters[1]
    assert after.boot.split("-")[0] != used.boot.split("-")[0]
    desk.committer.close()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"incarnation": "x", "starts": 1, "commands": 2}', None])
def test_a_start_file_that_says_nothing_is_none(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / NAME).write_bytes(content)
    assert StartFile(tmp_path).read() is None
