"""After the code of today has worked on them, stores and journals of 0.1.0 are still what 0.1.0 can read and write.

The release itself is not here: as_0_1_0.py reads as it did, and the statements that it ran were recorded.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import as_0_1_0
import pytest
import releases
from inventory import city as city_inventory
from inventory import edge as edge_inventory
from test_upgraded_city import CLOCK, talk
from test_upgraded_edge import Node

from aggregator.store import schema
from aggregator.store.store import Store
from durable import Committer
from edge_node.journal import rows as journal_rows
from edge_node.journal.rows import NewBatch
from protocol.city_link import Batch, GapRecord, TaskReport
from protocol.tasks import Task, encode, task_id

RELEASE = "0.1.0"
SKIPPED = ("PRAGMA", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


@pytest.mark.parametrize("name", ["store.db", "journal.db"])
def test_each_statement_of_the_release_still_works(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    tables = journal_rows if name == "journal.db" else schema
    Committer(path, schema=tables.SCHEMA, migrations=tables.MIGRATIONS).close()
    statements = [text for file, text in releases.wires(RELEASE)["sql"] if file == name]
    kinds = {text.split()[0] for text in statements}
    assert {"INSERT", "SELECT", "DELETE", "CREATE"} <= kinds
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for text in statements:
            if not text.strip().startswith(SKIPPED):
                connection.execute(text).fetchall()


def test_the_release_finds_all_that_the_city_of_today_stored(tmp_path: Path) -> None:
    folder = releases.run_folder(RELEASE, "killed", tmp_path / "run")
    before = as_0_1_0.city(folder / "city" / "store.db")
    thing, boot = next(key for key in before["held"] if key.startswith("river-1 ")).split()
    end = max(before["held"][f"{thing} {boot}"]) + 1
    task = Task(task_id("local", 1, "gate"), "gate-1/opening", 0.5, 3000, "local", 1, "edge-1", "b", 1, 1)
    talk(
        folder,
        [
            Batch(thing, boot, end, 3, CLOCK, 10, 20, bytes(36)),
            GapRecord(thing, boot, 999, end + 3, end + 5, "overflow", thing),
            TaskReport(task.task_id, 5, 0, "", 0.5, {}, task=encode(task)),
        ],
    )
    found = as_0_1_0.city(folder / "city" / "store.db")
    held = before["held"][f"{thing} {boot}"] | {end, end + 1, end + 2}
    assert found["held"] == {**before["held"], f"{thing} {boot}": held}
    gaps = [row for row in found["gaps"] if row not in before["gaps"]]
    assert gaps == [[thing, boot, 999, end + 3, end + 5, "overflow", thing]]
    assert found["tasks"] == [*before["tasks"], task.task_id]
    store = Store(folder / "city")
    assert sum(ranges.total() for ranges in store.received().values()) == sum(map(len, found["held"].values()))
    store.close()


def test_the_release_finds_all_that_the_edge_of_today_keeps(tmp_path: Path) -> None:
    folder = releases.run_folder(RELEASE, "killed", tmp_path / "run")
    before = as_0_1_0.edge(folder / "edge" / "journal.db")
    node = Node(folder)
    records = [bytes([number]) * 12 for number in range(200)]
    node.core.journal.began("new-1", "0000000a-1")
    for first in range(0, 200, 40):
        batch = NewBatch("new-1", "0000000a-1", first, 40, CLOCK, 5, b"".join(records[first : first + 40]))
        node.core.journal.store(batch, None, lambda stored: None)
    node.core.journal.gap(GapRecord("new-1", "0000000a-1", 7, 200, 210, "overflow", "new-1"), lambda gap: None)
    node.core.journal.run(lambda c: None)
    node.core.journal.close()
    found = as_0_1_0.edge(folder / "edge" / "journal.db")
    assert found["pending"] == {**before["pending"], "new-1 0000000a-1": dict(enumerate(records))}
    assert found["gaps"] == [*before["gaps"], ["new-1", "0000000a-1", 7, 200, 210, "overflow", "new-1"]]
    assert found["tasks"] == before["tasks"]


def test_today_goes_on_after_the_release_wrote_again(tmp_path: Path) -> None:
    """Up, back, up again: rows of the earlier release have the defaults in what is new."""
    releases.copy_of(RELEASE, "killed/edge", tmp_path / "edge")
    edge_inventory(tmp_path / "edge")
    statements = [text for name, text in releases.wires(RELEASE)["sql"] if name == "journal.db"]
    insert = next(text for text in statements if text.startswith("INSERT INTO batches"))
    with closing(sqlite3.connect(tmp_path / "edge" / "journal.db")) as connection, connection:
        connection.execute(insert)
    recorded = releases.inventory(RELEASE)["killed/edge"]
    assert len(edge_inventory(tmp_path / "edge")["pending"]) == len(recorded["pending"]) + 1
    releases.copy_of(RELEASE, "killed/city", tmp_path / "city")
    city_inventory(tmp_path / "city")
    gap = "INSERT OR IGNORE INTO gaps VALUES ('river-1', '0000000a-1', 5, 10, 20, 'overflow', 'river-1')"
    with closing(sqlite3.connect(tmp_path / "city" / "store.db")) as connection, connection:
        connection.execute(gap)
    assert city_inventory(tmp_path / "city")["lost"]["river-1 0000000a-1"] == [[10, 20]]
