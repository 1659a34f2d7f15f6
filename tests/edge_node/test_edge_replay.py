"""What an edge node's processes decided is decided again from its journal, also after kill -9."""

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from cityreflex.commands.replay import replay
from durable import chained_log, opened, sealed
from tests.waiting import until

from .stack import PROCESS, Stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path, process=True)
    yield made
    made.close()


def rows(folder: Path) -> int:
    """How many rows the node's log has; 0 while the node still makes its journal."""
    with closing(sqlite3.connect(f"file:{folder / 'edge' / 'journal.db'}?mode=ro", uri=True)) as journal:
        if not chained_log.exists(journal):
            return 0
        return int(journal.execute("SELECT count(*) FROM engine_log").fetchone()[0])


def takes_new_process_files(stack: Stack) -> None:
    """Reload on SIGHUP: a wrong file changes nothing, a right one begins again from the journal."""
    until(lambda: stack.get("processes")[0]["last_step_utc_us"])
    file, log = stack.folder / "follow.toml", stack.folder / "edge.log"
    assert stack.get("processes/follow/explain")["inputs"][0]["newest"]["quality_name"] == "good"
    for text, said in (("every_s = -1", b"reload refused"), ("every_s = 0.1", b"processes reloaded")):
        file.write_text(PROCESS.replace("every_s = 0.2", text))
        assert stack.edge is not None
        stack.edge.send_signal(signal.SIGHUP)
        until(lambda said=said: said in log.read_bytes())
    steps = stack.get("processes")[0]
    assert steps["every_s"] == 0.1
    until(lambda: stack.get("processes")[0]["steps"] > steps["steps"] + 5)


@pytest.mark.system
def test_a_killed_node_leaves_a_record_that_replays(stack: Stack) -> None:
    folder, journal = stack.folder, stack.folder / "edge" / "journal.db"
    for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
        before = rows(folder) if journal.exists() else 0
        stack.start_edge()
        until(lambda before=before: journal.exists() and rows(folder) > before + 3)
        if number == signal.SIGTERM:
            takes_new_process_files(stack)
        stack.stop_edge(number)
    done = CliRunner().invoke(replay, ["--data", str(folder / "edge"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found["equal"] and found["steps"] > 10 and found["missing_samples"] == 0
    assert [row["instance"] for row in found["instances"]] == ["follow"]

    with closing(sqlite3.connect(journal)) as broken:
        for row, stored in broken.execute("SELECT id, stored FROM batches WHERE thing = 'edge-1'").fetchall():
            records = bytearray(opened(stored) or b"")
            records[11::12] = bytes(0x41 for _ in records[11::12])  # a level of 8 m and more
            broken.execute("UPDATE batches SET stored = ? WHERE id = ?", (sealed(bytes(records)), row))
        broken.commit()
    assert CliRunner().invoke(replay, ["--data", str(folder / "edge")]).exit_code == 6
