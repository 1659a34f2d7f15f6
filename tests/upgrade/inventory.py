"""What is in the stores and board files of a release, as JSON: made by the release, read again by later ones.

    python tests/upgrade/inventory.py city FOLDER

Reads through the product's own code, so a copy is what it should be given: opening a store may migrate it.
"""

import hashlib
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack

from aggregator.store.reader import samples
from aggregator.store.store import Store
from aggregator.tasks.book import to_map
from durable import Committer
from edge_node.city.uplink import Ask
from edge_node.journal import rows as journal_rows
from edge_node.journal.journal import Journal
from edge_node.reaction import task_entry
from firmware.core.boot import Boot

SAMPLES = (
    "SELECT thing, boot, seq, stamp_us, t_utc_us, value, quality FROM samples WHERE datastream = ? ORDER BY 1, 2, 3"
)
CITY_GAPS = "SELECT thing, boot, gap_id, first, last, cause, declared_by FROM gaps ORDER BY 1, 2, 3"
EDGE_GAPS = "SELECT thing, boot, gap_id, first, end, cause, declared_by, acked FROM gaps ORDER BY 1, 2, 3"
ALL = 1_000_000
QUARANTINE = "SELECT source, key, reason, stored FROM quarantine ORDER BY id"


def plain(value: Any) -> Any:
    """Return a value as JSON has it: bytes as the hash of what they are, keys as text."""
    if isinstance(value, bytes):
        return digest(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return repr(value) if isinstance(value, float) else value


def digest(data: bytes) -> str:
    """Return a short SHA-256."""
    return hashlib.sha256(data).hexdigest()[:24]


def _by_key(ranges: Any) -> dict[str, Any]:
    return {" ".join(key): plain(spans.to_list()) for key, spans in sorted(ranges.items())}


def city(folder: Path) -> dict[str, Any]:
    """Return all that the city of this data folder holds."""
    store = Store(folder)
    try:
        read = store.committer.read
        found = {
            "received": _by_key(store.received()), "lost": _by_key(store.lost()),
            "quarantined": _by_key(store.quarantined()), "conflicts": store.conflicts(),
            "gaps": plain(read(lambda c: c.execute(CITY_GAPS).fetchall())),
            "quarantine": plain(read(lambda c: c.execute(QUARANTINE).fetchall())),
            "things": [[edge, plain(vars(info)), seen] for edge, info, seen in store.things()],
            "accounts": {" ".join(key): plain(vars(row)) for key, row in sorted(store.accounts().items())},
            "tasks": [plain([vars(row.task), to_map(row)]) for row in store.tasks(10_000)],
            "engine": plain(store.engine()),
            "latest": {name: _seen(seen) for name, seen in store.latest()},
        }  # fmt: skip
    finally:
        store.close()
    return {**found, "samples": _samples(folder)}


def _seen(seen: Any) -> list[Any]:
    return [plain(part) for part in (seen.t_utc_us, seen.value, seen.sigma, seen.quality)]


def _samples(folder: Path) -> dict[str, Any]:
    """Return (how many, hash over all rows) per datastream, sealed and hot together."""
    with samples(folder) as query:
        names = [row[0] for row in query.execute("SELECT DISTINCT datastream FROM samples ORDER BY 1").fetchall()]
        rows = {name: query.execute(SAMPLES, [name]).fetchall() for name in names}
    return {name: [len(found), digest(repr(found).encode())] for name, found in rows.items()}


def edge(folder: Path) -> dict[str, Any]:
    """Return all that the edge node of this data folder holds, before it begins another start."""
    committer = Committer(folder / "journal.db", schema=journal_rows.SCHEMA, migrations=journal_rows.MIGRATIONS)
    try:
        journal = Journal(committer, lambda call: call())
        read = committer.read
        return {
            "meta": dict(read(lambda c: c.execute("SELECT key, value FROM meta ORDER BY key").fetchall())),
            "streams": {" ".join(key): _stream(row) for key, row in sorted(journal.streams.by_key.items())},
            "pending": sorted(map(_pending, journal.page(Ask(0, journal.next_row, ALL)).items)),
            "gaps": plain(read(lambda c: c.execute(EDGE_GAPS).fetchall())),
            "gaps_to_tell": sorted(plain(list(vars(gap).values())) for gap in journal.gaps.values()),
            "tasks": [plain(msgpack.unpackb(blob)) for blob in committer.run(journal_rows.get_tasks)],
            "tasks_restored": [plain(_task(blob)) for blob in committer.run(journal_rows.get_tasks)],
            "things": plain(journal.saved("things")), "snapshots": plain(journal.saved("snapshots")),
            "quarantine": plain(read(lambda c: c.execute(QUARANTINE).fetchall())),
        }  # fmt: skip
    finally:
        committer.close()


def _stream(stream: Any) -> dict[str, Any]:
    kinds = ("received", "acked", "lost", "quarantined")
    return {"sent": stream.sent, "ring": list(stream.ring), **{k: plain(getattr(stream, k).to_list()) for k in kinds}}


def _pending(row: Any) -> list[Any]:
    clock = plain(list(vars(row.clock).values()))
    return [row.thing, row.boot, row.first, row.n, clock, row.rx_us, plain(row.records)]


def _task(blob: bytes) -> list[Any]:
    entry = task_entry.from_bytes(blob)
    return [entry.task.task_id, entry.task.actuator, entry.requester, entry.state, entry.code, entry.text]


class _Flash:
    """The board's files, from which nothing is replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> str:
        return (self._folder / name).read_text()

    def replace(self, name: str, text: str) -> None:
        """Keep the file as it was recorded."""


def board(folder: Path) -> dict[str, Any]:
    """Return who the next start of this board is, and which losses it declares."""
    chip = json.loads((folder / "state.json").read_text().splitlines()[0])["chip"]
    boot = Boot(_Flash(folder), chip, bytes(range(12)), 100)
    kept = ("board.json", "key.bin", "manifest.mpk", "firmware.sha")
    hashes = {name: digest((folder / name).read_bytes()) for name in kept}
    return {"id": boot.id.hex(), "counter": boot.counter, "gaps": boot.gaps, "files": hashes}


def schema(path: Path) -> list[str]:
    """Return the SQL of all tables and indexes of a database."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    return [" ".join(row[0].split()) for row in rows]


if __name__ == "__main__":
    made = {"city": city, "edge": edge, "board": board}[sys.argv[1]](Path(sys.argv[2]))
    print(json.dumps(made, indent=1, sort_keys=True))
