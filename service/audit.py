"""The audit log: what was refused and what was done, one JSON object a line, only ever appended, each with the hash of
the line before (audit_chain.py), its head signed every minute (audit_heads.py).

    audit = AuditLog(data_dir, name="city", witness=Path("/media/witness"))
    audit.note([{"event": "refused", "who": "edge-7", ...}])   # soon durable; a thread writes and fsyncs
    audit.write([{"event": "key_revoked", "who": "anna", ...}])   # durable on return, for what must precede its effect

Each line has its number `n` and the wall clock `utc_us`. A line that a power cut tore ends with the next start, whose
first line says so. A file that reaches MAX_BYTES is renamed to `audit-N.jsonl` (N: its last number); the newest
MAX_FILES of those stay, and a line tells which were removed before they are. Docs: docs/audit.md.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .audit_budget import Budget
from .audit_chain import BEGUN, REMOVED, TORN, ZERO, make_line, sha
from .audit_files import FILE, files, last_line, read, tail_of
from .audit_heads import HeadKeeper
from .files import sync_folder

__all__ = ["FILE", "AuditLog", "read", "wall_us"]
MAX_BYTES = 16 << 20
MAX_FILES = 8
MAX_WAITING = 1000
RETRY_S = 5.0


def wall_us() -> int:
    """Return UTC in microseconds: what people compare an audit line with."""
    return time.time_ns() // 1000


def mono_us() -> int:
    """Return a time that never steps, in microseconds."""
    return time.monotonic_ns() // 1000


class AuditLog:
    """The log in one folder. `dropped`: lines that found no room while the disk was full; `problem`: why.

    With a `name` its head is signed and kept, in `witness` too.
    """

    def __init__(
        self, folder: Path, wall: Callable[[], int] = wall_us, max_bytes: int = MAX_BYTES, *,
        name: str = "", witness: Path | None = None,
    ) -> None:  # fmt: skip
        """Open or begin the log. Raises: OSError, KeyFileError."""
        self.folder, self._wall, self._max_bytes = folder, wall, max_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.dropped, self.problem = 0, ""
        self._owed: list[dict[str, Any]] = []
        self._removing: list[Path] = []
        self._end: tuple[int, str] = (0, ZERO)
        self._find_end()
        self._plan_removal()
        self._file = self._open()
        self._waiting: deque[dict[str, Any]] = deque()
        self._budget = Budget()
        self._wake = threading.Condition()
        self._writing = threading.Lock()
        self._closing = False
        self._heads = HeadKeeper(folder, name, lambda: self._end, wall, witness) if name else None
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @property
    def number(self) -> int:
        """Return the number of the last line that is durable."""
        return self._end[0]

    @property
    def problems(self) -> list[str]:
        """Return what somebody has to see to, for /health."""
        lost = f"{self.dropped} lines of the audit log were lost" if self.dropped else ""
        return [text for text in (self.problem, lost, self._heads.problem if self._heads else "") if text]

    @property
    def head(self) -> dict[str, Any]:
        """Return the newest signed head, empty while there is none."""
        return self._heads.row() if self._heads else {}

    def note(self, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows soon, without waiting."""
        with self._wake:
            for row in rows:
                if not self._budget.passes(row, mono_us()):
                    continue
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
        """Write what waits, hand over the head, then close."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        if self._heads:
            self._heads.close()
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
            while True:
                summary = self._budget.due(mono_us(), last=self._closing)
                self._waiting.extend({"utc_us": self._wall(), **row} for row in summary)
                if self._waiting or self._closing:
                    break
                wait_us = self._budget.wait_us(mono_us())
                self._wake.wait(None if wait_us is None else wait_us / 1e6 + 0.01)
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
        if os.fstat(self._file).st_size != self._size:
            os.ftruncate(self._file, self._size)  # half a line of an append that failed
        data, (number, prev) = b"", self._end
        for row in [*({"utc_us": self._wall(), **owed} for owed in self._owed), *rows]:
            number += 1
            line = make_line(number, row, prev)
            data, prev = data + line + b"\n", sha(line)
        self._write(data)
        self._owed, self._end = [], (number, prev)  # as one, since others read it
        self._size += len(data)
        self._remove()
        if self._size >= self._max_bytes:
            self._rotate()

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fdatasync(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise

    def _rotate(self) -> None:
        os.close(self._file)
        path = self.folder / FILE
        path.rename(path.with_name(f"audit-{self.number:012d}.jsonl"))
        self._file = self._open()
        self._plan_removal()

    def _plan_removal(self) -> None:
        self._removing = files(self.folder)[:-1][:-MAX_FILES]
        last = last_line(self._removing[-1]) if self._removing else None
        if last is not None:
            self._owed.append({"event": REMOVED, "through": last.n, "sha256": last.sha256})

    def _remove(self) -> None:
        """Remove what is too old, now that a durable line says so and anchors what stays."""
        for path in self._removing:
            path.unlink(missing_ok=True)
        self._removing = []

    def _find_end(self) -> None:
        """Learn number and hash of the last line, and what the next line has to tell of what stands before it."""
        tail = tail_of(self.folder)
        if tail.last:
            self._end = tail.last.n, tail.last.sha256
        if tail.last and not tail.last.chained:
            self._owed.append({"event": BEGUN, "unchained": tail.unchained})
        elif tail.junk is not None:
            self._owed.append({"event": TORN, "bytes": len(tail.junk), "sha256": sha(tail.junk)})

    def _open(self) -> int:
        file = os.open(self.folder / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            size += os.write(file, b"\n")
        self._size = size
        os.fsync(file)
        sync_folder(self.folder)
        return file
