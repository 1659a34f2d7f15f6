"""Reads an audit log from its files, and checks its chain against heads that somebody kept."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .audit_chain import PREV, Chain, Problem, parse, sha
from .audit_heads import Head, contradiction

FILE = "audit.jsonl"
_OLDER = re.compile(r"audit-\d{12}\.jsonl")


class Last(NamedTuple):
    """The last whole line of a log or a file."""

    n: int
    sha256: str
    chained: bool


@dataclass
class Tail:
    """How a log ends: its last whole line, what is no whole line after it, how many lines have no hash."""

    last: Last | None = None
    junk: bytes | None = None
    unchained: int = 0


@dataclass
class Verdict:
    """What a check found. `heads`: how many were compared."""

    chain: Chain
    heads: int = 0
    problems: list[Problem] = field(default_factory=list)


def files(folder: Path) -> list[Path]:
    """Return the files of the log, oldest first; the last one is the one in use, there or not."""
    older = sorted(path for path in folder.glob("audit-*.jsonl") if _OLDER.fullmatch(path.name))
    return [*older, folder / FILE]


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of the log in `folder`, oldest first; what is no whole line is skipped."""
    for _, _, raw in raw_lines(files(folder)):
        row = parse(raw)
        if row is not None:
            yield row


def raw_lines(paths: Iterable[Path]) -> Iterator[tuple[Path, int, bytes]]:
    """Yield (file, line number, line without its end) of files, one after another."""
    for path in paths:
        if path.exists():
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    yield path, number, line.rstrip(b"\n")


def rows_after(folder: Path, n: int) -> list[dict[str, Any]]:
    """Return the rows that come after line `n`, read from the end."""
    found: list[dict[str, Any]] = []
    for path in reversed(files(folder)):
        for raw in reversed(_lines(path)):
            row = parse(raw)
            if row is not None and row["n"] <= n:
                return found[::-1]
            found += [row] if row is not None else []
    return found[::-1]


def last_line(path: Path) -> Last | None:
    """Return the last whole line of a file."""
    return _ends([path]).last


def tail_of(folder: Path) -> Tail:
    """Return how the log in `folder` ends, read from its end; lines without a hash are counted if it ends with one."""
    tail = _ends(reversed(files(folder)))
    if tail.last and not tail.last.chained:
        rows = (parse(raw) for _, _, raw in raw_lines(files(folder)))
        tail.unchained = sum(row is not None and PREV not in row for row in rows)
    return tail


def _ends(newest_first: Iterable[Path]) -> Tail:
    junk: list[bytes] = []
    for path in newest_first:
        for raw in reversed(_lines(path)):
            row = parse(raw)
            if row is not None:
                return Tail(Last(row["n"], sha(raw), PREV in row), _joined(junk))
            junk.append(raw)
    return Tail(None, _joined(junk))


def _joined(junk: list[bytes]) -> bytes | None:
    return b"\n".join(reversed(junk)) if junk else None


def _lines(path: Path) -> list[bytes]:
    """Return the lines of a file that may not be there, split as `raw_lines` does."""
    data = path.read_bytes() if path.exists() else b""
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def verify(
    lines: Iterable[tuple[Path, int, bytes]], heads: Iterable[tuple[str, Head]], *, partial: bool = False
) -> Verdict:
    """Return what is wrong with a log. `heads`: (where it was kept, head); `partial`: the beginning is not there."""
    known = list(heads)
    chain = Chain(wanted=frozenset(head.n for _, head in known), partial=partial)
    for path, number, raw in lines:
        chain.feed(path.name, number, raw)
    chain.end()
    found = Verdict(chain, len(known), list(chain.problems))
    before: dict[str, Head] = {}
    for where, head in known:
        text = _compare(chain, head) or contradiction(before.get(where), head)
        before[where] = head
        if text:
            found.problems.append(Problem(where, head.n, text))
    return found


def _compare(chain: Chain, head: Head) -> str:
    """Return what a head says against a log, "" if nothing."""
    if not head.genuine():
        return f"the signature of the head of line {head.n} is wrong"
    if chain.last is None or head.n > chain.last.n:
        n = chain.last.n if chain.last else 0
        return f"the log had {head.n} lines and now ends with line {n}: its tail was cut, or it was rolled back"
    removed = head.n not in chain.seen and (chain.first is None or head.n < chain.first.n)
    if not removed and chain.seen.get(head.n) != head.sha256:
        return f"line {head.n} is not the one whose head was signed: it was changed, or the log was written anew"
    return ""
