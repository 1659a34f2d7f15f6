"""What release 0.1.0 reads in a store or a journal, by its own statements and its own expectations.

Written from the code of that release, and imports none of ours: it stands for the program that somebody goes back to.
Raises ValueError for what that release would not have understood.
"""

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack

RECORD = 12
INFO = {"thing", "boot", "vm", "firmware_sha256", "manifest", "online"}
TASK_RECORD = {"requester", "steps", "order", "observe", "within_us", "tolerance", "stamps", "position"}
TASK_ITEMS, CLOCK_ITEMS, THING_ITEMS, KEPT_TASK_ITEMS, STEP_ITEMS = 13, 5, 6, 7, 4
HEADER_SIZES = {1: 5, 2: 7, 3: 8, 4: 8, 5: 7, 6: 7, 7: 5, 17: 3, 18: 5, 19: 3, 20: 2, 21: 3}
"""Kinds of the city link and how many items their headers have, the kind included: no more and no less."""
LAST_STATE, LAST_CODE = 11, 15
BOARD_PROTO = 1


def need(condition: bool, what: str) -> None:
    """Raise ValueError unless the condition holds."""
    if not condition:
        raise ValueError(f"0.1.0 does not take this: {what}")


def opened(stored: Any) -> bytes:
    """Return a blob without its checksum."""
    need(isinstance(stored, bytes), "a blob that is no bytes")
    need(zlib.crc32(stored[:-4]).to_bytes(4, "little") == stored[-4:], "a blob with a wrong checksum")
    return bytes(stored[:-4])


def task(payload: bytes) -> list[Any]:
    """Return the items of a task."""
    items = msgpack.unpackb(payload)
    need(isinstance(items, list) and len(items) == TASK_ITEMS, f"a task of {len(items)} items")
    return list(items)


def city(path: Path) -> dict[str, Any]:
    """Return what 0.1.0 finds in a store.db: numbers of samples held per (thing, boot), gaps, task ids."""
    with closing(sqlite3.connect(path)) as c:
        held: dict[str, set[int]] = {}
        for (packed,) in c.execute("SELECT ranges FROM sealed"):
            for thing, boot, spans in msgpack.unpackb(packed):
                for first, end in spans:
                    held.setdefault(f"{thing} {boot}", set()).update(range(first, end))
        blobs = {number: opened(data) for number, data in c.execute("SELECT commit_no, data FROM blobs")}
        for thing, boot, first, n, number, at in c.execute("SELECT thing, boot, first, n, commit_no, at FROM frames"):
            need(at + n * RECORD <= len(blobs[number]), "a frame beyond its blob")
            held.setdefault(f"{thing} {boot}", set()).update(range(first, first + n))
        for edge, info, seen in c.execute("SELECT edge, info, seen_utc_us FROM things"):
            need(set(msgpack.unpackb(info)) == INFO, f"a Thing of {edge}, {seen} with other fields")
        for (spans,) in c.execute("SELECT spans FROM accounts"):
            need(len(msgpack.unpackb(spans)) == 2, "an account with other fields")
        tasks = []
        for payload, record in c.execute("SELECT task, record FROM tasks ORDER BY number"):
            kept = msgpack.unpackb(record)
            need(set(kept) <= TASK_RECORD, f"a task record with {sorted(set(kept) - TASK_RECORD)}")
            for step in kept["steps"]:
                need(len(step) == STEP_ITEMS and step[0] <= LAST_STATE, f"a step {step}")
            tasks.append(task(payload)[0])
        gaps = c.execute("SELECT thing, boot, gap_id, first, last, cause, declared_by FROM gaps").fetchall()
        return {"held": held, "gaps": [list(row) for row in gaps], "tasks": tasks}


def edge(path: Path) -> dict[str, Any]:
    """Return what 0.1.0 finds in a journal.db: records of pending samples by number, gaps to tell, task ids."""
    with closing(sqlite3.connect(path)) as c:
        pending: dict[str, dict[int, bytes]] = {}
        rows = c.execute("SELECT thing, boot, first, n, clock, rx_us, stored FROM batches ORDER BY id").fetchall()
        for thing, boot, first, n, clock, rx_us, stored in rows:
            need(len(msgpack.unpackb(clock)) == CLOCK_ITEMS and isinstance(rx_us, int), "a clock with other items")
            records = opened(stored)
            need(len(records) == n * RECORD, "a batch of another length")
            held = pending.setdefault(f"{thing} {boot}", {})
            held.update({first + i: records[i * RECORD : (i + 1) * RECORD] for i in range(n)})
        columns = "thing, boot, gap_id, first, end, cause, declared_by"
        gaps = c.execute(f"SELECT {columns} FROM gaps WHERE acked = 0").fetchall()
        tasks = []
        for (stored,) in c.execute("SELECT stored FROM tasks ORDER BY rowid"):
            kept = msgpack.unpackb(opened(stored))
            need(len(kept) == KEPT_TASK_ITEMS and kept[2] <= LAST_STATE and kept[3] <= LAST_CODE, f"a task {kept[1:]}")
            tasks.append(task(kept[0])[0])
        for (stored,) in c.execute("SELECT stored FROM things"):
            need(len(msgpack.unpackb(opened(stored))) == THING_ITEMS, "a Thing with other fields")
        return {"pending": pending, "gaps": [list(row) for row in gaps], "tasks": tasks}


def message(parts: list[bytes]) -> int:
    """Return the kind of a message on the city link."""
    items = msgpack.unpackb(parts[0])
    need(len(parts) == 2 and items[0] in HEADER_SIZES, f"a message of kind {items[0]}")
    need(len(items) == HEADER_SIZES[items[0]], f"{len(items)} items in a header of kind {items[0]}")
    return int(items[0])
