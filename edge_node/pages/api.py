"""The node's HTTP interface: JSON on a unix socket (owner only) or TCP; read only but for what a person has seen."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

FORBIDDEN = 403


class SeenBody(BaseModel):
    """A person has seen all contradictions, and says why they are no trouble any more."""

    reason: str = Field(min_length=3, max_length=500)


def make_api(
    health: Callable[[], dict[str, Any]],
    ledger: Callable[[], dict[str, Any]],
    estimates: Callable[[], list[dict[str, Any]]],
    seen: Callable[[str], int] | None = None,
) -> FastAPI:
    """Return the application with /health, /status (the same), /ledger and /estimates.

    `seen(reason)`: a person has seen all contradicting samples; None: nobody may say so over this interface.
    """
    api = FastAPI(title="CityReflex edge node", docs_url=None, redoc_url=None)

    async def get_health() -> dict[str, Any]:
        return health()

    async def get_ledger() -> dict[str, Any]:
        return ledger()

    async def get_estimates() -> list[dict[str, Any]]:
        return estimates()

    async def post_acknowledge(body: SeenBody) -> dict[str, int]:
        if seen is None:
            raise HTTPException(FORBIDDEN, "this is done over a unix socket only: set [edge] api")
        return {"acknowledged": seen(body.reason)}

    api.post("/ledger/acknowledge")(post_acknowledge)
    api.get("/health")(get_health)
    api.get("/status")(get_health)
    api.get("/ledger")(get_ledger)
    api.get("/estimates")(get_estimates)
    return api


