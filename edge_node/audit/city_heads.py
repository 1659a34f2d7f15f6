"""Keeps the heads of the city's audit log in `audit/city/heads.jsonl`: what the city logged, it cannot unlog."""

from typing import Any

from protocol.city_link import AuditHead
from service.audit import AuditLog
from service.audit_heads import PRIVATE, Book
from service.audit_witness import Row, Witness, from_message

CITY = "city"
BOOK = "heads"
EVENT = "city_log_contradicts"


class CityHeads:
    """The book of the city's heads beside this node's own log."""

    def __init__(self, audit: AuditLog) -> None:
        self.book = Book(audit.folder / PRIVATE / CITY, BOOK)
        self._witness = Witness(lambda _: self.book, audit.note, EVENT)
        self._witness.recall(CITY)
        self._newest: Row = {}

    def take(self, message: AuditHead) -> None:
        """Keep a head soon, if it is genuine and does not contradict what is kept; of several the newest."""
        self._newest = from_message(message)

    def tick(self, now_us: int) -> None:
        """Hand on what came; what comes faster than a witness takes it, or while the disk is full, waits."""
        if self._newest:
            self._witness.offer(CITY, self._newest, now_us)

    def problems(self) -> list[str]:
        """Return what is wrong with the city's log, for /health."""
        wrong = self._witness.reasons().values()
        return [f"of the city's log: {text}; next: there, city audit verify" for text in wrong]

    def row(self) -> dict[str, Any]:
        """Return the newest head that is kept, and what is wrong, as heartbeats tell it to the city."""
        return {"head": self._witness.newest(CITY), "problem": self._witness.reasons().get(CITY, "")}

    def close(self) -> None:
        """Keep what waits, then stop."""
        self._witness.close()
