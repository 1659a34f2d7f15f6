"""Keeps signed heads of other logs, as their owners tell them: what somebody logged, he cannot unlog.

    witness = Witness(lambda who: Book(folder, who), audit.note, "edge_log_contradicts")
    witness.offer("edge-1", row, now_us)     # a thread checks, writes and fsyncs
    witness.reasons()                        # {"edge-1": "its audit log was rolled back: ..."}

A head that contradicts an earlier one is not kept but told, in the witness's own audit log too, until the log goes on
where it was. A new log under an old name begins anew when its book was moved away.
"""

import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from protocol.city_link import AuditHead

from .audit import wall_us
from .audit_heads import Book, Head, contradiction, from_map

EVERY_US = 20_000_000
MAX_WAITING = 4096
Row = dict[str, Any]


class Witness:
    """The books of others. `book(who)` returns the one of `who`; `event` names contradictions in the audit log."""

    def __init__(
        self, book: Callable[[str], Book], note: Callable[[list[Row]], None], event: str,
        wall: Callable[[], int] = wall_us,
    ) -> None:  # fmt: skip
        """`note` takes lines for the audit log of who keeps these."""
        self._book, self._note, self._event, self._wall = book, note, event, wall
        self._heard: dict[str, Row] = {}
        self._next_us: dict[str, int] = {}
        self._top: dict[str, Head | None] = {}
        self._wrong: dict[str, str] = {}
        self._waiting: queue.Queue[tuple[str, str, Row] | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        self._thread.start()

    def offer(self, who: str, row: Row, now_us: int, name: str = "") -> None:
        """Take a head of `who` if it is new, at most one each 20 s; with a `name` it must be of that log."""
        known = row == self._heard.get(who) or now_us < self._next_us.get(who, 0)
        if not known and not self._waiting.full():
            self._heard[who] = row
            self._next_us[who] = now_us + EVERY_US
            self._waiting.put_nowait((who, name, row))

    def reasons(self) -> dict[str, str]:
        """Return what is wrong, by whose log."""
        return dict(sorted(self._wrong.copy().items()))

    def newest(self, who: str) -> Row:
        """Return the head of most lines that is kept of `who`, empty if there is none or nothing was heard yet."""
        head = self._top.get(who)
        return asdict(head) if head is not None else {}

    def close(self) -> None:
        """Keep what waits, then stop."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while item := self._waiting.get():
            who, name, row = item
            try:
                wrong = self._take(who, name, from_map(row))
            except OSError as error:
                self._heard.pop(who, None)
                wrong = f"the head of its audit log cannot be kept: {error.strerror}"
            if wrong and wrong != self._wrong.get(who):
                self._note([{"event": self._event, "who": who, "text": wrong, "head": row if from_map(row) else {}}])
            self._wrong.pop(who, None)
            if wrong:
                self._wrong[who] = wrong

    def _take(self, who: str, name: str, head: Head | None) -> str:
        """Keep a head; return what is wrong with it. Raises: OSError."""
        if head is None or (name and head.name != name) or not head.genuine():
            return "the head of its audit log is not its own, or has a wrong signature"
        book = self._book(who)
        if who not in self._top:
            self._top[who] = book.top()
        wrong = contradiction(self._top[who], head)
        if not wrong and head != self._top[who]:
            book.keep(head, self._wall())
            self._top[who] = head
        return wrong

    def recall(self, who: str) -> None:
        """Know from the book what is kept of `who` before he says anything; a book that cannot be read is told then."""
        with contextlib.suppress(OSError):
            self._top[who] = self._book(who).top()


def to_message(row: Row) -> AuditHead:
    """Return a head as the city link carries it."""
    key, sha256, sig = (bytes.fromhex(row[name]) for name in ("key", "sha256", "sig"))
    return AuditHead(row["name"], row["n"], sha256, row["utc_us"], key, sig)


def from_message(message: AuditHead) -> Row:
    """Return the head that a message carries, whatever it is worth."""
    return asdict(Head(message.name, message.n, message.sha256.hex(), message.utc_us, message.key.hex(),
                       message.sig.hex()))  # fmt: skip
