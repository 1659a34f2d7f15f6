"""`city ledger`: what it prints, in 80 columns, and its exit codes."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from cityreflex.client import Client, UnreachableError
from cityreflex.commands import ledger_text
from cityreflex.exits import NOT_FOUND, CityError

ledger = import_module("cityreflex.commands.ledger")
ZERO = dict.fromkeys(ledger_text.COLUMNS, 0)
SINCE = "2026-11-25T16:00:03Z"


def row(**changes: Any) -> dict[str, Any]:
    return {
        "thing": "river-1", "boot": "0badcafe-12", **ZERO, "unexplained_ranges": [], "edge": "edge-1",
        "state": "balanced", "since": SINCE, "unexplained_since": None, "reported": SINCE, "offline_since": None,
        **changes,
    }  # fmt: skip


def table(*rows: dict[str, Any], conflicts: tuple[Any, ...] = ()) -> dict[str, Any]:
    totals = {name: sum(r[name] for r in rows) for name in ledger_text.COLUMNS}
    balanced = not totals["unexplained"]
    return {"accounts": list(rows), "totals": totals, "balanced": balanced, "conflicts": list(conflicts)}


def test_golden_balance() -> None:
    found = table(
        row(sent=1234, stored=1200, buffered=34),
        row(boot="0badcafe-13", sent=10, stored=8, unexplained=2, unexplained_ranges=[[3, 5]], unexplained_since=SINCE),
    )
    assert ledger_text.balance(found).splitlines() == [
        "thing   boot         sent stored buffered lost set aside unexpl.",
        "river-1 0badcafe-12 1,234  1,200       34    0         0       0",
        "river-1 0badcafe-13    10      8        0    0         0       2",
        "total               1,244  1,208       34    0         0       2",
        f"! river-1 0badcafe-13: samples 3 to 4 unexplained since {SINCE}",
        "2 samples are unexplained: city ledger --explain river-1",
    ]
    assert ledger_text.balance(table(row(sent=5, stored=5))).endswith("balanced: every sample is accounted for")


@pytest.mark.parametrize("n", [0, 123_456, 4_294_967_295, 10**12])
@pytest.mark.parametrize("thing", ["a", "a-thing-with-a-long-name-of-40-characters"])
def test_everything_fits_in_80_columns_and_is_plain_ascii(n: int, thing: str) -> None:
    counts = dict.fromkeys(ledger_text.COLUMNS, n)
    long = "why " * 60
    found = table(
        row(thing=thing, **counts, unexplained_ranges=[[0, n]] * 60, unexplained_since=SINCE),
        row(offline_since=SINCE, thing=thing),
        conflicts=({"thing": thing, "boot": "b-1", "first": 1, "end": 3},),
    )
    why = {
        "thing": thing, "accounts": [row(thing=thing, **counts)],
        "gaps": [{"boot": "b-1", "gap_id": n, "first": 0, "end": n, "count": n, "cause": "power", "declared_by": thing,
                  "known_utc_us": None, "words": long}],
        "quarantined": [{"boot": "b-1", "first": 0, "end": 9, "count": 9, "where": "city", "words": long}],
        "unexplained": [{"boot": "b-1", "first": 0, "end": 1, "count": 1, "since_utc_us": 10**15, "likely": long,
                         "check": long}],
        "conflicts": [{"boot": "b-1", "first": 1, "end": 3, "known_utc_us": 10**15, "seen_utc_us": seen,
                       "seen_reason": long} for seen in (None, 10**15)],
    }  # fmt: skip
    for text in (ledger_text.balance(found), ledger_text.explanation(why)):
        assert text.isascii() and max(len(line) for line in text.splitlines()) <= 80


def test_an_explanation_names_cause_by_whom_since_when_and_what_to_check() -> None:
    why = {
        "thing": "river-1", "accounts": [row(sent=100, stored=88, declared_lost=10, unexplained=2)],
        "gaps": [{"boot": "b-1", "gap_id": 7, "first": 70, "end": 80, "count": 10, "cause": "overflow",
                  "declared_by": "river-1", "known_utc_us": 1_790_000_000_000_000, "words": "the board was full"}],
        "quarantined": [],
        "unexplained": [{"boot": "b-1", "first": 3, "end": 5, "count": 2, "since_utc_us": 1_790_000_000_000_000,
                         "likely": "nobody knows", "check": "the folder"}],
        "conflicts": [],
    }  # fmt: skip
    text = ledger_text.explanation(why)
    for part in ("lost b-1 samples 70 to 79 (10): overflow (gap 7, declared by river-1,", "the board was full",
                 "! unexplained b-1 samples 3 to 4 (2) since 2026-09-21T14:13:20Z", "likely: nobody knows",
                 "check: the folder"):  # fmt: skip
        assert part in text


def answering(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def get(self: Client, page: str, **query: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Client, "get", get)


CONFLICT = {"thing": "t", "boot": "b", "first": 1, "end": 2, "known_utc_us": 0}


@pytest.mark.parametrize(
    ("found", "code"),
    [(table(row(sent=5, stored=5)), 0), (table(row(sent=5, stored=4, unexplained=1, unexplained_ranges=[[4, 5]])), 6),
     (table(row(sent=5, stored=5), conflicts=(CONFLICT,)), 6)],
)  # fmt: skip
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: Any, code: int) -> None:
    answering(monkeypatch, found)
    result = CliRunner().invoke(ledger.ledger, ["--dir", str(tmp_path)])
    assert result.exit_code == code and "\x1b" not in result.output
    result = CliRunner().invoke(ledger.ledger, ["--dir", str(tmp_path), "--json"])
    assert result.exit_code == code and json.loads(result.output) == found


def test_a_board_that_is_not_there_is_not_found_with_a_guess(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    request = httpx.Request("GET", "http://city/ledger/explain")
    cases = ((["river-1", "mast-1"], "did you mean river-1?"), (["x"], "there are: x"), ([], "there are: none yet"))
    for known, hint in cases:
        response = httpx.Response(404, json={"detail": {"thing": "rivr-1", "known": known}}, request=request)
        answering(monkeypatch, httpx.HTTPStatusError("404", request=request, response=response))
        with pytest.raises(CityError) as caught:
            ledger.ask_why(tmp_path, "rivr-1")
        assert (caught.value.code, caught.value.hint) == (NOT_FOUND, hint)


def test_nobody_answers_is_not_found(tmp_path: Path) -> None:
    calls = (ledger.ask, lambda folder: ledger.ask_why(folder, "t"), lambda folder: ledger.acknowledge(folder, "why"))
    for call in calls:
        with pytest.raises(CityError) as caught:
            call(tmp_path)
        assert caught.value.code == NOT_FOUND and caught.value.hint


def test_what_was_seen_is_told_to_whoever_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def post(self: Client, page: str, body: Any) -> Any:
        if "edge" in self.address:
            raise UnreachableError("gone")
        assert (page, body) == ("ledger/acknowledge", {"reason": "put right"})
        return {"acknowledged": 3}

    monkeypatch.setattr(Client, "post", post, raising=False)
    result = CliRunner().invoke(ledger.ledger, ["--dir", str(tmp_path), "--acknowledge", "put right"])
    assert (result.exit_code, result.output) == (0, "city: 3 contradicting ranges acknowledged\n")
