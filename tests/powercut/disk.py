"""A disk that works on real files, notes what was not synced, and at a power cut gives what may be left.

SQLite reaches it through an apsw VFS that inherits from "unix", so locks and shared memory are real ones; the
sealing and the ballast reach it as a `durable.Disk`. The cut comes at operation number `cut_at`: an image of
what is left is taken there, and every later operation raises `PowerCut`.
"""

import itertools
from collections.abc import Callable
from pathlib import Path, PurePath
from random import Random
from typing import Any

from durable import Disk

from .unsynced import File, Folder, Length, Whim, Write, content, names
from .vfs import Connection, make_vfs

_numbers = itertools.count()


class PowerCut(BaseException):
    """The power is gone; nobody may catch this and go on."""


class CutDisk(Disk):
    """All below `root`, which holds what an earlier cut left. Close it with `close`."""

    kind = Connection

    def __init__(self, root: Path, rng: Random, cut_at: int) -> None:
        self.root, self.rng = root, rng
        self.operations, self.cut_at = 0, cut_at
        self.image: dict[PurePath, bytes | None] | None = None
        self._folders: dict[PurePath, Folder] = {}
        self._moves: set[object] = set()
        self._over = False
        self._connections: list[Connection] = []
        for path in [root, *sorted(root.rglob("*"))]:
            if path.is_dir():
                self._folders[path] = Folder()
            if path != root and not path.name.endswith("-shm"):
                self._found(path)
        self._vfs = make_vfs(f"cut-{next(_numbers)}", self)

    def _found(self, path: Path) -> None:
        """What was there at the start is on disk for sure."""
        folder = self._folders[path.parent]
        there = bytearray() if path.is_dir() else bytearray(path.read_bytes())
        folder.durable[path.name] = folder.seen[path.name] = File(there)

    # What SQLite and the product ask, each an operation at which the power may go.

    def act(self, note: Callable[[], object]) -> None:
        """Do one operation: `note` it as asked but not synced; cut the power before or after it if it is time."""
        if self._over:
            return
        if self.image is not None:
            raise PowerCut
        self.operations += 1
        before = self.operations == self.cut_at and self.rng.random() < 0.5
        if not before:
            note()
        if self.operations == self.cut_at:
            self.image = self._cut()
            raise PowerCut

    def file(self, path: Path) -> File:
        """Return the file that has this name now."""
        return self._folders[path.parent].seen[path.name]

    def knows(self, path: Path) -> bool:
        """Return whether a file has this name."""
        return path.parent in self._folders and path.name in self._folders[path.parent].seen

    def appeared(self, path: Path) -> None:
        """A new, empty file."""
        self.act(lambda: self._folders[path.parent].change(path.name, File()))

    def wrote(self, file: File, offset: int, data: bytes) -> None:
        """Bytes were written."""
        self.act(lambda: file.pending.append(Write(offset, data)))

    def truncated(self, file: File, length: int) -> None:
        """A file has a new length."""
        self.act(lambda: file.pending.append(Length(length)))

    def removed(self, path: Path) -> None:
        """A name is gone."""
        self.act(lambda: self._folders[path.parent].change(path.name, None))

    def synced(self, file: File) -> None:
        """The content of a file is on disk."""
        self.act(file.sync)

    def synced_names(self, folder: Path) -> None:
        """The names in a folder are on disk."""
        self.act(lambda: self._moves.update(self._folders[folder].sync()))

    # durable.Disk

    def connect(self, path: Path) -> Any:
        return self._connect(path, writing=True)

    def connect_reader(self, path: Path) -> Any:
        return self._connect(path, writing=False)

    def _connect(self, path: Path, writing: bool) -> Connection:
        connection = self.kind(path, self._vfs.name, writing)
        if writing:  # so that a life of a few commits has checkpoints, whole and cut ones
            connection.execute(f"PRAGMA wal_autocheckpoint = {self.rng.choice((2, 8, 30, 1000))}")
        self._connections.append(connection)
        return connection

    def make_folder(self, folder: Path, mode: int = 0o777) -> None:
        for path in reversed([folder, *folder.parents]):
            if path.is_relative_to(self.root) and path not in self._folders:
                path.mkdir(mode)
                self._folders[path] = Folder()
                self.act(lambda path=path: self._folders[path.parent].change(path.name, File()))
                self.sync_folder(path.parent)

    def create(self, path: Path) -> None:
        if not self.knows(path):
            super().create(path)
            self.appeared(path)

    def write(self, path: Path, data: bytes) -> None:
        new = not self.knows(path)
        super().write(path, data)
        if new:
            self.appeared(path)
        else:
            self.truncated(self.file(path), 0)
        self.wrote(self.file(path), 0, data)

    def sync_file(self, path: Path) -> None:
        self.synced(self.file(path))

    def sync_folder(self, folder: Path) -> None:
        self.synced_names(folder)

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        file, move = self.file(old), object()

        def note() -> None:
            self._folders[new.parent].change(new.name, file, move)
            self._folders[old.parent].change(old.name, None, move)

        self.act(note)

    def unlink(self, path: Path) -> None:
        if self.knows(path):
            super().unlink(path)
            self.removed(path)

    # The cut.

    def _cut(self) -> dict[PurePath, bytes | None]:
        """Return what is left, by path below root: content, or None for a folder."""
        whim = Whim(self.rng)
        held: dict[int, bytes] = {}
        after: dict[PurePath, bytes | None] = {}  # by path; None: a folder
        for path, entries in names(self._folders, self._moves, whim).items():
            for name, file in entries.items():
                known = self._folders.get(path / name)
                left = held.setdefault(id(file), content(file, whim))
                after[path / name] = None if known is not None else left
        after |= self._shared_memory()
        return {path.relative_to(self.root): left for path, left in after.items() if self._reachable(path, after)}

    def _shared_memory(self) -> dict[PurePath, bytes]:
        """SQLite never syncs its shared memory: the old file may be there after a start, whole or as rubbish."""
        found = {}
        for path in self.root.rglob("*-shm"):
            if (left := self.rng.choice(("gone", "whole", "rubbish"))) != "gone":
                found[path] = path.read_bytes() if left == "whole" else self.rng.randbytes(path.stat().st_size)
        return found

    def _reachable(self, path: PurePath, after: dict[PurePath, bytes | None]) -> bool:
        return all(p in after for p in path.parents if p != self.root and p.is_relative_to(self.root))

    def power_off(self) -> None:
        """Cut now, if no operation did."""
        if self.image is None:
            self.image = self._cut()

    def close(self) -> None:
        """Give back what the dead programs had open."""
        self._over = True
        for connection in self._connections:
            connection.close()
        self._vfs.unregister()


def lay_down(image: dict[PurePath, bytes | None], root: Path) -> Path:
    """Make `root` hold an image; return it."""
    root.mkdir(parents=True)
    for path, left in sorted(image.items()):
        if left is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(left)
    return root
