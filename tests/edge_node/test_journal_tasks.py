"""Tasks in an edge node's journal: the newest stay."""

import sqlite3

import pytest

from edge_node.journal import rows

CREATE = "CREATE TABLE {} (task_id BLOB PRIMARY KEY, state INTEGER, changed_us INTEGER, stored BLOB)"


@pytest.mark.parametrize("table", ["tasks", "orders"])
def test_only_the_newest_tasks_stay(table: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute(CREATE.format(table))
    ids = [n.to_bytes(16, "big") for n in range(rows.MAX_TASKS + 3 * rows.PRUNE_EVERY)]
    for task_id in ids:
        rows.put_task(connection, task_id, 1, 0, b"first", table)
        rows.put_task(connection, task_id, 2, 0, task_id, table)
    kept = [row[0] for row in connection.execute(f"SELECT task_id FROM {table} ORDER BY rowid")]
    assert rows.MAX_TASKS <= len(kept) < rows.MAX_TASKS + rows.PRUNE_EVERY
    assert kept == ids[-len(kept) :]
    assert rows._get_tasks(connection, table) == kept
