"""The city's audit log over HTTP, to read: is it whole, a range of its lines, and which heads of it the nodes keep."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI

from service.audit_check import AuditDesk
from service.audit_heads import PRIVATE, Book

from ..config import AggregatorConfig
from ..link.sessions import Session
from ..operators.gate import demand_everywhere, needs
from ..operators.people import Person
from .heads import kept_by_nodes

PAGE = 100
Sessions = Callable[[], Iterable[Session]]


def add_audit_pages(api: FastAPI, config: AggregatorConfig, sessions: Sessions) -> None:
    """Add GET /audit and /audit/heads for whoever may view, and /audit/lines for administrators of the whole city.

    `sessions()`: the links to nodes, which tell the heads that they keep.
    """
    section, witness = config.city, config.audit.witness
    folders = [section.data_dir / PRIVATE, *([witness] if witness else [])]
    books = [Book(folder, section.id) for folder in folders]
    desk = AuditDesk(section.data_dir, section.id, books, lambda: kept_by_nodes(sessions()))

    async def get_audit(_: Annotated[Person, Depends(needs("view"))]) -> dict[str, Any]:
        return await desk.verdict()

    async def get_heads(_: Annotated[Person, Depends(needs("view"))]) -> list[dict[str, Any]]:
        return [{"kept_by": edge, **asdict(head)} for edge, head in kept_by_nodes(sessions())]

    async def get_lines(
        person: Annotated[Person, Depends(needs("administer"))], after: int = 0, limit: int = PAGE
    ) -> list[dict[str, Any]]:
        demand_everywhere(person, "administer")
        return await desk.lines(after, limit)

    api.get("/audit")(get_audit)
    api.get("/audit/heads")(get_heads)
    api.get("/audit/lines")(get_lines)
