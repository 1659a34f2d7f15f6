"""How the oracle sees what a commit made durable: temporary triggers write a log, which is read after each COMMIT."""

from collections.abc import Callable
from typing import Any

_LOG = "CREATE TEMP TABLE seen(what TEXT, a, b, c, d, e, f)"
_TAKE = "SELECT what, a, b, c, d, e, f FROM temp.seen ORDER BY rowid"

EDGE = (
    ("batches", "INSERT", "'+batch', new.id, new.thing, new.boot, new.first, new.n, new.stored"),
    ("batches", "DELETE", "'-batch', old.id, old.thing, old.boot, old.first, old.n, NULL"),
    ("gaps", "INSERT", "'+gap', new.gap_id, new.thing, new.boot, new.first, new.end, new.cause"),
    ("tasks", "INSERT", "'+task', new.task_id, new.state, new.stored, NULL, NULL, NULL"),
    ("orders", "INSERT", "'+task', new.task_id, new.state, new.stored, NULL, NULL, NULL"),
    ("meta", "INSERT", "'+meta', new.key, new.value, NULL, NULL, NULL, NULL"),
    ("meta", "UPDATE", "'+meta', new.key, new.value, NULL, NULL, NULL, NULL"),
    ("quarantine", "INSERT", "'+aside', new.source, new.key, NULL, NULL, NULL, NULL"),
)
CITY = (
    ("frames", "INSERT", "'+frame', new.thing, new.boot, new.first, new.n, new.commit_no, new.at"),
    ("gaps", "INSERT", "'+gap', new.thing, new.boot, new.gap_id, new.first, new.last, NULL"),
    ("tasks", "INSERT", "'+task', new.task_id, new.record, NULL, NULL, NULL, NULL"),
    ("tasks", "UPDATE", "'+task', new.task_id, new.record, NULL, NULL, NULL, NULL"),
    ("orders", "INSERT", "'+task', new.task_id, new.record, NULL, NULL, NULL, NULL"),
    ("orders", "UPDATE", "'+task', new.task_id, new.record, NULL, NULL, NULL, NULL"),
    ("notices", "INSERT", "'+notice', new.id, NULL, NULL, NULL, NULL, NULL"),
)


def install(connection: Any, tables: Any, look: Callable[[list[Any]], None]) -> None:
    """Call `look(rows)` after each commit that wrote something to these tables."""
    if connection.watcher is not None:
        return
    connection.executescript(_LOG)
    for number, (table, event, values) in enumerate(tables):
        connection.executescript(
            f"CREATE TEMP TRIGGER see{number} AFTER {event} ON main.{table}"
            f" BEGIN INSERT INTO seen VALUES({values}); END"
        )

    def after_commit() -> None:
        rows = connection.execute(_TAKE).fetchall()
        if rows:
            connection.execute("DELETE FROM temp.seen")
            look(rows)

    connection.watcher = after_commit
