"""Tasks on disk: `tasks` as release 0.1.0 reads them, `orders` for all that it cannot read.

A record is in one of both, or in `orders` as it is now and in `tasks` as it began.
"""

import sqlite3
from collections.abc import Iterable

import msgpack

from protocol import task_codes as codes
from protocol import tasks

from ..tasks.book import TaskRecord, from_map, to_map

_PUT = (
    "INSERT INTO tasks(task_id, task, record) VALUES (?, ?, ?)"
    " ON CONFLICT(task_id) DO UPDATE SET task = excluded.task, record = excluded.record"
)
_PUT_ORDER = (
    "INSERT INTO orders(task_id, task, record) VALUES (?, ?, ?)"
    " ON CONFLICT(task_id) DO UPDATE SET task = excluded.task, record = excluded.record"
)
_NEWEST = "SELECT task_id, task, record FROM {} ORDER BY number DESC LIMIT ?"


def put(connection: sqlite3.Connection, records: Iterable[TaskRecord]) -> None:
    """Write each record as it is now."""
    for record in records:
        row = record.task.task_id, tasks.encode(record.task), msgpack.packb(to_map(record))
        connection.execute(_PUT_ORDER if _is_order(record) else _PUT, row)


def newest(connection: sqlite3.Connection, limit: int) -> list[TaskRecord]:
    """Return the newest `limit` records, oldest first."""
    found: dict[bytes, TaskRecord] = {}
    for table in ("tasks", "orders"):
        for task_id, task, kept in reversed(connection.execute(_NEWEST.format(table), (limit,)).fetchall()):
            found[task_id] = from_map(tasks.decode(task), msgpack.unpackb(kept))
    return sorted(found.values(), key=lambda record: record.steps[0].utc_us)[-limit:]


def _is_order(record: TaskRecord) -> bool:
    """Whether 0.1.0 would stumble over it: more items in its task or record, or a state that it does not know."""
    task = record.task
    states = (step.state > codes.SUPERSEDED for step in record.steps)
    later = task.rank != "city" or bool(task.approved or record.proof) or task.verb != tasks.OPERATE
    return later or any(states)
