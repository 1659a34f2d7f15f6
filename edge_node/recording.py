"""Makes the engine's log durable, together with what it belongs to: a replay of this node works from it."""

import sqlite3

from .core import Core
from .journal import log_rows, rows

SNAPSHOT = "engine"


def save_log(core: Core, frozen: bytes | None = None) -> None:
    """Let the next commit have what the log holds, and the engine's state with it. Call it before what follows."""
    log = core.host.engine.log
    entries, at_utc_us = (log.take_entries(), log.now_utc_us) if log is not None else ([], 0)
    if not entries and frozen is None:
        return

    def work(connection: sqlite3.Connection) -> None:
        log_rows.append(connection, entries, at_utc_us, core.host.log_bytes)
        if frozen is not None:
            rows.put(connection, "snapshots", "name", SNAPSHOT, frozen)

    def failed(_: Exception) -> None:
        if log is not None:
            log.lose(len(entries))

    core.journal.submit(work, failed=failed)
