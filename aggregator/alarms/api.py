"""Pages of `city alarm`: what stands, and what a person does to it."""

import secrets
from collections.abc import Callable
from typing import Annotated, Any, NoReturn, Protocol

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field

from durable import DiskFullError
from processes.alarms.actions import Action, Kind

from ..city import City
from ..operators.gate import demand, needs
from ..operators.people import Person
from ..store.store import Store
from ..tasks.dispatch import Now
from . import rows, story, view
from .acts import Act

NOT_FOUND, CONFLICT, NO_ROOM = 404, 409, 507
MAX_PAGE = 1000
Row = dict[str, Any]
WhoMay = Annotated[Person, Depends(needs("acknowledge"))]


class ActBody(BaseModel):
    """A remark for the audit log."""

    reason: str = Field(default="", max_length=200)


class ShelveBody(BaseModel):
    """Silence it for `for_s` seconds of event time."""

    for_s: float = Field(gt=0, le=7 * 86_400)
    reason: str = Field(min_length=3, max_length=200)


class Parts(Protocol):
    """What these pages need of a running city."""

    city: City
    store: Store

    def now(self) -> Now:
        """Return the moment."""


def add_alarm_pages(api: FastAPI, parts: Parts, write: Callable[[list[Row]], None]) -> None:
    """Add GET /alarms and /incidents, POST /alarms/INSTANCE/KEY/...; `write` makes audit lines durable."""

    async def get_alarms(
        instance: str = "", state: str = "", min_severity: int = 0, limit: int = MAX_PAGE, offset: int = 0
    ) -> list[Row]:
        found = [
            row for row in view.rows(parts.city)
            if instance in ("", row["instance"]) and state in ("", row["state"]) and row["severity"] >= min_severity
        ]  # fmt: skip
        return found[max(offset, 0) :][: min(max(limit, 0), MAX_PAGE)]

    async def get_incidents(only_open: bool = False, limit: int = MAX_PAGE, offset: int = 0) -> list[Row]:
        known = parts.city.incidents
        found = known.open() if only_open else sorted(known.by_id.values(), key=lambda i: (i.begin_utc_us, i.id))
        return story.rows(parts.city, found[::-1][max(offset, 0) :][: min(max(limit, 0), MAX_PAGE)])

    async def get_incident(number: str) -> Row:
        found = [incident for name, incident in parts.city.incidents.by_id.items() if name == number]
        if not found:
            _refuse(NOT_FOUND, "unknown_incident", f"no incident {number[:40]!r} is kept")
        return story.rows(parts.city, found)[0]

    async def act(instance: str, key: str, kind: Kind, reason: str, for_s: float, person: Person) -> Row:
        _check_place(api, parts.city, instance, person)
        return await carry_out(parts, write, Act(instance, _action(parts, key, kind, reason, for_s, person)))

    async def post_ack(instance: str, key: str, body: ActBody, person: WhoMay) -> Row:
        return await act(instance, key, "ack", body.reason, 0.0, person)

    async def post_shelve(instance: str, key: str, body: ShelveBody, person: WhoMay) -> Row:
        return await act(instance, key, "shelve", body.reason, body.for_s, person)

    async def post_unshelve(instance: str, key: str, body: ActBody, person: WhoMay) -> Row:
        return await act(instance, key, "unshelve", body.reason, 0.0, person)

    api.get("/alarms")(get_alarms)
    api.get("/incidents")(get_incidents)
    api.get("/incidents/{number}")(get_incident)
    for kind, handler in (("ack", post_ack), ("shelve", post_shelve), ("unshelve", post_unshelve)):
        api.post(f"/alarms/{{instance}}/{{key}}/{kind}")(handler)


def _check_place(api: FastAPI, city: City, instance: str, person: Person) -> None:
    for thing in view.things_of(city, instance):
        demand(api, person, "acknowledge", thing)


def _action(parts: Parts, key: str, kind: Kind, reason: str, for_s: float, person: Person) -> Action:
    now = parts.now()
    if not parts.city.clock.synced(now.us):
        _refuse(CONFLICT, "unsynced", "the city does not know what time it is: check the time service of its host")
    until = now.utc_us + round(for_s * 1e6) if kind == "shelve" else 0
    return Action(secrets.token_hex(8), kind, key, now.utc_us, until, person.name, reason.strip())


async def carry_out(parts: Parts, write: Callable[[list[Row]], None], act: Act) -> Row:
    """Make an act durable, audit it, let the engine have it; return the alarm as it is then. Raises: HTTPException."""
    city, action = parts.city, act.action
    code, text = view.refused(city, act.instance, action)
    if code:
        _refuse(NOT_FOUND if code.startswith("unknown") else CONFLICT, code, text)
    line = {"event": f"alarm_{action.kind}", "who": action.by, "instance": act.instance, "key": action.key,
            "id": action.id, "reason": action.reason, "until_utc_us": action.until_utc_us}  # fmt: skip
    try:
        await parts.store.work(lambda connection: rows.put(connection, act))
        write([line])
    except (OSError, DiskFullError) as error:
        _refuse(NO_ROOM, "not_saved", f"nothing was done, it could not be saved: {error}")
    city.host.act(act)
    mine = (row for row in view.rows(city) if (row["instance"], row["key"]) == (act.instance, action.key))
    return next(mine, {"instance": act.instance, "key": action.key, "state": "normal"})


def _refuse(status: int, code: str, text: str) -> NoReturn:
    raise HTTPException(status, {"reason": code, "text": text})
