"""The only way to the file system: names and content become durable one after the other, by name."""

from pathlib import Path

import pytest

from durable import Disk
from durable.group import GroupCommit, Item


class Watched(Disk):
    """The real disk, which notes what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def create(self, path: Path) -> None:
        self.asked.append(("create", path.name))
        super().create(path)

    def sync_folder(self, folder: Path) -> None:
        self.asked.append(("sync_folder", folder.name))
        super().sync_folder(folder)


def test_a_new_folder_is_synced_in_each_folder_above_it(tmp_path: Path) -> None:
    disk = Watched()
    disk.make_folder(tmp_path / "a" / "b" / "c")
    assert disk.asked == [("sync_folder", tmp_path.name), ("sync_folder", "a"), ("sync_folder", "b")]
    disk.make_folder(tmp_path / "a" / "b")
    assert len(disk.asked) == 3


def test_a_new_database_is_found_again_before_anything_is_acked(tmp_path: Path) -> None:
    disk = Watched()
    group = GroupCommit(tmp_path / "d" / "s.db", schema="CREATE TABLE t (v)", disk=disk)
    assert disk.asked == [("sync_folder", tmp_path.name), ("create", "s.db"), ("sync_folder", "d")]
    group.close()


def test_names_sizes_and_content(tmp_path: Path) -> None:
    disk = Disk()
    disk.write(tmp_path / "b", b"1234")
    disk.create(tmp_path / "a")
    disk.create(tmp_path / "b")
    assert [disk.size(tmp_path / name) for name in ("a", "b", "c")] == [0, 4, None]
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    disk.rename(tmp_path / "b", tmp_path / "a")
    disk.unlink(tmp_path / "nothing")
    assert disk.names(tmp_path) == ["a"]
    disk.unlink(tmp_path / "a")
    assert disk.names(tmp_path) == []


def test_a_group_needs_no_thread_and_tells_after_the_commit(tmp_path: Path) -> None:
    group = GroupCommit(tmp_path / "s.db", schema="CREATE TABLE IF NOT EXISTS t (v INTEGER PRIMARY KEY)")
    told: list[object] = []
    good = Item(lambda c: c.execute("INSERT INTO t VALUES (1)").lastrowid, told.append, told.append)
    bad = Item(lambda c: 1 / 0, told.append, told.append)
    group.commit([good, bad])
    assert told == [], "telling is the caller's, after the commit"
    assert group.read(lambda c: c.execute("SELECT v FROM t").fetchall()) == [(1,)]
    for item in (good, bad):
        item.tell()
    assert told[0] == 1 and isinstance(told[1], ZeroDivisionError)
    assert (group.commits, group.works, group.failures) == (1, 2, 1)
    group.close()


def test_an_orderly_end_leaves_all_in_the_file(tmp_path: Path) -> None:
    group = GroupCommit(tmp_path / "s.db", schema="CREATE TABLE t (v)")
    group.commit([Item(lambda c: c.execute("INSERT INTO t VALUES (1)"))])
    assert "s.db-wal" in Disk().names(tmp_path)
    group.close()
    assert Disk().names(tmp_path) == ["s.db", "s.db.ballast"]


def test_the_reader_can_not_write(tmp_path: Path) -> None:
    group = GroupCommit(tmp_path / "s.db")
    with pytest.raises(Exception, match="readonly"):
        group.read(lambda c: c.execute("CREATE TABLE u (v)"))
    group.close()
