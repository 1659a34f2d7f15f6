"""Pages of `city ledger`: why samples of one Thing are missing, and that a person has seen what contradicts."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field

from ..city import City
from ..operators.gate import demand_everywhere, needs
from ..operators.people import Person
from ..pages import status
from ..store.store import Store
from ..tasks.dispatch import Now
from . import explain as ledger_explain
from . import rows as ledger_rows
from . import view as ledger_view

NOT_FOUND = 404
Row = dict[str, Any]


class SeenBody(BaseModel):
    """A person has seen all contradictions, and says why they are no trouble any more."""

    reason: str = Field(min_length=3, max_length=500)


def add_ledger_pages(
    api: FastAPI, what: Callable[[], tuple[City, Store]], now: Callable[[], Now], note: Callable[[list[Row]], None]
) -> None:
    """Add GET /ledger/explain and POST /ledger/acknowledge; `note` takes lines for the audit log."""

    async def get_explain(thing: str) -> dict[str, Any]:
        city, store = what()
        rows = ledger_view.account_rows(*status.ledger_args(city, now()))
        mine = [row for row in rows if row["thing"] == thing]
        if not mine and thing not in city.registry.things:
            known = sorted({row["thing"] for row in rows} | set(city.registry.things))
            raise HTTPException(NOT_FOUND, {"thing": thing, "known": known})
        return await asyncio.to_thread(
            store.committer.read, lambda connection: ledger_explain.explain(thing, mine, connection)
        )

    async def post_acknowledge(
        body: SeenBody, person: Annotated[Person, Depends(needs("acknowledge"))]
    ) -> dict[str, Any]:
        demand_everywhere(person, "acknowledge")
        city, store = what()
        await store.work(lambda connection: ledger_rows.see(connection, body.reason, now().utc_us))
        note([{"event": "conflicts_acknowledged", "who": person.name, "reason": body.reason}])
        return {"acknowledged": city.ingest.contradictions.seen()}

    api.get("/ledger/explain")(get_explain)
    api.post("/ledger/acknowledge")(post_acknowledge)
