"""What an operator does to keys while the city runs: pages for `city keys`, on the unix socket only.

The socket is readable by its owner alone; an interface on TCP has no authentication, so there these pages refuse.
"""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from service.sections import UNIX, Identifier

from ..errors import KeyringError
from .desk import KeyDesk

FORBIDDEN, CONFLICT, NO_ROOM = 403, 409, 507


class EnrollBody(BaseModel):
    """Open a token for `edge` that lives `life_s` seconds."""

    edge: Identifier
    life_s: float = Field(gt=0, le=604_800)


class RevokeBody(BaseModel):
    """Kill the keys of `edge` whose fingerprints begin with `key`; "": all."""

    edge: Identifier
    key: str = Field(default="", pattern=r"^[0-9a-f]{0,32}$")


def add_key_pages(api: FastAPI, desk: KeyDesk, address: str) -> None:
    """Add GET /keys, POST /keys/enroll and POST /keys/revoke to an interface that listens at `address`."""

    async def get_keys() -> dict[str, Any]:
        return desk.store.rows()

    async def post_enroll(body: EnrollBody) -> dict[str, Any]:
        _check_local(address)
        return _told(lambda: desk.store.open_token(body.edge, body.life_s))

    async def post_revoke(body: RevokeBody) -> dict[str, Any]:
        _check_local(address)
        try:
            return {"edge": body.edge, "revoked": await desk.revoke(body.edge, body.key)}
        except (KeyringError, OSError) as error:
            raise _refusal(error) from error

    api.get("/keys")(get_keys)
    api.post("/keys/enroll")(post_enroll)
    api.post("/keys/revoke")(post_revoke)


def _check_local(address: str) -> None:
    if not address.startswith(UNIX):
        text = f"keys are changed over a unix socket only, and the interface is on {address}: set [city] api"
        raise HTTPException(FORBIDDEN, {"reason": "not_local", "text": text})


def _told(do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return do()
    except (KeyringError, OSError) as error:
        raise _refusal(error) from error


def _refusal(error: KeyringError | OSError) -> HTTPException:
    if isinstance(error, KeyringError):
        return HTTPException(CONFLICT, {"reason": error.reason, "text": str(error)})
    text = f"it holds until the city restarts, but could not be saved: {error.strerror}"
    return HTTPException(NO_ROOM, {"reason": "not_saved", "text": text})
