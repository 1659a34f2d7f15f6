"""Migrations: one way for new and old databases, all or nothing, refused when the file is from a later release."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from durable import Committer, Migration, TooNewError
from durable.migrations import version

SCHEMA = "CREATE TABLE IF NOT EXISTS t (a INTEGER NOT NULL)"
ADD_B = Migration("b", "ALTER TABLE t ADD COLUMN b INTEGER NOT NULL DEFAULT 7")
ADD_U = Migration("u", "CREATE TABLE u (x)", lambda c: c.execute("INSERT INTO u SELECT a * 10 FROM t"))


def reopen(path: Path, migrations: Sequence[Migration], statement: str = "SELECT 1") -> list[tuple[object, ...]]:
    committer = Committer(path, schema=SCHEMA, migrations=migrations)
    try:
        return committer.run(lambda c: c.execute(statement).fetchall())
    finally:
        committer.close()


def tables(path: Path) -> tuple[int, list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    columns = "SELECT m.name, c.name, c.type, c.dflt_value FROM sqlite_master m, pragma_table_info(m.name) c"
    found = connection.execute(f"{columns} ORDER BY 1, 2").fetchall()
    number = version(connection)
    connection.close()
    return number, found


def test_a_new_and_an_old_database_come_to_the_same_tables(tmp_path: Path) -> None:
    reopen(tmp_path / "old.db", (), "INSERT INTO t VALUES (1)")
    assert tables(tmp_path / "old.db")[0] == 0
    reopen(tmp_path / "old.db", (ADD_B,))
    assert reopen(tmp_path / "old.db", (ADD_B, ADD_U), "SELECT a, b, x FROM t, u") == [(1, 7, 10)]
    reopen(tmp_path / "new.db", (ADD_B, ADD_U))
    assert tables(tmp_path / "new.db") == tables(tmp_path / "old.db")
    assert tables(tmp_path / "new.db")[0] == 2


def test_a_migration_runs_once(tmp_path: Path) -> None:
    for _ in range(3):
        reopen(tmp_path / "t.db", (ADD_B, ADD_U), "INSERT INTO t (a) VALUES (1)")
    assert reopen(tmp_path / "t.db", (ADD_B, ADD_U), "SELECT count(*) FROM u") == [(0,)]


def test_an_earlier_release_opens_what_only_grew_and_keeps_its_version(tmp_path: Path) -> None:
    reopen(tmp_path / "t.db", (ADD_B, ADD_U))
    assert reopen(tmp_path / "t.db", (), "INSERT INTO t (a) VALUES (5) RETURNING a") == [(5,)]
    assert reopen(tmp_path / "t.db", (ADD_B, ADD_U), "SELECT a, b FROM t") == [(5, 7)]
    assert tables(tmp_path / "t.db")[0] == 2


def test_an_earlier_release_is_told_what_it_cannot_open(tmp_path: Path) -> None:
    drop = Migration("no b any more", "ALTER TABLE t DROP COLUMN b", additive=False)
    reopen(tmp_path / "t.db", (ADD_B, drop, ADD_U))
    before = (tmp_path / "t.db").read_bytes()
    with pytest.raises(TooNewError, match=r"t\.db: a later release .* \(schema 3, .* knows 2\); this one knows 1\."):
        reopen(tmp_path / "t.db", (ADD_B,))
    assert (tmp_path / "t.db").read_bytes() == before
    reopen(tmp_path / "t.db", (ADD_B, drop))


def test_a_failing_step_undoes_all(tmp_path: Path) -> None:
    reopen(tmp_path / "t.db", (), "INSERT INTO t VALUES (1)")
    before = tables(tmp_path / "t.db")
    with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"):
        reopen(tmp_path / "t.db", (ADD_B, Migration("broken", "CREATE TABLE u (x)", "INSERT INTO nowhere VALUES (1)")))
    assert tables(tmp_path / "t.db") == before
    assert reopen(tmp_path / "t.db", (ADD_B, ADD_U), "SELECT x FROM u") == [(10,)]


KILLED = """
import os, signal, sys
from pathlib import Path
from durable import Committer, Migration
die = lambda c: os.kill(os.getpid(), signal.SIGKILL)
steps = ["ALTER TABLE t ADD COLUMN b INTEGER NOT NULL DEFAULT 7", "CREATE TABLE u (x)",
         lambda c: c.execute("INSERT INTO u SELECT a * 10 FROM t")]
steps.insert(int(sys.argv[2]), die)
Committer(Path(sys.argv[1]), schema="CREATE TABLE IF NOT EXISTS t (a INTEGER NOT NULL)",
          migrations=(Migration("b", *steps[:2]), Migration("u", *steps[2:])))
"""


@pytest.mark.parametrize("at", range(4))
def test_a_kill_in_the_middle_leaves_the_old_database(tmp_path: Path, at: int) -> None:
    reopen(tmp_path / "t.db", (), "INSERT INTO t VALUES (1)")
    before = tables(tmp_path / "t.db")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "t.db"), str(at)]
    assert subprocess.run(command, env=environment, timeout=90, check=False).returncode == -signal.SIGKILL
    assert tables(tmp_path / "t.db") == before
    assert reopen(tmp_path / "t.db", (ADD_B, ADD_U), "SELECT a, b, x FROM t, u") == [(1, 7, 10)]
