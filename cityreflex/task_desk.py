"""What `city task` and `city actuator` do: ask the city, follow a task to its end, say what a refusal means."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from cityreflex import asking
from cityreflex.client import UnreachableError, refused
from cityreflex.exits import FAILED, NOT_FOUND, REFUSED, CityError
from cityreflex.where import Where

Row = dict[str, Any]
POLL_S = 0.1
ID_DIGITS = 32
MISSING, CONFLICT = 404, 409
MOVING = ("proposed", "authorised", "selected", "dispatched", "accepted", "acting", "done")
TURNED_AWAY = ("refused", "expired")
ENDED_BADLY = ("failed", "unknown")

NEXT = {
    "expired": "ask again; if it happens again, look at the link: city status",
    "replayed": "it is known already: city task list",
    "foreign": "city actuator list shows which edge node has it",
    "unsigned": "the node does not know the city's signing key: city keys trust, docs/keys.md",
    "unauthorised": "ask somebody who may, or an administrator: city operator list",
    "interlocked": "bring the other one to its safe state first: city actuator list",
    "tripped": "look at it, then: city actuator reset ACTUATOR --reason ...",
    "out_of_range": "city actuator list shows the limits",
    "lease_held": "somebody of higher rank has it, or the lease was lost on the way: ask again",
    "stale_clock": "the clocks are not synchronised yet, or the node restarted: city status, then ask again",
    "no_actuator": "city actuator list shows what there is",
    "link_down": "the board or its node is not reached: city status",
    "old_epoch": "the city was restored meanwhile: ask again",
    "stale_evidence": "the sensor behind it shows nothing fresh: city status says what to check",
    "approval_absent": "another person has to approve it: city task approve ID",
    "rate_limited": "wait a minute, then ask again",
    "not_selected": "ask again: selecting and operating belong together",
    "local_stop": "somebody works there: city edge clear, at the node, when it is safe",
}
"""What to do after each refusal code of a guard."""


class TaskDesk:
    """Tasks and actuators of the city that the options mean."""

    def __init__(self, where: Where, pause: Callable[[float], None] = time.sleep) -> None:
        self._where, self._pause = where, pause

    def tasks(self, limit: int) -> list[Row]:
        """Return the newest tasks. Raises: CityError."""
        found: list[Row] = self._do("tasks", None, limit=limit)
        return found

    def task(self, task_id: str) -> Row:
        """Return one task by its id or the beginning of it. Raises: CityError."""
        found: Row = self._do(f"tasks/{self.whole(task_id)}", None)
        return found

    def whole(self, start: str) -> str:
        """Return the id that begins so, in 32 hex digits. Raises: CityError."""
        if len(start) == ID_DIGITS:
            return start
        return str(asking.begins(self.tasks(1000), "id", start, "task", "city task list")["id"])

    def actuators(self) -> list[Row]:
        """Return all actuators. Raises: CityError."""
        found: list[Row] = self._do("actuators", None)
        return found

    def ask(self, page: str, body: Row, wait_s: float) -> Row:
        """Return the task that a request led to, at its end or after `wait_s`. Raises: CityError; 7: refused."""
        row: Row = self._do(page, body)
        end_s = time.monotonic() + wait_s
        while row["state"] in MOVING and time.monotonic() < end_s:
            self._pause(POLL_S)
            row = self._do(f"tasks/{row['id']}", None)
        return judged(row)

    def cancelled(self, task_id: str, reason: str, wait_s: float) -> Row:
        """Return a task that was taken back; an observed one stays so, and only its hold ends. Raises: CityError."""
        row: Row = self._do(f"tasks/{self.whole(task_id)}/cancel", {"reason": reason})
        end_s = time.monotonic() + wait_s
        while row["state"] in (*MOVING, "unknown") and time.monotonic() < end_s:
            self._pause(POLL_S)
            row = self._do(f"tasks/{row['id']}", None)
        return row

    def _do(self, page: str, body: Row | None, **query: int) -> Any:
        try:
            with self._where.client() as city:
                return city.get(page, **query) if body is None else city.post(page, body)
        except UnreachableError as error:
            raise CityError(NOT_FOUND, str(error), "is the city running? city aggregator run") from error
        except httpx.HTTPStatusError as error:
            raise _refusal(error) from error


def _refusal(error: httpx.HTTPStatusError) -> CityError:
    """Return the refusal as code, text and next step; its exit code is 7 if a rule stood in the way."""
    told, answer = refused(error), error.response
    code = _word(answer)
    exit_code = {CONFLICT: REFUSED, MISSING: NOT_FOUND}.get(answer.status_code, told.code) if code else told.code
    text = str(told).partition(": ")[2] or str(told)
    return CityError(exit_code, f"{code}: {text}" if code else str(told), told.hint)


def _word(answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        return ""
    return str(told.get("error", "")) if isinstance(told, dict) else ""


def judged(row: Row) -> Row:
    """Return a task that goes well. Raises: CityError: 7 if it was refused, 1 if it failed."""
    words = f"task {row['id'][:12]} {row['state']}: {row['code']}: {row['text']}".rstrip(": ")
    if row["state"] in TURNED_AWAY:
        hint = NEXT.get(row["code"], "city task show " + row["id"][:12])
        raise CityError(REFUSED, words, hint.replace("ACTUATOR", row["actuator"]).replace("ID", row["id"][:12]))
    if row["state"] in ENDED_BADLY:
        raise CityError(FAILED, words, f"look at {row['actuator']}, then: city task show {row['id'][:12]}")
    return row
