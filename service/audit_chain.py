"""The chain of an audit log: each line carries the SHA-256 of the line before it, byte for byte. Sans-IO.

    chain = Chain(wanted={90})                   # numbers whose hash somebody holds
    for number, raw in enumerate(lines, 1):
        chain.feed("audit.jsonl", number, raw)   # without its line end
    chain.end()
    chain.problems, chain.seen[90]

A line that a power cut tore is no whole line; the next one says so (`audit_torn`) and carries the hash of what is left.
Lines of a release without a chain come first, and the first line of the chain says how many they are. Files that were
removed by age leave an anchor in a later line (`audit_removed`): up to which number, and the hash of that line.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

ZERO = "0" * 64
PREV = "prev"
TORN, BEGUN, REMOVED = "audit_torn", "audit_chain_begun", "audit_removed"
MAX_PROBLEMS = 50


def make_line(number: int, row: dict[str, Any], prev: str) -> bytes:
    """Return a line without its end; `prev` is the hash of the line before."""
    kept = {name: value for name, value in row.items() if name not in ("n", PREV)}
    return json.dumps({"n": number, **kept, PREV: prev}, separators=(",", ":")).encode()


def sha(data: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def parse(raw: bytes) -> dict[str, Any] | None:
    """Return the row of a line, None if it is no whole one."""
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(row, dict) and type(row.get("n")) is int and isinstance(row.get(PREV, ""), str)
    return row if whole else None


class Problem(NamedTuple):
    """What does not fit, and where."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        """Return `file:line: text`."""
        return f"{self.file}:{self.line}: {self.text}"


class Place(NamedTuple):
    """A line: where it stands, its number, its hash."""

    file: str
    line: int
    n: int
    sha256: str


@dataclass
class Chain:
    """Takes the lines of a log, oldest first. `seen`: hashes of the lines that are `wanted`, by number.

    `begin`: the first whole line, `first`: the first one with a hash; `partial`: what was before is not there.
    """

    wanted: frozenset[int] = frozenset()
    partial: bool = False
    problems: list[Problem] = field(default_factory=list)
    seen: dict[int, str] = field(default_factory=dict)
    begin: Place | None = None
    first: Place | None = None
    last: Place | None = None
    unchained: int = 0
    lines: int = 0
    torn: int = 0
    _junk: list[bytes] = field(default_factory=list)
    _junk_at: tuple[str, int] = ("", 0)
    _anchor: tuple[int, str] = (0, ZERO)
    _first_prev: str = ZERO
    _begins_chain: bool = False
    _older: Place | None = None

    def feed(self, file: str, line: int, raw: bytes) -> None:
        """Take one line."""
        row = parse(raw)
        if row is None:
            self._junk_at = self._junk_at if self._junk else (file, line)
            self._junk.append(raw)
            return
        place = Place(file, line, row["n"], sha(raw))
        self.begin = self.begin or place
        if PREV not in row:
            self._unchained(place)
            return
        self._check_junk(place, row)
        if self.last is None:
            self._begin(place, row)
        else:
            self._follow(self.last, place, row[PREV])
        self._remember(place, row)

    def end(self) -> None:
        """There are no more lines: check where the chain begins. What is torn at the very end is no problem."""
        if self.first is None or self.partial:
            return
        if self.first.n == 1 or self._begins_chain:
            return
        through, sha256 = self._anchor
        if self.first.n > through + 1:
            text = f"{_lines(through + 1, self.first.n - 1)} missing: they were not removed by age"
            self._tell(self.first, text)
        elif self.first.n == through + 1 and self._first_prev != sha256:
            self._tell(self.first, f"line {self.first.n} does not follow the last line that was removed by age")

    def _begin(self, place: Place, row: dict[str, Any]) -> None:
        self.first, self._first_prev = place, row[PREV]
        self._begins_chain = row.get("event") == BEGUN
        if self._begins_chain and self.unchained > row.get("unchained", 0):
            self._tell(place, f"found {self.unchained} lines before the chain, which began after {row['unchained']}")
        if self._begins_chain and self._older and self._older.sha256 != row[PREV]:
            self._tell(self._older, f"line {self._older.n}, the last one before the chain, was changed")
        if place.n == 1 and row[PREV] != ZERO:
            self._tell(place, "line 1 carries the hash of a line before it: what was before is missing")
        if self.unchained and not self._begins_chain:
            self._tell(place, "lines without a hash stand before it")

    def _follow(self, last: Place, place: Place, prev: str) -> None:
        if prev == last.sha256 and place.n == last.n + 1:
            return
        if place.n <= last.n:
            self._tell(place, f"line {place.n} stands after line {last.n}: moved, repeated or inserted")
        elif place.n > last.n + 1:
            self._tell(place, f"{_lines(last.n + 1, place.n - 1)} missing after {last.file}:{last.line}")
        else:
            where = f"{last.file}:{last.line}"
            text = f"line {place.n} carries the hash of another line {last.n} than {where}: one of them was changed"
            self._tell(place, text)

    def _check_junk(self, place: Place, row: dict[str, Any]) -> None:
        """What is no whole line must be what the next line says was torn."""
        junk, self._junk = b"\n".join(self._junk), []
        if row.get("event") == BEGUN and self.first is None:
            return  # of the release without a chain
        if row.get("event") == TORN:
            self.torn += 1
            if row.get("sha256") != sha(junk):
                self._tell(place, "it tells of a torn line before it, which is not the one that stands there")
        elif junk:
            file, line = self._junk_at
            text = "this is no whole line, and the next one does not say that it was torn"
            self.problems.append(Problem(file, line, text))

    def _unchained(self, place: Place) -> None:
        self._see(place)
        if self.first is None:
            self._junk, self._older = [], place
            self.unchained += 1
        else:
            self._tell(place, f"line {place.n} has no hash of the line before: inserted, or of an older release")
            self.last = place

    def _remember(self, place: Place, row: dict[str, Any]) -> None:
        self.last = place
        self.lines += 1
        self._see(place)
        if row.get("event") == REMOVED and type(row.get("through")) is int and isinstance(row.get("sha256"), str):
            self._anchor = row["through"], row["sha256"]

    def _see(self, place: Place) -> None:
        if place.n in self.wanted:
            self.seen[place.n] = place.sha256

    def _tell(self, place: Place, text: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(place.file, place.line, text))


def _lines(first: int, last: int) -> str:
    """Return `line 9 is` or `lines 12 to 15 are`."""
    return f"line {first} is" if first == last else f"lines {first} to {last} are"
