import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable import BacklogError, ClosedError, Committer, DiskFullError
from durable.ballast import SIZE, Ballast

SCHEMA = "CREATE TABLE IF NOT EXISTS t (v INTEGER PRIMARY KEY)"


def insert(value: int):
    return lambda c: c.execute("INSERT INTO t VALUES (?)", (value,)).lastrowid


def values(committer: Committer) -> list[int]:
    return committer.read(lambda c: [row[0] for row in c.execute("SELECT v FROM t ORDER BY v")])


@pytest.fixture
def committer(tmp_path: Path) -> Iterator[Committer]:
    made = Committer(tmp_path / "a" / "store.db", schema=SCHEMA)
    yield made
    made.close()


def test_done_comes_after_the_commit(committer: Committer) -> None:
    seen: list[list[int]] = []
    finished = threading.Event()

    def done(_: object) -> None:
        seen.append(values(committer))
        finished.set()

    committer.submit(insert(7), done)
    assert finished.wait(90)
    assert seen == [[7]]


def test_settings_are_durable_and_private(committer: Committer) -> None:
    found = committer.run(
        lambda c: [c.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    )
    assert found == ["wal", 2]
    assert committer.path.stat().st_mode & 0o777 == 0o600


def test_queued_work_is_one_commit(committer: Committer) -> None:
    gate = threading.Event()
    committer.submit(lambda c: gate.wait(90))
    for value in range(50):
        committer.submit(insert(value))
    gate.set()
    committer.run(insert(50))
    assert values(committer) == list(range(51))
    assert committer.commits <= 3


def test_failing_work_is_undone_alone(committer: Committer) -> None:
    errors: list[Exception] = []

    def half(c: sqlite3.Connection) -> None:
        c.execute("INSERT INTO t VALUES (100)")
        raise KeyError("half done")

    gate = threading.Event()
    committer.submit(lambda c: gate.wait(90))
    committer.submit(insert(1))
    committer.submit(half, failed=errors.append)
    committer.submit(insert(1), failed=errors.append)
    committer.submit(insert(2))
    gate.set()
    committer.close()
    assert [type(e) for e in errors] == [KeyError, sqlite3.IntegrityError]
    again = Committer(committer.path, schema=SCHEMA)
    assert values(again) == [1, 2]
    again.close()


def test_close_drains_and_refuses_more(committer: Committer) -> None:
    for value in range(20):
        committer.submit(insert(value))
    committer.close()
    with pytest.raises(ClosedError):
        committer.submit(insert(99))
    with sqlite3.connect(committer.path) as c:
        assert c.execute("SELECT count(*) FROM t").fetchone() == (20,)


def test_backlog_is_bounded(tmp_path: Path) -> None:
    committer = Committer(tmp_path / "s.db", schema=SCHEMA, max_backlog=2)
    running, gate = threading.Event(), threading.Event()
    committer.submit(lambda c: (running.set(), gate.wait(90)))
    assert running.wait(90)
    committer.submit(insert(1))
    committer.submit(insert(2))
    with pytest.raises(BacklogError):
        committer.submit(insert(3))
    gate.set()
    committer.close()


def test_reader_cannot_write(committer: Committer) -> None:
    with pytest.raises(sqlite3.OperationalError):
        committer.read(insert(1))


def test_a_failing_callback_stops_nobody(committer: Committer) -> None:
    committer.submit(insert(1), lambda _: 1 / 0)
    committer.run(insert(2))
    assert values(committer) == [1, 2]


def disk_error(code: int):
    def work(_: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("made up")
        error.sqlite_errorcode = code
        raise error

    return work


def test_io_error_is_fatal(tmp_path: Path) -> None:
    fatal: list[BaseException] = []
    told = threading.Event()
    done: list[object] = []
    committer = Committer(tmp_path / "s.db", schema=SCHEMA, on_fatal=lambda error: (fatal.append(error), told.set()))
    fsync_failed = sqlite3.SQLITE_IOERR | 4 << 8
    committer.submit(disk_error(fsync_failed), done.append)
    assert told.wait(90)
    assert len(fatal) == 1 and not done
    with pytest.raises(ClosedError):
        committer.submit(insert(1))


def test_full_disk_rolls_back_the_group_and_gives_up_the_ballast(committer: Committer) -> None:
    ballast = committer.path.with_name("store.db.ballast")
    assert ballast.stat().st_size == SIZE
    with pytest.raises(DiskFullError):
        committer.run(lambda c: (insert(1)(c), disk_error(sqlite3.SQLITE_FULL)(c)))
    assert committer.full and not ballast.exists()
    committer.run(insert(2))
    assert not committer.full and ballast.stat().st_size == SIZE
    assert values(committer) == [2]


def test_page_limit_is_a_full_disk(committer: Committer) -> None:
    """A real SQLITE_FULL from SQLite itself, not a made-up one."""
    committer.run(lambda c: c.execute("CREATE TABLE big (b BLOB)"))
    committer.run(lambda c: c.execute("PRAGMA max_page_count = 10"))
    with pytest.raises(DiskFullError):
        committer.run(lambda c: c.execute("INSERT INTO big VALUES (zeroblob(500000))"))
    committer.run(insert(1))
    assert values(committer) == [1]


def test_ballast_without_room_is_no_error(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "missing" / "b")
    assert not ballast.fill()


CHILD = """
import sys
from pathlib import Path
from durable import Committer
committer = Committer(Path(sys.argv[1]), schema="CREATE TABLE IF NOT EXISTS t (v INTEGER PRIMARY KEY)")
at = committer.read(lambda c: c.execute("SELECT coalesce(max(v), -1) + 1 FROM t").fetchone()[0])
while True:
    if committer.backlog < 200:
        committer.submit(lambda c, v=at: c.execute("INSERT INTO t VALUES (?)", (v,)),
                         lambda _, v=at: print(v, flush=True))
        at += 1
"""


@pytest.mark.system
def test_what_was_acked_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    acked = -1
    for lines in (50, 400, 3):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(lines):
            acked = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        rest = child.communicate()[0].split("\n")[:-1]
        acked = int(rest[-1]) if rest else acked
        again = Committer(path, schema=SCHEMA)
        found = values(again)
        again.close()
        assert found == list(range(len(found))), "no holes: groups are all or nothing, in order"
        assert len(found) > acked


@settings(max_examples=25, deadline=None)
@given(plan=st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=30))
def test_any_mix_of_good_and_failing_work_keeps_exactly_the_good(
    plan: list[tuple[int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    committer = Committer(tmp_path_factory.mktemp("d") / "s.db", schema=SCHEMA)
    acked: list[int] = []

    def work(value: int, good: bool):
        def run(c: sqlite3.Connection) -> int:
            c.execute("INSERT INTO t VALUES (?)", (value,))
            if not good:
                raise RuntimeError("no")
            return value

        return run

    for value, good in plan:
        committer.submit(work(value, good), acked.append)
    committer.run(lambda c: None)
    assert sorted(acked) == values(committer) == sorted({value for value, good in plan if good})
    committer.close()
