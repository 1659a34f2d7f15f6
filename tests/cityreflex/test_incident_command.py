"""`city incident`: what it asks the city, what it prints at 80 columns, and with which code it ends."""

import json
from typing import Any

import httpx
import pytest

from cityreflex import exits
from cityreflex.client import Client, UnreachableError

from .test_cli import Run, run  # noqa: F401 (a fixture)

ROW = {
    "id": "3f2a9c01d2e4", "kind": "edge_offline", "place": "edge-1", "text": "edge node edge-1 is offline\x1b[2J",
    "begin_utc_us": 1_700_000_000_000_000, "end_utc_us": None, "times": 2, "edges": ["edge-1"], "ended": "",
    "members": ["alarm:flood/level_stale", "datastream:river-1/water_level", "process:flood", "thing:river-1"],
    "alarms": [{"instance": "flood", "key": "level_stale", "state": "acknowledged"}],
    "acts": [{"instance": "flood", "key": "level_stale", "kind": "ack", "by": "anna",
              "at_utc_us": 1_700_000_060_000_000, "reason": "on my way"}],
}  # fmt: skip
OVER = {**ROW, "end_utc_us": 1_700_000_120_000_000, "ended": "the edge node was heard again", "acts": [], "times": 1}


def answer(monkeypatch: pytest.MonkeyPatch, *rows: Any) -> list[Any]:
    """Let the city have these incidents; return what it was asked."""
    asked: list[Any] = []

    def get(self: Client, page: str, **query: Any) -> Any:
        asked.append((page, query))
        return next(row for row in rows if page.endswith(row["id"])) if "/" in page else list(rows)

    monkeypatch.setattr(Client, "get", get)
    return asked


def test_the_list_says_what_where_since_when_and_who_knows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    asked = answer(monkeypatch, ROW)
    code, out, _ = run("incident", "list", "--open")
    assert (code, asked) == (0, [("incidents", {"only_open": "true", "limit": 20})])
    assert out.splitlines() == [
        "3f2a9c01d2e4 open: edge_offline edge-1, since 2023-11-14 22:13:20",
        "  edge node edge-1 is offline\N{REPLACEMENT CHARACTER}[2J",
        "  takes along 1 thing, 1 datastream, alarm flood/level_stale, process flood",
        "  flood/level_stale acknowledged by anna, 2023-11-14 22:14:20: on my way",
    ]
    assert json.loads(run("incident", "list", "--json")[1]) == [ROW]
    answer(monkeypatch)
    assert run("incident", "list", "--open")[1:] == ("", "no incident is open\n")


def test_one_incident_shows_every_member_and_how_it_ended(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    answer(monkeypatch, ROW, {**OVER, "id": "3f00aaaaaaaa"})
    code, out, _ = run("incident", "show", "3f2a")
    assert code == 0 and out.splitlines()[2:] == [
        "  times      2, each within a minute of the last",
        "  edge node  edge-1",
        "  datastream river-1/water_level",
        "  process    flood",
        "  thing      river-1",
        "  alarm      flood/level_stale: acknowledged now",
        "  flood/level_stale acknowledged by anna, 2023-11-14 22:14:20: on my way",
    ]
    ended = run("incident", "show", "3f00aaaaaaaa")[1].splitlines()
    assert ended[0].startswith("3f00aaaaaaaa ended: edge_offline edge-1, 2023-11-14 22:13:20 to ")
    assert ended[-1] == "  ended 2023-11-14 22:15:20: the edge node was heard again"
    assert json.loads(run("incident", "show", "3f2a", "--json")[1]) == ROW


@pytest.mark.parametrize("start", ["3f", "no", ""])
def test_what_begins_several_or_none_is_not_found(run: Run, monkeypatch: pytest.MonkeyPatch, start: str) -> None:  # noqa: F811
    answer(monkeypatch, ROW, {**OVER, "id": "3f00aaaaaaaa"})
    code, _, err = run("incident", "show", start)
    assert code == exits.NOT_FOUND and "city incident list" in err


def test_nobody_there_and_no_such_incident_are_not_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def nobody(self: Client, page: str, **query: Any) -> Any:
        raise UnreachableError("nobody answers")

    def missing(self: Client, page: str, **query: Any) -> Any:
        told = {"detail": {"reason": "unknown_incident", "text": "no incident 'aaaaaaaaaaaa' is kept"}}
        request = httpx.Request("GET", "http://city/incidents/a")
        raise httpx.HTTPStatusError("404", request=request, response=httpx.Response(404, json=told, request=request))

    monkeypatch.setattr(Client, "get", nobody)
    assert run("incident", "list")[0] == exits.NOT_FOUND
    monkeypatch.setattr(Client, "get", missing)
    code, _, err = run("incident", "show", "a" * 12)
    assert code == exits.NOT_FOUND and "no incident 'aaaaaaaaaaaa' is kept" in err
