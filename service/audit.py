"""The audit log: what was refused and what was done to keys, one JSON object a line, only ever appended.

    audit = AuditLog(data_dir)
    audit.note([{"event": "refused", ...}])            # soon durable; a thread writes and fsyncs
    audit.write([{"event": "key_revoked", ...}])       # durable on return, for what must precede its effect

Each line has its number `n` and the wall clock `utc_us`; `_line` is the one place where lines are made, and where
a chain of hashes will be. A line that a power cut tore ends with the next start and is skipped by `read`. A file
that reaches MAX_BYTES is renamed to `audit-N.jsonl` (N: its last number); the newest MAX_FILES of those stay.
"""

import contextlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

FILE = "audit.jsonl"
MAX_BYTES = 16 << 20
MAX_FILES = 8
MAX_WAITING = 1000
RETRY_S = 5.0


def wall_us() -> int:
    """Return UTC in microseconds: what people compare an audit line with."""
    return time.time_ns() // 1000


class AuditLog:
    """The log in one folder. `dropped`: lines that found no room while the disk was full; `problem`: why."""

    def __init__(self, folder: Path, wall: Callable[[], int] = wall_us, max_bytes: int = MAX_BYTES) -> None:
        """Open or begin the log. Raises: OSError."""
        self._folder, self._wall, self._max_bytes = folder, wall, max_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.number = max((row["n"] for row in read(folder)), default=0)
        self.dropped = 0
        self.problem = ""
        self._file = self._open()
        self._waiting: deque[dict[str, Any]] = deque()
        self._wake = threading.Condition()
        self._writing = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def note(self, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows soon, without waiting."""
        with self._wake:
            for row in rows:
                if len(self._waiting) < MAX_WAITING:
                    self._waiting.append({"utc_us": self._wall(), **row})
                else:
                    self.dropped += 1
            self._wake.notify()

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows and return once they are durable. Raises: OSError."""
        with self._writing:
            self._append([{"utc_us": self._wall(), **row} for row in rows])

    def close(self) -> None:
        """Write what waits, then close."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        while rows := self._take():
            try:
                with self._writing:
                    self._append(rows)
                self.problem = ""
            except OSError as error:
                self.problem = f"the audit log cannot be written: {error.strerror}"
                self._give_back(rows)

    def _take(self) -> list[dict[str, Any]]:
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            rows = list(self._waiting)
            self._waiting.clear()
            return rows

    def _give_back(self, rows: list[dict[str, Any]]) -> None:
        """Keep rows for another try a little later; at the end they are lost, and counted."""
        with self._wake:
            if self._closing:
                self.dropped += len(rows)
                return
            self._waiting.extendleft(reversed(rows))
            self._wake.wait(RETRY_S)

    def _append(self, rows: list[dict[str, Any]]) -> None:
        """Write all rows or, as far as a file can be cut back, none."""
        size = os.fstat(self._file).st_size
        data = b"".join(_line(self.number + at, row) for at, row in enumerate(rows, 1))
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fdatasync(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, size)
            raise
        self.number += len(rows)
        if os.fstat(self._file).st_size >= self._max_bytes:
            self._rotate()

    def _rotate(self) -> None:
        os.close(self._file)
        path = self._folder / FILE
        path.rename(path.with_name(f"audit-{self.number:012d}.jsonl"))
        for old in _older(self._folder)[:-MAX_FILES]:
            old.unlink()
        self._file = self._open()

    def _open(self) -> int:
        file = os.open(self._folder / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            os.write(file, b"\n")
        os.fsync(file)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return file


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of the log in `folder`, oldest first; what is no whole line is skipped."""
    for path in [*_older(folder), folder / FILE]:
        if not path.exists():
            continue
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict) and isinstance(row.get("n"), int):
                    yield row


def _older(folder: Path) -> list[Path]:
    return sorted(folder.glob("audit-*.jsonl"))


def _line(number: int, row: dict[str, Any]) -> bytes:
    return json.dumps({"n": number, **row}, separators=(",", ":")).encode() + b"\n"
