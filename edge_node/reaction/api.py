"""The local stop: pages for `city edge stop|clear`, on the node's own unix socket only."""

from collections.abc import Callable

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from service.addresses import UNIX

from ..core import Core
from .effects import Effect
from .reaction import Reaction

FORBIDDEN = 403


class StopBody(BaseModel):
    """Why nothing may move here, or may again, and who says so (the user at the node, for the audit log)."""

    reason: str = Field(min_length=3, max_length=150)
    who: str = Field(default="somebody", max_length=64)


def add_stop_pages(api: FastAPI, core: Core, reaction: Reaction, address: str) -> None:
    """Add POST /stop and POST /clear to an interface that listens at `address`."""

    async def post_stop(body: StopBody) -> dict[str, str]:
        return done(lambda: core.guard.stop(f"{body.who}: {body.reason}", local(body), core.now()))

    async def post_clear(body: StopBody) -> dict[str, str]:
        return done(lambda: core.guard.clear(local(body), body.reason))

    def done(what: Callable[[], list[Effect]]) -> dict[str, str]:
        if not address.startswith(UNIX):
            text = f"a node is stopped and cleared over its unix socket only, and this is {address}"
            raise HTTPException(FORBIDDEN, {"reason": "not_local", "text": f"{text}; next: set [edge] api"})
        reaction.carry_out(what())
        return {"edge": core.edge, "stopped": core.guard.stopped}

    api.post("/stop")(post_stop)
    api.post("/clear")(post_clear)


def local(body: StopBody) -> str:
    """Return under which name the audit log keeps who stood at the node."""
    return f"local:{body.who}"
