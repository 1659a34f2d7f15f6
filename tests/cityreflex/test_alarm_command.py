"""`city alarm`: what it asks the city, what it prints at 80 columns, and with which code it ends."""

import json
from typing import Any

import httpx
import pytest

from cityreflex import exits
from cityreflex.client import Client, UnreachableError
from cityreflex.commands.alarm_text import chance

from .test_cli import Run, run  # noqa: F401 (a fixture)

ROW = {
    "instance": "flood", "key": "level_stale", "where": "city", "edges": ["edge-1"], "state": "shelved", "severity": 2,
    "probability": 1.0, "text": "No usable reading of the river's level", "raised_utc_us": 1_700_000_000_000_000,
    "returned_utc_us": None, "acked_utc_us": 1_700_000_060_000_000, "acked_by": "anna", "holds": True,
    "shelf": {"since_utc_us": 1, "until_utc_us": 1_700_003_600_000_000, "by": "ben", "reason": "being cleaned\x1b[2J"},
    "shelve_max_s": 28_800.0, "out_of_service": "", "suppressed_by": [], "chattering": True, "standing": False,
}  # fmt: skip


def test_the_list_says_which_since_when_how_likely_and_who(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    asked: list[Any] = []

    def get(self: Client, page: str, **query: Any) -> Any:
        asked.append((page, query))
        return [] if query["state"] == "returned" else [ROW]

    monkeypatch.setattr(Client, "get", get)
    code, out, _ = run("alarm", "list", "--min-severity", "2")
    assert (code, asked) == (0, [("alarms", {"instance": "", "state": "", "min_severity": 2})])
    assert out.splitlines() == [
        "flood/level_stale: shelved, medium, P 1.00, since 2023-11-14 22:13:20",
        "  No usable reading of the river's level",
        "  acknowledged by anna, 2023-11-14 22:14:20",
        "  shelved by ben until 2023-11-14 23:13:20: being cleaned\N{REPLACEMENT CHARACTER}[2J",
        "  chattering",
    ]
    assert json.loads(run("alarm", "list", "--json")[1]) == [ROW]
    assert run("alarm", "list", "--state", "returned")[1:] == ("", "no alarm stands\n")


def test_an_act_asks_the_page_of_its_alarm(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    asked: list[Any] = []

    def post(self: Client, page: str, body: Any) -> Any:
        asked.append((page, body))
        return ROW if "shelve" in page else {"instance": "flood", "key": "x/y", "state": "normal"}

    monkeypatch.setattr(Client, "post", post)
    assert run("alarm", "ack", "flood/x/y")[:2] == (0, "flood/x/y: normal\n")
    assert run("alarm", "shelve", "flood/level_stale", "--for", "2h", "--reason", "cleaned")[0] == 0
    assert json.loads(run("alarm", "unshelve", "flood/level_stale", "--reason", "done", "--json")[1]) == ROW
    assert asked == [
        ("alarms/flood/x%2Fy/ack", {"reason": ""}),
        ("alarms/flood/level_stale/shelve", {"for_s": 7200.0, "reason": "cleaned"}),
        ("alarms/flood/level_stale/unshelve", {"reason": "done"}),
    ]


@pytest.mark.parametrize(
    "words",
    [("ack", "level_stale"), ("shelve", "flood/x", "--for", "2h"), ("shelve", "flood/x", "--reason", "because"),
     ("shelve", "flood/x", "--for", "long", "--reason", "because")],
)  # fmt: skip
def test_what_is_asked_wrong_is_a_usage_error(run: Run, words: tuple[str, ...]) -> None:  # noqa: F811
    assert run("alarm", *words)[0] == exits.USAGE


@pytest.mark.parametrize(
    ("status", "body", "code", "text"),
    [(404, {"detail": {"reason": "unknown_alarm", "text": "no alarm x; there are: y"}}, exits.NOT_FOUND, "are: y"),
     (409, {"detail": {"reason": "too_long", "text": "x: for at most 8 h"}}, exits.REFUSED, "at most 8 h"),
     (403, {"error": "not_allowed", "text": "zoe has not the right; next: ask"}, exits.REFUSED, "has not the right"),
     (507, {"detail": {"reason": "not_saved", "text": "nothing was done"}}, exits.FAILED, "nothing was done")],
)  # fmt: skip
def test_refusals_have_their_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, status: int, body: Any, code: int, text: str  # noqa: F811
) -> None:
    def post(self: Client, page: str, body_: Any) -> Any:
        request = httpx.Request("POST", f"http://city/{page}")
        raise httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, json=body, request=request))

    monkeypatch.setattr(Client, "post", post)
    found, _, err = run("alarm", "shelve", "flood/x", "--for", "1d", "--reason", "because")
    assert found == code and text in err


def test_nobody_answers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def gone(self: Client, page: str, *_: Any, **__: Any) -> Any:
        raise UnreachableError("nobody")

    monkeypatch.setattr(Client, "get", gone)
    monkeypatch.setattr(Client, "post", gone)
    assert run("alarm", "list")[0] == run("alarm", "ack", "flood/x")[0] == exits.NOT_FOUND


def test_a_condition_that_holds_no_more_has_no_probability() -> None:
    assert (chance({"probability": 1.0, "holds": False}), chance({"probability": 1.0})) == ("", ", P 1.00")
