"""The node's audit log over HTTP, to read; what is in it, on the unix socket only, as a node knows no people."""

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, HTTPException

from service.addresses import UNIX
from service.audit_check import MAX_LINES, AuditDesk
from service.audit_heads import PRIVATE, Book

from ..config import EdgeConfig
from .city_heads import CityHeads

PAGE = 100
FORBIDDEN = 403


def add_audit_pages(api: FastAPI, config: EdgeConfig, heads: CityHeads) -> None:
    """Add GET /audit, /audit/heads (the newest of the city's that are kept here, oldest first) and /audit/lines."""
    section, witness = config.edge, config.audit.witness
    folders = [section.data_dir / PRIVATE, *([witness] if witness else [])]
    desk = AuditDesk(section.data_dir, section.id, [Book(folder, section.id) for folder in folders])

    async def get_audit() -> dict[str, Any]:
        return await desk.verdict()

    async def get_heads(limit: int = PAGE) -> list[dict[str, Any]]:
        kept = await asyncio.to_thread(heads.book.kept)
        newest = kept[len(kept) - min(max(limit, 0), MAX_LINES, len(kept)) :]
        return [{**asdict(head), "received_utc_us": received_utc_us} for head, received_utc_us in newest]

    async def get_lines(after: int = 0, limit: int = PAGE) -> list[dict[str, Any]]:
        if not section.api.startswith(UNIX):
            text = f"the audit log is shown over a unix socket only, and the interface is on {section.api}"
            raise HTTPException(FORBIDDEN, {"reason": "not_local", "text": f"{text}; next: set [edge] api"})
        return await desk.lines(after, limit)

    api.get("/audit")(get_audit)
    api.get("/audit/heads")(get_heads)
    api.get("/audit/lines")(get_lines)
