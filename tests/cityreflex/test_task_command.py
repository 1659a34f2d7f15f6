"""`city task`, `city actuator`, `city edge stop`: what they ask, what they print at 80 columns, how they end."""

import json
from typing import Any

import httpx
import pytest

from cityreflex import exits, task_desk
from cityreflex.client import Client, UnreachableError
from protocol import task_codes as codes

from .test_cli import Run, run  # noqa: F401 (a fixture)

ID = "5ad01f3c9b12" + "0" * 20
GATE = "gate-1/opening"
ROW: dict[str, Any] = {
    "id": ID, "actuator": GATE, "setpoint": 0.5, "instance": "people", "step_utc_us": 1_700_000_000_000_000,
    "edge": "edge-1", "fence": 9, "lease_ms": 600_000, "requester": "operator", "verb": "operate", "person": "anna",
    "approved": ["ben"], "reason": "main\x1btenance", "causes": [], "state": "observed", "code": "ok",
    "text": "gate-1/feedback shows it", "position": 0.5, "stamps": {},
    "history": [
        {"state": "proposed", "code": "ok", "utc_us": 1_700_000_000_000_000, "text": ""},
        {"state": "refused", "code": "tripped", "utc_us": 1_700_000_001_250_000, "text": "anna: a boat"},
    ],
}  # fmt: skip
ACTUATOR = {
    "actuator": GATE, "edge": "edge-1", "kind": "gate_drive", "lower": 0.0, "upper": 1.0, "safe": 0.2, "feedback": "x",
    "risk": "high", "hazardous": True, "approvals": 2, "automation": False, "max_per_min": 6, "evidence_s": 30.0,
    "holder": "operator", "setpoint": 0.5, "tripped": "", "stopped": "", "person": "anna", "online": True,
}  # fmt: skip
REQUEST = ("task", "request", GATE, "0.5", "--for", "10m", "--reason", "maintenance")


