"""Heads of audit logs between the city and its edge nodes: each keeps those of the other (service/audit_witness.py).

Those of nodes come by heartbeats and are kept in `audit/edges`. The newest head of the city's own log goes to each node
once per connection, and every ten minutes; what nodes keep of it they tell in their health, for who compares it.
"""

from collections.abc import Iterable
from typing import Any

from protocol.city_link import AuditHead, speaks
from service.audit import AuditLog
from service.audit_check import Heads
from service.audit_heads import PRIVATE, Book, from_map
from service.audit_witness import Row, Witness, to_message

from ..link.sessions import Session

AGAIN_US = 600_000_000
EDGES = "edges"
EVENT = "edge_log_contradicts"


class Exchange:
    """The books of all edge nodes in one folder, and who was told which head of the city's own log."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        folder = audit.folder / PRIVATE / EDGES
        self.witness = Witness(lambda edge: Book(folder, edge), audit.note, EVENT)
        self._told: dict[str, tuple[bytes, int, int]] = {}

    def tick(self, sessions: Iterable[Session], now_us: int) -> list[tuple[str, AuditHead]]:
        """Take the heads that are new; return the city's own for whom it is new."""
        head, sends = self._audit.head, []
        for session in sessions:
            row = _audit(session).get("head")
            if isinstance(row, dict) and row:
                self.witness.offer(session.edge, row, now_us, session.edge)
            if head and self._is_new(session, head["n"], now_us):
                self._told[session.edge] = session.routing_id, head["n"], now_us
                sends.append((session.edge, to_message(head)))
        return sends

    def _is_new(self, session: Session, n: int, now_us: int) -> bool:
        """Whether a node that is there, and reads heads, was not told this one lately (a full queue may lose it)."""
        routing_id, told, told_us = self._told.get(session.edge, (None, 0, 0))
        news = (routing_id, told) != (session.routing_id, n) or now_us - told_us >= AGAIN_US
        return news and session.connected and speaks(AuditHead, session.proto)

    def reasons(self, sessions: Iterable[Session]) -> list[str]:
        """Return what is wrong, for /health: with the logs of nodes, and with the city's own as nodes know it."""
        wrong = [f"{edge}: {text}" for edge, text in self.witness.reasons().items()]
        for session in sessions:
            problem = _of_city(session).get("problem")
            if isinstance(problem, str) and problem:
                wrong.append(f"{session.edge} says of the city's log: {problem[:200]}")
        return wrong

    def close(self) -> None:
        """Keep what waits, then stop."""
        self.witness.close()


def kept_by_nodes(sessions: Iterable[Session]) -> Heads:
    """Return the newest head of the city's log that each node says it keeps: (edge, head)."""
    found = ((session.edge, from_map(_of_city(session).get("head"))) for session in sessions)
    return [(edge, head) for edge, head in found if head is not None]


def _audit(session: Session) -> Row:
    return _map(session.health.get("audit"))


def _of_city(session: Session) -> Row:
    return _map(_audit(session).get("city"))


def _map(value: Any) -> Row:
    """Return a map that an edge sent, an empty one if it sent something else."""
    return value if isinstance(value, dict) else {}
