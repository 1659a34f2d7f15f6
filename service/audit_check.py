"""Whether an audit log is whole and as its heads say: a row for `city audit verify` and for the pages of services."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from .audit import wall_us
from .audit_chain import parse
from .audit_files import FILE, Verdict, files, raw_lines, verify
from .audit_heads import PRIVATE, Book, Head

EVERY_S = 10.0
MAX_LINES = 1000
Row = dict[str, Any]
Heads = list[tuple[str, Head]]
"""Heads, each with where it is kept."""


def in_books(books: Iterable[Book]) -> Heads:
    """Return all heads in books, with the files they are in. Raises: OSError."""
    return [(str(book.path), head) for book in books for head in book.heads()]


def check(folder: Path, name: str, heads: Callable[[], Heads]) -> Row:
    """Return what is wrong with the log in a folder, which may grow and be renamed meanwhile.

    `witnessed`: a head is kept elsewhere than in that folder. Raises: what `heads` raises, OSError.
    """
    for _ in range(2):
        known = heads()
        found = verify(raw_lines(files(folder)), known)
        if not found.problems:
            break
    own = str(folder / PRIVATE)
    return {**row(found, name, known), "witnessed": any(not where.startswith(own) for where, _ in known)}


def row(found: Verdict, name: str, heads: Heads) -> Row:
    """Return a verdict as JSON has it."""
    chain = found.chain
    newest = max(heads, key=lambda item: item[1].n, default=None)
    return {
        "name": name,
        "ok": not found.problems,
        "problems": [problem._asdict() for problem in found.problems],
        "lines": chain.lines,
        "first": chain.first.n if chain.first else 0,
        "last": chain.last.n if chain.last else 0,
        "unchained": chain.unchained,
        "torn": chain.torn,
        "heads": found.heads,
        "key": newest[1].key if newest else "",
        "newest_head": asdict(newest[1]) if newest else None,
        "newest_in": newest[0] if newest else "",
    }


def lines_after(folder: Path, n: int, limit: int) -> list[Row]:
    """Return up to `limit` rows that come after line `n`, oldest first; older files are not read for them."""
    found: list[Row] = []
    for _ in range(2):  # a file may be renamed between looking and reading
        rows = (parse(raw) for _, _, raw in raw_lines(path for path in files(folder) if _may_have(path, n)))
        found = list(islice((row for row in rows if row is not None and row["n"] > n), limit))
        if all(b["n"] == a["n"] + 1 for a, b in pairwise(found)):
            break
    return found


def _may_have(path: Path, n: int) -> bool:
    """Whether a file may hold a line after `n`: those that are full have their last number in their name."""
    return path.name == FILE or int(path.stem.removeprefix("audit-")) > n


class AuditDesk:
    """What pages show of a log: a check of it at most once each EVERY_S, and a range of its lines.

    `told()`: heads that others tell now, beside those in `books`.
    """

    def __init__(self, folder: Path, name: str, books: Iterable[Book], told: Callable[[], Heads] = list) -> None:
        self.folder, self._name, self._books, self._told = folder, name, list(books), told
        self._lock = asyncio.Lock()
        self._found: Row = {}
        self._checked_s = 0.0

    async def verdict(self) -> Row:
        """Return the newest check and when it was made. Raises: OSError."""
        async with self._lock:
            if not self._found or time.monotonic() - self._checked_s > EVERY_S:
                told = self._told()
                found = await asyncio.to_thread(check, self.folder, self._name, lambda: in_books(self._books) + told)
                self._found, self._checked_s = {**found, "checked_utc_us": wall_us()}, time.monotonic()
            return self._found

    async def lines(self, after: int, limit: int) -> list[Row]:
        """Return up to `limit` rows, at most MAX_LINES, that come after line `after`. Raises: OSError."""
        return await asyncio.to_thread(lines_after, self.folder, max(after, 0), min(max(limit, 0), MAX_LINES))