class City:
    """What the client is answered: `asked` is what it asked; `states`: of the task, one after the other."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.asked: list[Any] = []
        self.states = list(states) or [ROW]

    def _next(self) -> dict[str, Any]:
        return {**ROW, **(self.states.pop(0) if len(self.states) > 1 else self.states[0])}

    def get(self, client: Client, page: str, **query: Any) -> Any:
        if page == "tasks":
            return [ROW, {**ROW, "id": "77" * 16, "state": "waiting", "verb": "trip", "person": "", "approved": []}]
        return [ACTUATOR] if page == "actuators" else self._next()

    def post(self, client: Client, page: str, body: Any = None) -> Any:
        self.asked.append((page, body))
        return self._next()


@pytest.fixture
def city(monkeypatch: pytest.MonkeyPatch) -> City:
    made = City()
    monkeypatch.setattr(Client, "get", lambda *a, **k: made.get(*a, **k))
    monkeypatch.setattr(Client, "post", lambda *a, **k: made.post(*a, **k))
    monkeypatch.setattr(task_desk, "POLL_S", 0.0)
    return made


def test_a_request_is_followed_to_its_end(run: Run, city: City) -> None:  # noqa: F811
    city.states = [{"state": state, "text": ""} for state in ("authorised", "dispatched", "done")] + [ROW]
    assert run(*REQUEST)[:2] == (0, "task 5ad01f3c9b12 observed: gate-1/feedback shows it\n")
    body = {"actuator": GATE, "setpoint": 0.5, "valid_s": 600.0, "reason": "maintenance"}
    assert city.asked == [("tasks", body)]
    assert json.loads(run(*REQUEST, "--json")[1])["state"] == "observed"


def test_what_waits_says_who_can_go_on(run: Run, city: City) -> None:  # noqa: F811
    city.states = [{"state": "waiting"}]
    code, out, _ = run(*REQUEST)
    assert (code, out) == (
        0, "task 5ad01f3c9b12 waits for approval\n  another person now: city task approve 5ad01f3c9b12\n"
    )  # fmt: skip


@pytest.mark.parametrize("code", [c for c in codes.CODES if c not in (codes.OK, codes.CODE_CANCELLED)])
def test_each_refusal_of_a_guard_ends_with_7_its_code_and_a_next_step(run: Run, city: City, code: int) -> None:  # noqa: F811
    word = codes.CODES[code]
    refusal = word in task_desk.NEXT
    city.states = [{"state": "dispatched"}, {"state": "refused" if refusal else "failed", "code": word, "text": "so"}]
    ended, out, err = run(*REQUEST)
    assert ended == (exits.REFUSED if refusal else exits.FAILED) and not out
    assert f"{word}: so" in err and "next: " in err and " ID" not in err
    assert refusal or code in (codes.NO_FEEDBACK, codes.TIMEOUT, codes.NOT_OBSERVED)


def refusing(status: int, body: dict[str, Any]) -> Any:
    def post(*_: Any, **__: Any) -> Any:
        request = httpx.Request("POST", "http://city/tasks")
        raise httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, json=body, request=request))

    return post


@pytest.mark.parametrize(
    ("status", "word", "code"),
    [(409, "approval_absent", 7), (403, "not_allowed", 7), (401, "not_logged_in", 7), (429, "too_fast", 7),
     (404, "no_actuator", 4)],
)  # fmt: skip
def test_a_refusal_of_the_city_has_its_code_and_next_step(
    run: Run, city: City, monkeypatch: pytest.MonkeyPatch, status: int, word: str, code: int  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setattr(Client, "post", refusing(status, {"error": word, "text": "it is so; next: do that"}))
    ended, _, err = run(*REQUEST)
    assert (ended, err) == (code, f"city: {word}: it is so\ncity: next: do that\n")


def test_a_task_is_named_by_its_first_digits(run: Run, city: City) -> None:  # noqa: F811
    assert run("task", "approve", "5ad0")[0] == 0
    assert run("task", "cancel", "5ad0", "--reason", "done")[0] == 0
    assert city.asked == [(f"tasks/{ID}/approve", {}), (f"tasks/{ID}/cancel", {"reason": "done"})]
    assert run("task", "show", "9")[0] == exits.NOT_FOUND


def test_lists_and_pages_keep_to_80_columns_and_are_harmless(run: Run, city: City) -> None:  # noqa: F811
    out = run("task", "list")[1]
    assert out.splitlines() == [
        "5ad01f3c9b12 observed   gate-1/opening 0.5 anna+ben: main\N{REPLACEMENT CHARACTER}tenance",
        "777777777777 waiting    gate-1/opening trip people: main\N{REPLACEMENT CHARACTER}tenance",
    ]
    assert run("task", "list", "--waiting")[1].splitlines() == out.splitlines()[1:]
    shown = run("task", "show", ID)[1]
    assert "22:13:21.250  refused tripped: anna: a boat" in shown and "anna+ben (operator)" in shown
    listed = run("actuator", "list")[1]
    assert listed == (
        "gate-1/opening 0 to 1, safe 0.2, risk high, 2 people, select first\n  at 0.5, held by anna\n"
    )
    assert all(len(line) <= 80 for text in (out, shown, listed) for line in text.splitlines())
    assert json.loads(run("actuator", "list", "--json")[1]) == [ACTUATOR]


@pytest.mark.parametrize("what", ["trip", "reset"])
def test_trip_and_reset(run: Run, city: City, what: str) -> None:  # noqa: F811
    assert run("actuator", what, GATE, "--reason", "a boat")[0] == 0
    assert city.asked == [(f"actuators/{GATE}/{what}", {"reason": "a boat"})]
    assert run("actuator", what, GATE)[0] == exits.USAGE


def test_nobody_answers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def gone(*_: Any, **__: Any) -> Any:
        raise UnreachableError("unix:run does not answer")

    monkeypatch.setattr(Client, "post", gone)
    monkeypatch.setattr(Client, "get", gone)
    for words in (REQUEST, ("task", "list"), ("actuator", "list"), ("edge", "stop", "--reason", "because")):
        assert run(*words)[0] == exits.NOT_FOUND


def test_a_cancel_says_that_the_hold_ends_though_the_effect_was_seen(run: Run, city: City) -> None:  # noqa: F811
    code, out, _ = run("task", "cancel", ID)
    assert (code, out) == (
        0, "task 5ad01f3c9b12 taken back: gate-1/opening is let go\n  that it was observed stays on record\n"
    )  # fmt: skip


def test_what_a_service_finds_wrong_in_a_body_is_told_in_plain_words(
    run: Run, city: City, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    detail = [
        {"type": "less_than_equal", "loc": ["body", "valid_s"], "msg": "Input ...", "input": 9e9, "ctx": {"le": 86400}},
        {"type": "string_too_short", "loc": ["body", "reason"], "input": "x", "ctx": {"min_length": 3}},
    ]  # fmt: skip
    answer = httpx.Response(422, json={"detail": detail}, request=httpx.Request("POST", "http://city/tasks"))
    monkeypatch.setattr(Client, "post", lambda *a, **k: answer.raise_for_status())
    code, _, err = run(*REQUEST)
    assert code == exits.USAGE
    assert "valid_s: found 9000000000.0; expected 86400 or less" in err
    assert "reason: found 'x'; expected at least 3 characters" in err
    none = httpx.Response(404, json={"detail": "Not Found"}, request=httpx.Request("POST", "http://city/tasks"))
    monkeypatch.setattr(Client, "post", lambda *a, **k: none.raise_for_status())
    code, _, err = run(*REQUEST)
    assert code == exits.NOT_FOUND and "an edge node has fewer pages" in err
