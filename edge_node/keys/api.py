"""What an operator does to the keys of a running node: pages for `city keys`, on the unix socket only."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, HTTPException

from service.addresses import UNIX
from service.errors import KeyFileError

from .side import KeySide

FORBIDDEN, CONFLICT = 403, 409


def add_key_pages(api: FastAPI, keys: KeySide, address: str) -> None:
    """Add GET /keys, POST /keys/rotate and POST /keys/reload to an interface that listens at `address`."""

    async def get_keys() -> dict[str, Any]:
        return keys.rows()

    async def post_rotate() -> dict[str, Any]:
        return _changed(address, keys.rotate)

    async def post_reload() -> dict[str, Any]:
        return _changed(address, keys.reload)

    api.get("/keys")(get_keys)
    api.post("/keys/rotate")(post_rotate)
    api.post("/keys/reload")(post_reload)


def _changed(address: str, change: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    if not address.startswith(UNIX):
        text = f"keys are changed over a unix socket only, and the interface is on {address}: set [edge] api"
        raise HTTPException(FORBIDDEN, {"reason": "not_local", "text": text})
    try:
        return change()
    except KeyFileError as error:
        raise HTTPException(CONFLICT, {"reason": "key_file", "text": str(error)}) from error
