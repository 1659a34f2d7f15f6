"""`city report`: what it asks the city, what it prints at 80 columns, and with which code it ends."""

import json
from typing import Any

import httpx
import pytest

from cityreflex import exits
from cityreflex.client import Client

from .test_cli import Run, run  # noqa: F401 (a fixture)

ROW = {
    "service_request_id": "3f2a9c01d2e4aaaa", "service_code": "water_depth", "service_name": "How deep is the water?",
    "description": "up to the kerb\n\x1b[2Jand more", "requested_datetime": "2026-03-01T06:00:00Z",
    "updated_datetime": "2026-03-01T06:10:00Z", "address": "Mill Lane", "lat": 51.5, "long": -0.1, "status": "open",
    "extended_attributes": {"value": 0.7, "unit": "m", "quality": 3, "verdict": "none", "verdict_by": ""},
}  # fmt: skip
JUDGED = {**ROW, "extended_attributes": {**ROW["extended_attributes"], "quality": 4, "verdict": "refuted",  # type: ignore[dict-item]
                                         "verdict_by": "anna"}}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A city with one report; what it was asked."""
    said: list[Any] = []

    def get(self: Client, page: str, **query: Any) -> Any:
        said.append((page, query))
        return [ROW] if query.get("service_request_id") in (None, ROW["service_request_id"]) else []

    def post(self: Client, page: str, body: Any) -> Any:
        said.append((page, body))
        return [JUDGED]

    monkeypatch.setattr(Client, "get", get)
    monkeypatch.setattr(Client, "post", post)
    return said


def test_the_list_says_what_where_when_and_what_it_is_worth(run: Run, asked: list[Any]) -> None:  # noqa: F811
    code, out, _ = run("report", "list", "--verdict", "none", "--service", "water_depth", "--from", "2026-03-01")
    assert code == 0 and asked == [
        ("requests.json", {"limit": 20, "verdict": "none", "service_code": "water_depth", "start_date": "2026-03-01"})
    ]
    assert out.splitlines() == [
        "3f2a9c01d2e4aaaa 2026-03-01T06:00:00Z water_depth 0.7 m",
        "  51.50000, -0.10000; Mill Lane",
        "  up to the kerb\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[2Jand more",
        "  suspect: nobody has looked at it yet",
    ]
    assert json.loads(run("report", "list", "--json")[1]) == [ROW]
    assert run("report", "list", "--from", "last week")[0] == exits.USAGE


@pytest.mark.parametrize(("word", "page"), [("confirm", "confirm"), ("reject", "refute")])
def test_a_verdict_asks_the_page_of_its_report(run: Run, asked: list[Any], word: str, page: str) -> None:  # noqa: F811
    code, out, _ = run("report", word, "3f2a", "--reason", "dry")
    assert (code, asked[-1]) == (0, (f"requests/3f2a9c01d2e4aaaa/{page}", {"reason": "dry"}))
    assert out.splitlines()[-1] == "counts as  fail: refuted by anna, 2026-03-01T06:10:00Z"
    assert json.loads(run("report", word, "3f2a", "--json")[1]) == JUDGED


def test_show_finds_one_by_its_first_digits(run: Run, asked: list[Any]) -> None:  # noqa: F811
    code, out, _ = run("report", "show", "3f2a")
    assert code == 0 and out.splitlines()[0] == "report     3f2a9c01d2e4aaaa" and "Mill Lane" in out
    for nobody in ("77", "", "x" * 16):
        code, _, err = run("report", "show", nobody)
        assert code == exits.NOT_FOUND and "city report list" in err


@pytest.mark.parametrize(
    ("status", "body", "code", "text"),
    [
        (404, [{"code": 404, "description": "reports are off: aggregator.toml has no [reports]"}], 4, "are off"),
        (409, [{"code": 409, "description": "anna has confirmed it already"}], 7, "anna has confirmed it already"),
        (403, {"error": "not_allowed", "text": "ben has not the right 'view'; next: ask"}, 7, "not the right"),
        (500, "no JSON", 1, "it answered 500"),
    ],
)
def test_a_refusal_has_its_code_and_its_words(
    run: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: Any,
    code: int,
    text: str,
) -> None:
    def get(self: Client, page: str, **query: Any) -> Any:
        request = httpx.Request("GET", "http://city/requests.json")
        answer = httpx.Response(status, json=body, request=request)
        raise httpx.HTTPStatusError("no", request=request, response=answer)

    monkeypatch.setattr(Client, "get", get)
    ended, _, err = run("report", "list")
    assert ended == code and text in err
