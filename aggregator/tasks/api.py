"""Pages of `city task` and `city actuator`: what people ask of actuators, and what became of it."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from durable import DiskFullError
from protocol import task_codes as codes
from protocol import tasks

from ..city import City
from ..errors import TaskRefused
from ..operators.gate import demand, needs, still_may
from ..operators.people import Person
from .book import TaskRecord, task_row
from .dispatch import Now
from .orders import Orders
from .people import People, Want, guarded

CONFLICT, MISSING, NO_ROOM = 409, 404, 507
Row = dict[str, Any]
Operator = Annotated[Person, Depends(needs("operate"))]
Approver = Annotated[Person, Depends(needs("approve"))]
Resetter = Annotated[Person, Depends(needs("reset"))]


class AskBody(BaseModel):
    """A setpoint for an actuator, valid for `valid_s` seconds once it has left, and why."""

    actuator: str = Field(max_length=129)
    setpoint: float = Field(allow_inf_nan=False)
    valid_s: float = Field(gt=0, le=86_400)
    reason: str = Field(min_length=3, max_length=150)


class WhyBody(BaseModel):
    """Why."""

    reason: str = Field(default="", max_length=150)


class TripBody(BaseModel):
    """Why an actuator must not move, or may again."""

    reason: str = Field(min_length=3, max_length=150)


def add_task_pages(
    api: FastAPI, city: Callable[[], City], now: Callable[[], Now], note: Callable[[list[Row]], None],
    keep: Callable[[TaskRecord], Awaitable[None]],
) -> None:  # fmt: skip
    """Add POST /tasks and what follows, GET /actuators and trip, reset; `note` takes lines for the audit log.

    What a person asks is answered once `keep` has made it durable: what was said to be so stays so.
    """
    async def told(event: str, who: str, record: TaskRecord, **more: str) -> Row:
        row = {"task": record.task.task_id.hex(), "actuator": record.task.actuator, **more}
        note([{"event": event, "who": who, **row}])
        return await _kept(record, keep)

    async def refuse(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, TaskRefused)
        city().refused.note(error.name, error.who or "somebody", str(error), now().us)
        status = MISSING if error.code in (codes.FOREIGN, codes.NO_ACTUATOR) else CONFLICT
        return JSONResponse({"error": error.name, "text": f"{error}; next: {error.hint}"}, status)

    async def get_task(task_id: str) -> Row:
        return task_row(People(city().orders).find(_id(task_id)))

    async def post_tasks(body: AskBody, person: Operator) -> Row:
        demand(api, person, "operate", body.actuator)
        want = Want(body.actuator, body.setpoint, round(body.valid_s * 1000), body.reason, secrets.token_hex(8))
        record = _by(person, lambda people: people.ask(person.name, want, now()), city())
        return await told("task_requested", person.name, record, text=f"{body.setpoint:g}: {body.reason}")

    async def post_approve(task_id: str, person: Approver) -> Row:
        found = People(city().orders).find(_id(task_id))
        demand(api, person, "approve", found.task.actuator)
        _demand_of_all(found, lambda name, right: still_may(api, name, right, found.task.actuator), person)
        record = _by(person, lambda people: people.approve(person.name, _id(task_id), now()), city())
        return await told("task_approved", person.name, record)

    async def post_cancel(task_id: str, body: WhyBody, person: Operator) -> Row:
        found = People(city().orders).find(_id(task_id))
        demand(api, person, "operate", found.task.actuator)
        record = _by(person, lambda people: people.cancel(person.name, _id(task_id), body.reason, now()), city())
        return await told("task_cancelled", person.name, record, text=body.reason)

    api.add_exception_handler(TaskRefused, refuse)
    api.get("/tasks/{task_id}")(get_task)
    api.post("/tasks")(post_tasks)
    api.post("/tasks/{task_id}/approve")(post_approve)
    api.post("/tasks/{task_id}/cancel")(post_cancel)
    _add_actuator_pages(api, city, now, told)


def _add_actuator_pages(
    api: FastAPI, city: Callable[[], City], now: Callable[[], Now], told: Callable[..., Awaitable[Row]]
) -> None:
    """Add GET /actuators, and trip and reset."""

    async def post_trip(thing: str, name: str, body: TripBody, person: Operator) -> Row:
        return await latch(person, tasks.TRIP, f"{thing}/{name}", body.reason)

    async def post_reset(thing: str, name: str, body: TripBody, person: Resetter) -> Row:
        return await latch(person, tasks.RESET, f"{thing}/{name}", body.reason)

    async def latch(person: Person, verb: int, actuator: str, reason: str) -> Row:
        demand(api, person, "reset" if verb == tasks.RESET else "operate", actuator)
        nonce = secrets.token_hex(8)
        record = _by(person, lambda people: people.latch(person.name, verb, actuator, reason, nonce, now()), city())
        return await told(f"{tasks.VERBS[verb]}_requested", person.name, record, text=reason)

    async def get_actuators() -> list[Row]:
        return actuator_rows(city().orders)

    api.get("/actuators")(get_actuators)
    api.post("/actuators/{thing}/{name}/trip")(post_trip)
    api.post("/actuators/{thing}/{name}/reset")(post_reset)


async def _kept(record: TaskRecord, keep: Callable[[TaskRecord], Awaitable[None]]) -> Row:
    """Return the row of a task once it is durable. Raises: HTTPException for a full disk."""
    try:
        await keep(record)
    except DiskFullError as error:
        state, number = codes.STATES[record.state], record.task.task_id.hex()
        text = f"task {number} is {state}, and a restart would forget that: it could not be saved: {error}"
        hint = f"make room on the city's disk; nothing leaves before; then city task show {number}"
        raise HTTPException(NO_ROOM, {"reason": "not_saved", "text": f"{text}; next: {hint}"}) from error
    return task_row(record)


def actuator_rows(orders: Orders) -> list[Row]:
    """Return the rows of /actuators: limits, rule, and what its guard last said."""
    rows = []
    for name, info in sorted(orders.desk.registry.actuators.items()):
        session, rule = orders.desk.session_of(name), orders.rule(name)
        said = guarded(session, name) if session else {}
        held = orders.holds.get(name)
        rows.append({
            "actuator": name, "edge": session.edge if session else None, "kind": info.kind,
            "lower": info.lower, "upper": info.upper, "safe": info.safe, "feedback": info.feedback,
            **rule._asdict(), "holder": said.get("holder"), "setpoint": said.get("setpoint"),
            "tripped": said.get("tripped", ""), "stopped": str(session.health.get("stopped") or "") if session else "",
            "person": held[0].task.person if held else "", "online": bool(session and session.connected),
        })  # fmt: skip
    return rows


def _by(person: Person, do: Callable[[People], TaskRecord], city: City) -> TaskRecord:
    """Return what a person's request gives; a refusal names the person."""
    try:
        return do(People(city.orders))
    except TaskRefused as error:
        error.who = person.name
        raise


def _demand_of_all(record: TaskRecord, may: Callable[[str, str], bool], person: Person) -> None:
    """Raises: TaskRefused if who asked, or approved before, may do so no more: their word counts as of today."""
    behind = [(record.task.person, "operate"), *((name, "approve") for name in record.task.approved)]
    for name, right in behind:
        if name and not may(name, right):
            text = f"{name} stands behind it and has not the right {right!r} there any more"
            error = TaskRefused(codes.UNAUTHORISED, text, "cancel it and ask anew")
            error.who = person.name
            raise error


def _id(text: str) -> bytes:
    """Return the id of a task. Raises: TaskRefused."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise TaskRefused(codes.FOREIGN, f"there is no task {text[:40]!r}", "city task list") from None
