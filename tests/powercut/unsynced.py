"""What a disk may hold after a power cut: a model of content and of names, and what of both was synced.

Content: a write counts once its file was synced. Until then each of its sectors may be on disk or not, whatever
came before or after it; so may a new length. Names: a name that was made, replaced or removed counts once its
folder was synced; until then it may have happened or not. A file that moves to another folder is in one of them
or in both, never in none: that much journaling file systems promise.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePath
from random import Random
from typing import Any

SECTORS = (512, 4096)


@dataclass
class Write:
    """Bytes at an offset."""

    offset: int
    data: bytes


@dataclass
class Length:
    """A file was cut or stretched to a length."""

    length: int


@dataclass
class File:
    """One file, under whatever name: what is on disk for sure, and what was asked since."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Write | Length] = field(default_factory=list)

    def sync(self) -> None:
        """All that was asked is on disk."""
        for change in self.pending:
            _apply(self.durable, change)
        self.pending.clear()


@dataclass
class Name:
    """A name was given to a file, or taken away (None). Both halves of a move have the same `move`."""

    name: str
    file: File | None
    move: object = None


@dataclass
class Folder:
    """The names in a folder: as running programs see them, and what is on disk for sure."""

    seen: dict[str, File] = field(default_factory=dict)
    durable: dict[str, File] = field(default_factory=dict)
    pending: list[Name] = field(default_factory=list)

    def change(self, name: str, file: File | None, move: object = None) -> None:
        """Give or take a name."""
        self.pending.append(Name(name, file, move))
        _rename(self.seen, self.pending[-1])

    def sync(self) -> list[object]:
        """All names are on disk; return the moves that are."""
        for change in self.pending:
            _rename(self.durable, change)
        moves = [change.move for change in self.pending if change.move is not None]
        self.pending.clear()
        return moves


class Whim:
    """How a power cut treats what was not synced: all kept, all lost, each sector by itself, or cut at a point."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.sector = rng.choice(SECTORS)
        self._keep = rng.choice((0.0, 1.0, 0.5, rng.random()))
        self._in_order = rng.random() < 0.3

    def keeps(self) -> bool:
        """Return whether one thing by itself made it."""
        return self._rng.random() < self._keep

    def cut(self, count: int) -> list[bool]:
        """Return which of `count` changes in a row made it."""
        if self._in_order:
            made = self._rng.randint(0, count)
            return [at < made for at in range(count)]
        return [self.keeps() for _ in range(count)]


def content(file: File, whim: Whim) -> bytes:
    """Return what the file holds after the cut."""
    after = bytearray(file.durable)
    pieces = [piece for change in file.pending for piece in _pieces(change, whim.sector)]
    for piece, kept in zip(pieces, whim.cut(len(pieces)), strict=True):
        if kept:
            _apply(after, piece)
    return bytes(after)


def names(folders: dict[PurePath, Folder], synced: set[object], whim: Whim) -> dict[PurePath, dict[str, File]]:
    """Return the names in each folder after the cut; `synced`: moves one half of which is on disk for sure."""
    changes = [change for folder in folders.values() for change in folder.pending]
    made = {id(change) for change in changes if change.move in synced or whim.keeps()}
    arrived = synced | {c.move for c in changes if c.move is not None and c.file is not None and id(c) in made}
    after = {}
    for path, folder in folders.items():
        after[path] = dict(folder.durable)
        for change in folder.pending:
            leaves = change.move is not None and change.file is None
            if id(change) in made and (not leaves or change.move in arrived):
                _rename(after[path], change)
    return after


def _pieces(change: Write | Length, sector: int) -> list[Write | Length]:
    """Return a change as the sectors a disk writes, each whole or not at all."""
    if isinstance(change, Length):
        return [change]
    start, end = change.offset, change.offset + len(change.data)
    edges = [start, *range((start // sector + 1) * sector, end, sector), end]
    return [Write(a, change.data[a - start : b - start]) for a, b in pairwise(edges) if a < b]


def _apply(data: bytearray, change: Write | Length) -> None:
    if isinstance(change, Length):
        del data[change.length :]
        data.extend(bytes(change.length - len(data)))
        return
    data.extend(bytes(max(0, change.offset - len(data))))
    data[change.offset : change.offset + len(change.data)] = change.data


def _rename(entries: dict[str, Any], change: Name) -> None:
    if change.file is None:
        entries.pop(change.name, None)
    else:
        entries[change.name] = change.file
