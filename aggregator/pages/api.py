"""The city's HTTP interface: JSON on a unix socket or TCP; who changes something passes the gate. Shapes: README."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException

from ..backup.restoring import Restoring
from ..city import City
from ..ledger import view as ledger_view
from ..operators.gate import needs
from ..operators.people import Person
from ..tasks.dispatch import Now
from . import latency, status

MAX_PAGE = 1000


def make_api(
    city: Callable[[], City],
    now: Callable[[], Now],
    zap_alive: Callable[[], bool],
    more_reasons: Callable[[], list[str]] = list,
) -> FastAPI:
    """Return the application. Lists take `limit` and `offset`."""
    api = FastAPI(title="CityReflex city", docs_url=None, redoc_url=None)

    async def get_health() -> dict[str, Any]:
        return status.health(city(), now(), zap_alive=zap_alive(), more=more_reasons())

    async def get_status() -> dict[str, Any]:
        found = status.status(city(), now())
        return {**found, "alarms": [*found["alarms"], *more_reasons()]}

    async def get_ledger() -> dict[str, Any]:
        rows = ledger_view.account_rows(*status.ledger_args(city(), now()))
        return ledger_view.ledger_table(rows, city().ingest.contradictions.rows())

    async def get_things() -> list[dict[str, Any]]:
        return city().registry.thing_rows()

    async def get_datastreams(limit: int = MAX_PAGE, offset: int = 0) -> list[dict[str, Any]]:
        return _page(city().registry.datastream_rows(), limit, offset)

    async def get_latest(limit: int = MAX_PAGE, offset: int = 0) -> list[dict[str, Any]]:
        moment = now()
        rows = city().host.latest.rows(city().registry, moment.utc_us, city().clock.speed, moment.us)
        return _page(rows, limit, offset)

    async def get_tasks(limit: int = MAX_PAGE, offset: int = 0) -> list[dict[str, Any]]:
        first = max(offset, 0)
        return city().dispatcher.book.rows(first, first + min(max(limit, 0), MAX_PAGE))

    async def get_estimates() -> list[dict[str, Any]]:
        return city().host.rows()

    async def get_latency() -> dict[str, Any]:
        told = [session.health.get("latency") for session in city().sessions.by_edge.values()]
        return latency.merged(city().hops.summary(), [hops for hops in told if isinstance(hops, dict)])

    for handler in (
        get_health, get_status, get_ledger, get_things, get_datastreams, get_latest, get_tasks,
        get_estimates, get_latency,
    ):  # fmt: skip
        api.get("/" + handler.__name__.removeprefix("get_"))(handler)
    return api


def add_restore(api: FastAPI, restoring: Restoring, note: Callable[[list[dict[str, Any]]], None]) -> None:
    """Let an administrator put a backup back; `note` takes lines for the audit log."""

    async def get_restore() -> dict[str, Any]:
        return restoring.row()

    async def post_restore(source: str, person: Annotated[Person, Depends(needs("administer"))]) -> dict[str, Any]:
        if not restoring.begin(Path(source)):
            raise HTTPException(409, f"a restore from {restoring.source} is going on")
        note([{"event": "restore_begun", "who": person.name, "source": source}])
        return restoring.row()

    api.get("/restore")(get_restore)
    api.post("/restore")(post_restore)


def _page(rows: list[dict[str, Any]], limit: int, offset: int) -> list[dict[str, Any]]:
    return rows[max(offset, 0) :][: min(max(limit, 0), MAX_PAGE)]
