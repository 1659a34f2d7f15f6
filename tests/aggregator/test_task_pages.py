"""The pages of `city task` and `city actuator`: who may, what is refused, what the audit log hears."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from guarded_city import GATE, Town

from aggregator.operators.gate import Gate, install
from aggregator.operators.people import Zones, of_roles
from aggregator.store.store import Store, Writes
from aggregator.tasks.api import add_task_pages
from aggregator.tasks.book import TaskRecord
from durable import DiskFullError
from protocol import task_codes as codes
from service.risk import LOW, Rule

PEOPLE = {
    "anna": of_roles("anna", {"river": "operator"}),
    "ben": of_roles("ben", {"river": "supervisor"}),
    "vera": of_roles("vera", {"*": "viewer"}),
    "hugo": of_roles("hugo", {"harbour": "supervisor"}),
}
ORDER = {"actuator": GATE, "setpoint": 0.8, "valid_s": 60, "reason": "the river rises"}


class Desk:
    """Pages of a town, asked as somebody."""

    def __init__(self, town: Town) -> None:
        self.town, self.rows, self.full = town, list[dict[str, Any]](), False
        api = FastAPI()
        zones = Zones({"river": ("river-*",), "harbour": ("crane-*",)})
        self.people = dict(PEOPLE)
        install(api, Gate(person_of=self.people.get, person_named=self.people.get, zones=zones))
        add_task_pages(api, lambda: town.city, lambda: town.moment, self.rows.extend, self.keep)
        self.http = TestClient(api)

    async def keep(self, record: TaskRecord) -> None:
        """Save a record as the city does, unless the disk is full."""
        if self.full:
            raise DiskFullError("no space left on device")
        await self.town.store.commit(Writes(tasks=[record]))

    def killed(self, task: str) -> str:
        """Let the city be killed now, and start from its disk; return the state of a task."""
        self.town.kill()
        record = self.town.city.dispatcher.book.by_id.get(bytes.fromhex(task))
        return codes.STATES[record.state] if record else ""

    def post(self, who: str, page: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Return status and JSON; time goes on a little."""
        done = self.http.post(page, json=body or {}, headers={"Authorization": f"Bearer {who}"} if who else {})
        self.town.run(1000)
        return done.status_code, done.json()


@pytest.fixture
def desk(kit: Any, store: Store) -> Desk:
    return Desk(Town(kit, store, Rule("high", approvals=2)))


def test_a_request_is_approved_by_another_and_all_is_audited(desk: Desk) -> None:
    status, row = desk.post("anna", "/tasks", ORDER)
    assert (status, row["state"], row["person"], row["requester"]) == (200, "waiting", "anna", "operator")
    status, row = desk.post("ben", f"/tasks/{row['id']}/approve")
    assert (status, row["state"], row["approved"]) == (200, "authorised", ["ben"])
    row = desk.http.get(f"/tasks/{row['id']}").json()
    assert (row["state"], row["code"]) == ("observed", "ok") and desk.town.moved == [0.8]
    desk.post("anna", f"/tasks/{row['id']}/cancel", {"reason": "done"})
    assert [(r["event"], r["who"]) for r in desk.rows] == [
        ("task_requested", "anna"), ("task_approved", "ben"), ("task_cancelled", "anna"),
    ]  # fmt: skip
    assert all(r["actuator"] == GATE and r["task"] == row["id"] for r in desk.rows)


@pytest.mark.parametrize(
    ("who", "page", "body", "status", "code"),
    [
        ("", "/tasks", ORDER, 401, "not_logged_in"),
        ("vera", "/tasks", ORDER, 403, "not_allowed"),
        ("hugo", "/tasks", ORDER, 403, "not_allowed"),
        ("anna", f"/actuators/{GATE}/reset", {"reason": "it is gone"}, 403, "not_allowed"),
        ("anna", "/tasks", {**ORDER, "setpoint": 2.0}, 409, "out_of_range"),
        ("ben", "/tasks/00/approve", {}, 404, "foreign"),
        ("ben", "/tasks/xyz/cancel", {}, 404, "foreign"),
    ],
)
def test_refusals_have_a_code_and_a_next_step(
    desk: Desk, who: str, page: str, body: dict[str, Any], status: int, code: str
) -> None:
    found, row = desk.post(who, page, body)
    assert (found, row["error"]) == (status, code) and "; next: " in row["text"]
    assert not desk.rows and not desk.town.moved
    assert status < 404 or desk.town.city.refused[code] == 1


