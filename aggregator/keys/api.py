"""What an administrator does to keys while the city runs: pages for `city keys`."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field

from service.sections import Identifier

from ..errors import KeyringError
from ..operators.gate import needs
from ..operators.people import Person
from .desk import KeyDesk

CONFLICT, NO_ROOM = 409, 507


class EnrollBody(BaseModel):
    """Open a token for `edge` that lives `life_s` seconds."""

    edge: Identifier
    life_s: float = Field(gt=0, le=604_800)


class RevokeBody(BaseModel):
    """Kill the keys of `edge` whose fingerprints begin with `key`; "": all."""

    edge: Identifier
    key: str = Field(default="", pattern=r"^[0-9a-f]{0,32}$")


def add_key_pages(api: FastAPI, desk: KeyDesk) -> None:
    """Add GET /keys, POST /keys/enroll and POST /keys/revoke; changes need an administrator."""
    admin = Annotated[Person, Depends(needs("administer"))]

    async def get_keys() -> dict[str, Any]:
        return desk.store.rows()

    async def post_enroll(body: EnrollBody, person: admin) -> dict[str, Any]:
        return _told(lambda: desk.store.open_token(body.edge, body.life_s, person.name))

    async def post_revoke(body: RevokeBody, person: admin) -> dict[str, Any]:
        try:
            return {"edge": body.edge, "revoked": await desk.revoke(body.edge, body.key, person.name)}
        except (KeyringError, OSError) as error:
            raise _refusal(error) from error

    api.get("/keys")(get_keys)
    api.post("/keys/enroll")(post_enroll)
    api.post("/keys/revoke")(post_revoke)


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
