"""A journal whose file is damaged: what can be read goes into a new one, the damaged file is kept beside it.

Nothing here decides what is lost; `Journal.declare_damage` does, from what the new journal says it once held. The
new file is made whole under another name before the old one moves, so a crash at any point leaves one of the two.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from durable import DISK, Committer
from durable.committer import exit_process

from ..errors import JournalDamagedError
from . import rows

SUSPECT, SALVAGE, DONE = ".suspect", ".salvage", "salvaged"
LOGS = ("-wal", "-shm")
CHUNK = 500
END = 1 << 62
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"


def is_damage(error: BaseException) -> bool:
    """Return whether SQLite met pages that are none."""
    return (int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF) in _DAMAGE


def beside(path: Path, suffix: str) -> Path:
    """Return `path` with something after its name."""
    return path.with_name(path.name + suffix)


def suspect(path: Path, error: BaseException) -> None:
    """Note for the next start that the file is to be checked, then end this process: it can not go on."""
    with contextlib.suppress(OSError):
        beside(path, SUSPECT).write_text(repr(error))
    exit_process(error)


def fatal(path: Path, error: BaseException) -> None:
    """A commit met what only a restart can mend."""
    if is_damage(error):
        suspect(path, error)
    exit_process(error)


def needs_salvage(path: Path) -> bool:
    """Return whether the file, noted as suspect, is damaged indeed; if not, the note goes."""
    if not beside(path, SUSPECT).exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(path)) as c:
            sound = c.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.DatabaseError:
        sound = False
    if sound:
        DISK.unlink(beside(path, SUSPECT))
    return not sound


def salvage(path: Path) -> Path:
    """Make a new journal of what can be read; return where the damaged one is kept. Raises: JournalDamagedError."""
    new = beside(path, SALVAGE)
    _remove(new)
    try:
        _copy(path, new)
    except (OSError, sqlite3.OperationalError) as error:
        raise JournalDamagedError(
            f"{path} is damaged, and what can be read of it could not be copied to {new.name}: {error}. Make room on "
            f"that disk (as much as {path.name} takes) and start again; or move {path.name}* away to begin with an "
            "empty journal: what only it held is then missing from the ledger, unexplained"
        ) from error
    return _swap(path)


def finish(path: Path) -> Path | None:
    """Go on where a crash stopped a salvage; return where the damaged file is kept if that was near its end."""
    new = beside(path, SALVAGE)
    if not new.exists():
        return None
    with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(new)) as c:
        if c.execute("SELECT 1 FROM meta WHERE key = ?", (DONE,)).fetchone():
            c.close()
            return _swap(path)
    _remove(new)
    return None


def kept(path: Path) -> list[str]:
    """Return the names of damaged journals that are kept beside this one."""
    found = [p.name for p in path.parent.glob(f"{path.name}.damaged-*") if not p.name.endswith(LOGS)]
    return sorted(found)


def _swap(path: Path) -> Path:
    """Move the damaged file aside, its log first: the new one must never meet the log of the old one."""
    number = 1
    while beside(path, f".damaged-{number}").exists():
        number += 1
    aside = beside(path, f".damaged-{number}")
    for suffix in (*LOGS, ""):
        if beside(path, suffix).exists():
            DISK.rename(beside(path, suffix), beside(aside, suffix))
    DISK.sync_folder(path.parent)
    DISK.rename(beside(path, SALVAGE), path)
    DISK.unlink(beside(path, SUSPECT))
    DISK.unlink(beside(path, f"{SALVAGE}.ballast"))
    DISK.sync_folder(path.parent)
    return aside


def _remove(new: Path) -> None:
    for suffix in ("", *LOGS, ".ballast"):
        DISK.unlink(beside(new, suffix))


def _copy(path: Path, new: Path) -> None:
    target = Committer(new, schema=rows.SCHEMA, migrations=rows.MIGRATIONS)
    try:
        tables = [name for (name,) in target.read(lambda c: c.execute(_TABLES).fetchall())]
        with contextlib.closing(sqlite3.connect(path)) as source:
            for table in tables:
                _copy_table(source, target, table)
        target.run(_adopt)
        target.run(lambda c: c.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (DONE, "1")))
    finally:
        target.close()


def _copy_table(source: sqlite3.Connection, target: Committer, table: str) -> None:
    try:
        have = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        return
    columns = [row[1] for row in target.read(lambda c: c.execute(f"PRAGMA table_info({table})").fetchall())]
    columns = [name for name in columns if name in have]
    if not columns:
        return
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    chunk: list[tuple[Any, ...]] = []
    for row in readable(source, table, columns):
        chunk.append(row)
        if len(chunk) == CHUNK:
            target.run(lambda c, chunk=chunk: c.executemany(insert, chunk))  # type: ignore[misc]
            chunk = []
    target.run(lambda c: c.executemany(insert, chunk))


def readable(source: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that can be read: forwards to a damaged page, past it in growing steps, then back to it."""
    select = f"SELECT rowid, {', '.join(columns)} FROM {table} NOT INDEXED WHERE rowid > ? AND rowid < ? ORDER BY rowid"
    at, step = -1, 1
    broken: int | None = None
    while at < END:
        try:
            for row in _walk(source, select, at, END, down=False):
                if broken is not None:
                    yield from _back(source, select, broken, row[0])
                    broken, step = None, 1
                at = row[0]
                yield row[1:]
            break
        except sqlite3.DatabaseError:
            broken = at if broken is None else broken
            at, step = at + step, 2 * step
    if broken is not None:
        yield from _back(source, select, broken, END)


