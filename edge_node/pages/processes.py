"""Pages about the node's processes: which run here, and why one decided what it decided."""

from typing import Any

from fastapi import FastAPI, HTTPException

from processes.engine import Decision
from processes.explain import explanation, list_row
from protocol import task_codes

from ..core import Core

NOT_FOUND = 404
IN_FORCE = "not sent anew: a task with this setpoint is in force, and half of its time is not over"


def add_process_pages(api: FastAPI, core: Core) -> None:
    """Add /processes and /processes/NAME/explain."""

    async def get_processes() -> list[dict[str, Any]]:
        return [list_row(runner) for _, runner in sorted(core.host.engine.runners.items())]

    async def get_explain(name: str) -> dict[str, Any]:
        runner, decision = core.host.engine.runners.get(name), core.host.newest.get(name)
        if runner is None:
            known = sorted(core.host.engine.runners)
            text = f"no process {name!r} here; there are: {', '.join(known) or 'none'}"
            raise HTTPException(NOT_FOUND, {"error": "unknown_process", "known": known, "text": text})
        return explanation(runner, decision, lambda port: _became(core, decision, port))

    api.get("/processes")(get_processes)
    api.get("/processes/{name}/explain")(get_explain)


def _became(core: Core, decision: Decision | None, port: str) -> str:
    entry = core.guard.entries.get(decision.task_ids[port]) if decision is not None else None
    if entry is None:
        return _not_sent(core, decision.actuators[port]) if decision is not None else ""
    return f"task {entry.task.task_id.hex()}: {task_codes.STATES.get(entry.state, entry.state)}"


def _not_sent(core: Core, name: str) -> str:
    """Return why a proposal of the newest step has become no task, by what holds its actuator now."""
    actuator = core.guard.actuators.get(name)
    if actuator is None:
        return f"not sent: no board of this node has {name}"
    holder = actuator.arbiter.holder(core.now())
    if holder not in ("", "edge"):
        return f"not sent: the lease of {name} is held by {holder}"
    if not holder:
        return f"not sent: this node does not hold the lease of {name}"
    return IN_FORCE
