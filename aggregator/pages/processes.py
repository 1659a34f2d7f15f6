"""Pages about the city's processes: which run, why one decided what it decided, and new process files without loss."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException

from processes.engine import Decision
from processes.explain import explanation, list_row
from protocol import task_codes

from ..city import City
from ..errors import ReloadError
from ..operators.gate import needs
from ..operators.people import Person

NOT_FOUND, UNPROCESSABLE = 404, 422
HELD = {
    "no_actuator": "held back: no connected edge node has this actuator",
    "stale_clock": "held back: the edge node's clock is not known well enough for a deadline (no heartbeat)",
    "no_lease": "held back: the city does not hold the lease of this actuator",
    "already_a_task": "held back: this step has a task already",
    "invalid_task": "held back: it makes no valid task",
}
IN_FORCE = "not sent anew: the newest task asks for this setpoint, and half of its time is not over"
Reload = Callable[[str], Awaitable[dict[str, Any]]]


def add_process_pages(api: FastAPI, city: Callable[[], City], reload: Reload) -> None:
    """Add /processes, /processes/NAME/explain and POST /processes/reload. `reload(who)` raises ReloadError."""

    async def get_processes() -> list[dict[str, Any]]:
        return [list_row(runner) for _, runner in sorted(city().host.engine.runners.items())]

    async def get_explain(name: str) -> dict[str, Any]:
        return explain(city(), name)

    async def post_reload(person: Annotated[Person, Depends(needs("administer"))]) -> dict[str, Any]:
        try:
            return await reload(person.name)
        except ReloadError as error:
            text = f"nothing was changed: {error}"
            raise HTTPException(UNPROCESSABLE, {"error": "bad_process_file", "text": text}) from error

    api.get("/processes")(get_processes)
    api.get("/processes/{name}/explain")(get_explain)
    api.post("/processes/reload")(post_reload)


def explain(city: City, name: str) -> dict[str, Any]:
    """Return why an instance decided what it decided last. Raises: HTTPException for one that is not there."""
    runner = city.host.engine.runners.get(name)
    if runner is None:
        known = sorted(city.host.engine.runners)
        text = f"no process {name!r} here; there are: {', '.join(known) or 'none'}"
        raise HTTPException(NOT_FOUND, {"error": "unknown_process", "known": known, "text": text})
    decision = city.host.newest.get(name)
    became, newest = partial(_became, city, decision), partial(_newest, city, decision)
    return explanation(runner, decision, became, newest)


def _newest(city: City, decision: Decision | None, port: str) -> str:
    """Return `0123456789ab gate-1/opening 0.4, waiting: risk high wants 2 people`, "" if there is none."""
    actuator = decision.actuators.get(port) if decision is not None else None
    for record in reversed(city.dispatcher.book.by_id.values()):
        task, step = record.task, record.steps[-1]
        if decision is not None and task.instance == decision.instance and task.actuator == actuator:
            state = task_codes.STATES.get(record.state, record.state)
            code = f" {task_codes.CODES.get(step.code, step.code)}" if step.code else ""
            text = f"{task.task_id.hex()[:12]} {actuator} {task.setpoint:g}, {state}{code}"
            return f"{text}: {step.text}" if step.text else text
    return ""


def _became(city: City, decision: Decision | None, port: str) -> str:
    """Return what became of a proposal that was to be sent."""
    assert decision is not None
    record = city.dispatcher.book.by_id.get(decision.task_ids[port])
    if record is not None:
        return f"task {record.task.task_id.hex()}: {task_codes.STATES.get(record.state, record.state)}"
    held = list(city.host.held.get(decision.instance, ()))
    return "; ".join(HELD.get(reason, f"held back: {reason}") for reason in held) or IN_FORCE
