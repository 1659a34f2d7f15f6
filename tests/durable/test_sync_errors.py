"""A sync that fails ends the process; a start reads what is there, and nothing that was acked is missing."""

import asyncio
import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from aggregator.store import housekeeping
from durable import DISK, Committer, Disk, GroupCommit, Item, SyncError

REPOSITORY = Path(__file__).parents[2]
SCHEMA = "CREATE TABLE IF NOT EXISTS t (v INTEGER PRIMARY KEY)"
CHILD = """
import sys
from pathlib import Path
import apsw
from durable import Committer
from tests.powercut.vfs import Connection
from durable import Disk

class Failing(apsw.VFSFile):
    syncs = 0
    def __init__(self, name, flags):
        super().__init__("unix", name, flags)
    def xSync(self, flags):
        Failing.syncs += 1
        if Failing.syncs > int(sys.argv[2]):
            raise apsw.IOError("fsync: made to fail")
        super().xSync(flags)

class Vfs(apsw.VFS):
    def __init__(self):
        super().__init__("failing", "unix")
    def xOpen(self, name, flags):
        return Failing(name, flags)

class FailingDisk(Disk):
    def connect(self, path):
        return Connection(path, "failing", True)
    def connect_reader(self, path):
        return Connection(path, "failing", False)

vfs = Vfs()
committer = Committer(Path(sys.argv[1]), schema="CREATE TABLE IF NOT EXISTS t (v INTEGER PRIMARY KEY)",
                      disk=FailingDisk())
for v in range(100_000):
    committer.run(lambda c: c.execute("INSERT INTO t VALUES (?)", (v,)).lastrowid)
    print(v, flush=True)
"""


@pytest.mark.system
@pytest.mark.parametrize("syncs", [8, 9, 20, 61])
def test_a_failed_fsync_ends_the_process_with_74_and_nothing_acked_is_lost(tmp_path: Path, syncs: int) -> None:
    path = tmp_path / "s.db"
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(syncs)], capture_output=True, text=True, timeout=90,
        check=False, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert child.returncode == 74, child.stderr
    assert "fatal disk error" in child.stderr
    acked = [int(line) for line in child.stdout.split()]
    assert acked == list(range(len(acked)))
    again = Committer(path, schema=SCHEMA)
    found = again.read(lambda c: [row[0] for row in c.execute("SELECT v FROM t ORDER BY v")])
    assert found[: len(acked)] == acked
    assert again.run(lambda c: c.execute("INSERT INTO t VALUES (999999)").lastrowid) == 999_999
    again.close()


def test_the_disk_says_which_sync_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(SyncError, match=r"fsync failed.*" + tmp_path.name):
        DISK.sync_folder(tmp_path)


def test_a_failed_sync_of_a_sealed_file_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again would tell that all is well: the kernel reports a failed write-back once."""
    ended: list[BaseException] = []

    async def seal() -> None:
        raise SyncError(errno.EIO, "fsync failed", "sealed")

    def end(error: BaseException) -> None:
        ended.append(error)
        raise SystemExit(74)

    monkeypatch.setattr(housekeeping, "exit_process", end)
    with pytest.raises(SystemExit):
        asyncio.run(housekeeping._for_ever("sealing", seal, 0.001, asyncio.Lock()))
    assert len(ended) == 1


class FullAtFirst(Disk):
    """Has no room for a database to be opened while the ballast lies there."""

    def connect(self, path: Path) -> sqlite3.Connection:
        if self.size(path.with_name(path.name + ".ballast")):
            raise sqlite3.OperationalError("unable to open database file")
        return super().connect(path)


def test_a_start_on_a_full_disk_gives_up_the_ballast(tmp_path: Path) -> None:
    disk = FullAtFirst()
    (tmp_path / "s.db.ballast").write_bytes(b"x" * 4096)
    group = GroupCommit(tmp_path / "s.db", schema=SCHEMA, disk=disk)
    group.commit([Item(lambda c: c.execute("INSERT INTO t VALUES (1)"))])
    assert group.read(lambda c: c.execute("SELECT v FROM t").fetchall()) == [(1,)]
    group.close()