def test_an_unknown_actuator_is_nobodys_zone_and_unknown_to_who_may_everywhere(desk: Desk) -> None:
    desk.people["root"] = of_roles("root", {"*": "administrator"})
    assert desk.post("root", "/tasks", {**ORDER, "actuator": "river-1/door"})[1]["error"] == "no_actuator"


def test_anna_cannot_approve_her_own_also_as_supervisor(desk: Desk) -> None:
    _, row = desk.post("ben", "/tasks", ORDER)
    status, refused = desk.post("ben", f"/tasks/{row['id']}/approve")
    assert (status, refused["error"]) == (409, "approval_absent") and not desk.town.moved


@pytest.mark.parametrize("roles", [None, {"river": "viewer"}, {"harbour": "operator"}], ids=str)
def test_who_may_not_ask_any_more_stands_behind_nothing(desk: Desk, roles: dict[str, str] | None) -> None:
    _, row = desk.post("anna", "/tasks", ORDER)
    desk.people.pop("anna")
    if roles is not None:
        desk.people["anna"] = of_roles("anna", roles)
    status, refused = desk.post("ben", f"/tasks/{row['id']}/approve")
    assert (status, refused["error"]) == (409, "unauthorised") and "anna stands behind it" in refused["text"]
    assert not desk.town.moved and desk.town.city.refused == {"unauthorised": 1}


def test_trip_and_reset_and_what_the_list_says(kit: Any, store: Store) -> None:
    desk = Desk(Town(kit, store, LOW))
    (before,) = desk.http.get("/actuators").json()
    assert (before["actuator"], before["risk"], before["tripped"], before["online"]) == (GATE, "low", "", True)
    assert desk.post("anna", f"/actuators/{GATE}/trip", {"reason": "a boat"})[0] == 200
    assert desk.http.get("/actuators").json()[0]["tripped"] == "anna: a boat"
    assert desk.post("anna", "/tasks", ORDER)[1]["error"] == "tripped"
    assert desk.post("ben", f"/actuators/{GATE}/reset", {"reason": "it is gone"})[0] == 200
    assert desk.http.get("/actuators").json()[0]["tripped"] == ""
    assert [r["event"] for r in desk.rows] == ["trip_requested", "reset_requested"]
    assert [r["event"] for r in desk.town.guard.take_deeds()] == ["tripped", "reset"]


def ask(desk: Desk, who: str, page: str, body: Any = None) -> Any:
    """Ask without letting time pass: nothing of the city's turns comes between the answer and what follows."""
    done = desk.http.post(page, json=body or {}, headers={"Authorization": f"Bearer {who}"})
    assert done.status_code == 200, done.text
    return done.json()


def test_what_was_answered_outlasts_a_kill_right_after_the_answer(desk: Desk) -> None:
    row = ask(desk, "anna", "/tasks", ORDER)
    assert desk.killed(row["id"]) == "waiting", "it was said to wait"
    assert ask(desk, "anna", f"/tasks/{row['id']}/cancel", {"reason": "a boat"})["state"] == "cancelled"
    assert desk.killed(row["id"]) == "cancelled", "it was said to be cancelled"
    desk.town.run(2000)
    found, refused = desk.post("ben", f"/tasks/{row['id']}/approve")
    assert (found, refused["error"]) == (409, "replayed") and not desk.town.moved


def test_an_approval_outlasts_it_too_and_what_had_not_left_never_leaves(desk: Desk) -> None:
    row = ask(desk, "anna", "/tasks", ORDER)
    assert ask(desk, "ben", f"/tasks/{row['id']}/approve")["state"] == "authorised"
    assert desk.killed(row["id"]) == "expired"
    record = desk.town.city.dispatcher.book.by_id[bytes.fromhex(row["id"])]
    assert record.task.approved == ["ben"] and record.steps[-1].text == "the city restarted"
    desk.town.run(3000)
    assert not desk.town.moved and not desk.town.orders


def test_a_full_disk_is_told_with_what_stands(desk: Desk) -> None:
    row = ask(desk, "anna", "/tasks", ORDER)
    desk.full = True
    status, answer = desk.post("anna", f"/tasks/{row['id']}/cancel")
    assert status == 507 and answer["detail"]["reason"] == "not_saved"
    text = answer["detail"]["text"]
    assert f"task {row['id']} is cancelled" in text and "a restart would forget that" in text and "; next: " in text
    assert [line["event"] for line in desk.rows] == ["task_requested", "task_cancelled"]
