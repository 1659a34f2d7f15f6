"""The local stop: pages for `city edge stop|clear`, on the node's own unix socket only."""

import asyncio
from collections.abc import Callable

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from service.addresses import UNIX

from ..core import Core
from .effects import LOCAL, Effect
from .reaction import Reaction

FORBIDDEN, NO_ROOM = 403, 507
KEPT_WITHIN_S, LOOK_S = 5.0, 0.02


class StopBody(BaseModel):
    """Why nothing may move here, or may again, and who says so (the user at the node, for the audit log)."""

    reason: str = Field(min_length=3, max_length=150)
    who: str = Field(default="somebody", max_length=64)


def add_stop_pages(api: FastAPI, core: Core, reaction: Reaction, address: str) -> None:
    """Add POST /stop and POST /clear to an interface that listens at `address`."""

    async def post_stop(body: StopBody) -> dict[str, str]:
        return await done(lambda: core.guard.stop(f"{body.who}: {body.reason}", local(body), core.now()))

    async def post_clear(body: StopBody) -> dict[str, str]:
        return await done(lambda: core.guard.clear(local(body), body.reason))

    async def done(what: Callable[[], list[Effect]]) -> dict[str, str]:
        """Do it at once; say so when it would survive a restart, for whoever climbs into the shaft relies on it."""
        if not address.startswith(UNIX):
            text = f"a node is stopped and cleared over its unix socket only, and this is {address}"
            raise HTTPException(FORBIDDEN, {"reason": "not_local", "text": f"{text}; next: set [edge] api"})
        reaction.carry_out(what())
        for _ in range(round(KEPT_WITHIN_S / LOOK_S)):
            if reaction.is_kept(LOCAL):
                break
            await asyncio.sleep(LOOK_S)
        else:
            now = "stopped" if core.guard.stopped else "free"
            text = f"{core.edge} is {now}, but its disk did not keep that: a restart would forget it"
            raise HTTPException(NO_ROOM, {"reason": "not_kept", "text": f"{text}; next: make room on its disk"})
        return {"edge": core.edge, "stopped": core.guard.stopped}

    api.post("/stop")(post_stop)
    api.post("/clear")(post_clear)


def local(body: StopBody) -> str:
    """Return under which name the audit log keeps who stood at the node."""
    return f"local:{body.who}"
