"""Keeps the signed heads of the edge nodes' audit logs, as heartbeats bring them: what a node logged, it cannot unlog.

A thread writes and fsyncs. A head that contradicts an earlier one is not kept but told: in the city's audit log, in
/health, until the node's log goes on where it was. A new node under an old name begins a new log: move its book away.
"""

import queue
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from service.audit_heads import Book, Head, contradiction, from_map

from ..link.sessions import Session

EVERY_US = 20_000_000
MAX_WAITING = 4096
Row = dict[str, Any]


class Witness:
    """The books of all edge nodes, in one folder."""

    def __init__(self, folder: Path, note: Callable[[list[Row]], None]) -> None:
        """`note` takes lines for the city's own audit log."""
        self._folder, self._note = folder, note
        self._heard: dict[str, Row] = {}
        self._next_us: dict[str, int] = {}
        self._top: dict[str, Head | None] = {}
        self._wrong: dict[str, str] = {}
        self._waiting: queue.Queue[tuple[str, Row] | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        self._thread.start()

    def tick(self, sessions: Iterable[Session], now_us: int) -> None:
        """Take the heads that are new, at most one of each node every 20 s."""
        for session in sessions:
            told = session.health.get("audit")
            row = told.get("head") if isinstance(told, dict) else None
            known = row == self._heard.get(session.edge) or now_us < self._next_us.get(session.edge, 0)
            if isinstance(row, dict) and row and not known and not self._waiting.full():
                self._heard[session.edge] = row
                self._next_us[session.edge] = now_us + EVERY_US
                self._waiting.put_nowait((session.edge, row))

    def reasons(self) -> list[str]:
        """Return what is wrong, for /health."""
        return [f"{edge}: {text}" for edge, text in sorted(self._wrong.copy().items())]

    def close(self) -> None:
        """Keep what waits, then stop."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while item := self._waiting.get():
            edge, row = item
            try:
                wrong = self._take(edge, from_map(row))
            except OSError as error:
                self._heard.pop(edge, None)
                wrong = f"the head of its audit log cannot be kept: {error.strerror}"
            if wrong and wrong != self._wrong.get(edge):
                self._note([{"event": "edge_log_contradicts", "who": edge, "text": wrong, "head": row}])
            self._wrong.pop(edge, None)
            if wrong:
                self._wrong[edge] = wrong

    def _take(self, edge: str, head: Head | None) -> str:
        """Keep a head; return what is wrong with it. Raises: OSError."""
        if head is None or head.name != edge or not head.genuine():
            return "the head of its audit log is not its own, or has a wrong signature"
        book = Book(self._folder, edge)
        if edge not in self._top:
            self._top[edge] = max(book.heads(), key=lambda kept: kept.n, default=None)
        wrong = contradiction(self._top[edge], head)
        if not wrong and head != self._top[edge]:
            book.keep(head)
            self._top[edge] = head
        return wrong
