"""The node's HTTP interface: JSON, read only, on a unix socket (owner only) or TCP."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI


def make_api(
    health: Callable[[], dict[str, Any]],
    ledger: Callable[[], dict[str, Any]],
    estimates: Callable[[], list[dict[str, Any]]],
) -> FastAPI:
    """Return the application with /health, /status (the same), /ledger and /estimates."""
    api = FastAPI(title="CityReflex edge node", docs_url=None, redoc_url=None)

    async def get_health() -> dict[str, Any]:
        return health()

    async def get_ledger() -> dict[str, Any]:
        return ledger()

    async def get_estimates() -> list[dict[str, Any]]:
        return estimates()

    api.get("/health")(get_health)
    api.get("/status")(get_health)
    api.get("/ledger")(get_ledger)
    api.get("/estimates")(get_estimates)
    return api


