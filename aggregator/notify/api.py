"""Pages of messages to people: what was said, and that somebody has it."""

import hmac
from collections.abc import Callable
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

from ..city import City
from ..tasks.dispatch import Now
from .desk import answered

NOT_FOUND = 404
MAX_PAGE = 200
Row = dict[str, Any]


class AckBody(BaseModel):
    """Who has it."""

    who: str = Field(default="the receiver", min_length=1, max_length=64)


class Parts(Protocol):
    """What these pages need of a running city."""

    city: City

    def now(self) -> Now:
        """Return the moment."""


def add_notice_pages(api: FastAPI, parts: Parts, note: Callable[[list[Row]], None]) -> None:
    """Add GET /notifications and POST /notifications/ID/ack; the token of the message opens the second, no login."""

    async def get_notifications(limit: int = MAX_PAGE, offset: int = 0) -> list[Row]:
        first = max(offset, 0)
        return parts.city.outbox.rows(first, first + min(max(limit, 0), MAX_PAGE))

    async def post_ack(
        message_id: str, body: AckBody, city_ack_token: Annotated[str, Header(max_length=100)] = ""
    ) -> Row:
        box = parts.city.outbox
        entry = box.entries.get(message_id)
        kept = entry.token if entry is not None else "-"
        if not hmac.compare_digest(kept.encode(), city_ack_token.encode()) or entry is None:
            text = "no such message, or another token than it came with (header City-Ack-Token)"
            raise HTTPException(NOT_FOUND, {"reason": "unknown_message", "text": text})
        first = answered(box, entry, body.who, parts.now(), note)
        return {"id": message_id, "acked_by": box.entries[message_id].acked_by, "first": first}

    api.get("/notifications")(get_notifications)
    api.post("/notifications/{message_id}/ack")(post_ack)