def _back(source: sqlite3.Connection, select: str, after: int, before: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows below `before`, down to the damage."""
    with contextlib.suppress(sqlite3.DatabaseError):
        for row in _walk(source, select, after, before, down=True):
            yield row[1:]


def _walk(source: sqlite3.Connection, select: str, after: int, before: int, down: bool) -> Iterator[tuple[Any, ...]]:
    """Yield rows of (after, before), rowid first, to the very last before a damaged page. Raises: DatabaseError there.

    Python's cursor reads one row ahead, so the last good row is only had by asking for it alone.
    """
    query = f"{select} DESC" if down else select
    while True:
        alone = None
        try:
            for row in source.execute(query, (after, before)):
                after, before = (after, row[0]) if down else (row[0], before)
                yield row
            return
        except sqlite3.DatabaseError:
            alone = source.execute(f"{query} LIMIT 1", (after, before)).fetchone()
        if alone is None:
            return
        after, before = (after, alone[0]) if down else (alone[0], before)
        yield alone


def _adopt(c: sqlite3.Connection) -> None:
    """Drop streams whose ranges cannot be read; give batches whose stream is gone a new one."""
    for row, *texts in c.execute("SELECT id, ring, received, acked, quarantined, recall FROM streams").fetchall():
        if not all(_is_ranges(text) for text in texts):
            c.execute("DELETE FROM streams WHERE id = ?", (row,))
    orphans = c.execute(
        "SELECT thing, boot, first, n FROM batches WHERE NOT EXISTS (SELECT 1 FROM streams"
        " WHERE streams.thing = batches.thing AND streams.boot = batches.boot)"
    ).fetchall()
    for thing, boot, first, n in orphans:
        rows.ensure_stream(c, thing, boot)
        rows.grow(c, "received", thing, boot, [(first, first + n)])
        c.execute("UPDATE streams SET sent = max(sent, ?) WHERE thing = ? AND boot = ?", (first + n, thing, boot))


def _is_ranges(text: object) -> bool:
    try:
        found = json.loads(str(text))
        return isinstance(found, list) and all(isinstance(n, int) for item in found for n in _flat(item))
    except ValueError:
        return False


def _flat(item: Any) -> list[Any]:
    return item if isinstance(item, list) else [item]
