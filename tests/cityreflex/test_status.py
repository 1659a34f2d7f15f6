"""`city status` says what is broken, where, and what to check; `city ledger` says what is missing."""

import io
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from cityreflex.client import Client, UnreachableError
from cityreflex.commands import ledger_text
from cityreflex.exits import NOT_FOUND, CityError

# By name: cityreflex.commands.status is the command, which hides its module.
ledger, status = (import_module(f"cityreflex.commands.{name}") for name in ("ledger", "status"))
FAULT = {
    "edge": "edge-1", "thing": "mast-1", "sensor": "air", "chip": "bme280", "bus": "i2c0", "address": "0x76",
    "code": 1, "what": "does not answer", "check": "check its power and SDA, SCL",
}  # fmt: skip


def found(**changes: Any) -> dict[str, Any]:
    """The status of a city where all is well, with changes."""
    board = {"thing": "mast-1", "port": "dev/mast-1", "link": "up", "last_seen_s": 0.1, "faults": []}
    edge = {"edge": "edge-1", "online": True, "health_age_s": 0.2, "health": {"boards": [board]}}
    return {"edges": [edge], "incidents": [], "faults": [], "processes": [], "leases": [], **changes}


def shown(rows: dict[str, Any]) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    status.show(rows, console)
    return console.export_text()


def test_all_well() -> None:
    assert status.troubles(found()) == []
    assert "all well" in shown(found())


def test_a_fault_names_chip_bus_and_what_to_check() -> None:
    text = shown(found(faults=[FAULT]))
    for part in ("mast-1/air", "bme280", "i2c0 at 0x76", "does not answer", "check its power and SDA, SCL"):
        assert part in text


@pytest.mark.parametrize("link", ["down", "absent", "permission", "busy"])
def test_a_link_that_is_not_up_is_trouble(link: str) -> None:
    rows = found()
    rows["edges"][0]["health"]["boards"][0]["link"] = link
    assert any(f"mast-1: link {link}" in line for line in status.troubles(rows))


def test_what_people_stopped_is_trouble_until_they_let_it_go() -> None:
    rows = found()
    lease = {"actuator": "gate-1/opening", "holder": "", "fence": 1, "setpoint": None, "tripped": "anna: a boat"}
    rows["edges"][0]["health"] |= {"stopped": "pi: work in the shaft", "leases": [lease, {**lease, "tripped": ""}]}
    assert status.troubles(rows) == [
        "edge-1: stopped at the node: pi: work in the shaft; there: city edge clear",
        "gate-1/opening is tripped: anna: a boat; look, then: city actuator reset gate-1/opening",
    ]


def with_journal(problem: str = "") -> dict[str, Any]:
    rows = found()
    rows["edges"][0]["health"]["journal"] = {
        "pending_batches": 12, "dropped": 34, "refused": 5, "quarantined": 1,
        "quota": {"used_bytes": 1_200_000, "max_bytes": 2_000_000, "when_full": "drop_oldest", "problem": problem},
    }  # fmt: skip
    return rows


def test_the_journal_of_an_edge_shows_its_quota_and_what_it_cost() -> None:
    text = shown(with_journal())
    assert "12 batches wait for the city, 1.2 of 2.0 MB, when full drop_oldest" in text
    assert "34 dropped, 5 refused, 1 quarantined" in text and "all well" in text


def test_a_full_journal_and_a_city_that_is_an_older_copy_are_trouble() -> None:
    rows = with_journal("the journal holds 2 of 2 bytes: boards are not acked")
    rows["edges"][0]["health"]["uplink"] = {"problem": "the city is an older copy"}
    rows["edges"][0]["health"]["restore"] = {"streams_left": 3}
    assert status.troubles(rows) == [
        "edge-1: the journal holds 2 of 2 bytes: boards are not acked", "edge-1: the city is an older copy",
    ]  # fmt: skip
    assert "asking a restored city about 3 streams" in shown(rows)


ROW = {"datastream": "mast-1/air_temperature", "flag": 3, "test": "flat_line", "what": "21.5 Cel", "check": "breathe"}


def with_quality(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    found_rows = found()
    counts = {"channels": 34, "good": 33, "suspect": 1, "flagged": {"flat_line": 0, "rate_of_change": 3}}
    found_rows["edges"][0]["health"]["quality"] = {**counts, "rows": list(rows), "more": 0, "problems": [], **changes}
    return found_rows


def test_what_an_edge_doubts_is_trouble_if_it_lasts() -> None:
    rows = with_quality(ROW, {**ROW, "test": "rate_of_change"}, problems=["[quality] names 'x'"], more=2)
    line = "mast-1/air_temperature suspect (flat_line): 21.5 Cel; breathe"
    assert status.troubles(rows) == [line, "edge-1: [quality] names 'x'", "edge-1: 2 more channels are doubted"]
    text = shown(rows)
    assert "quality: 34 channels, 33 good, 1 suspect; flagged since start: 3 rate_of_change" in text
    assert f"! {line}" in text and "\nmast-1/air_temperature suspect (rate_of_change)" in text
    assert "all well" in shown(with_quality({**ROW, "test": "rate_of_change"}))


def test_an_edge_offline_is_one_incident_not_forty() -> None:
    rows = found(incidents=[{"kind": "edge_offline", "edge": "edge-1", "text": "edge-1 offline"}])
    rows["edges"][0]["online"] = False
    rows["edges"][0]["health"]["boards"][0]["link"] = "down"
    assert status.troubles(rows) == ["edge-1 offline"]


def test_a_revoked_edge_is_called_so() -> None:
    rows = found()
    rows["edges"][0] |= {"online": False, "revoked": True}
    assert "edge-1: REVOKED, heard" in shown(rows)


LONG = "a-name-that-is-as-long-as-names-may-be-" * 2
TEXT = "words that go on and on " * 20


def crowded(name: str) -> dict[str, Any]:
    """A status where everything that can be shown is there, under long names."""
    board = {"thing": name, "port": f"/dev/{name}", "link": "absent", "hint": TEXT, "last_seen_s": 1e4, "faults": []}
    health = {
        "boards": [board, {**board, "clock": {"synced": True, "sigma_us": 123456.0}}],
        "processes": [{"instance": name, "state": "faulted", "reason": TEXT}],
        "journal": with_journal(TEXT)["edges"][0]["health"]["journal"] | {"notices": [TEXT], "pending_batches": 10**12},
        "uplink": {"problem": TEXT}, "restore": {"streams_left": 10**9},
        "quality": with_quality({**ROW, "datastream": name, "what": TEXT})["edges"][0]["health"]["quality"],
    }  # fmt: skip
    edge = {"edge": name, "online": True, "health_age_s": 1e9, "health": health, "problem": TEXT}
    fault = dict.fromkeys(("thing", "sensor", "chip", "bus", "address"), name) | {"what": TEXT, "check": TEXT}
    latest = {
        "datastream": f"{name}/{name}", "value": -1.234e-300, "sigma": 1e300, "unit": name, "age_s": 1e9, "stale": True,
        "quality_name": "not evaluated",
    }  # fmt: skip
    return found(
        edges=[edge], faults=[fault], processes=[{"instance": name, "state": "running"}], latest=[latest],
        leases=[{"actuator": f"{name}/{name}", "holder": name, "fence": 10**18}], alarms=[TEXT],
        refusals=[{"where": name, "reason": "unknown_key", "who": name, "count": 10**12, "age_s": 1e6, "text": TEXT}],
    )  # fmt: skip


@pytest.mark.parametrize("name", ["mast-1", LONG])
def test_everything_fits_in_80_columns_and_no_name_is_cut(name: str) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    status.show(crowded(name), console)
    text = console.export_text()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert "refused unknown_key" in text and "\u2026" not in text


def test_nobody_answers(tmp_path: Path) -> None:
    for ask in (status.ask, ledger.ask):
        with pytest.raises(CityError) as caught:
            ask(tmp_path)
        assert caught.value.code == NOT_FOUND
        assert caught.value.hint


def test_client_of_nobody(tmp_path: Path) -> None:
    with Client.of_run(tmp_path) as city, pytest.raises(UnreachableError, match="does not answer"):
        city.get("health")


def test_an_edge_that_was_never_heard_is_trouble() -> None:
    silent = {"edge": "edge-1", "online": False, "health_age_s": None, "health": {}}
    lines = status.troubles(found(edges=[silent]))
    assert len(lines) == 1
    assert "edge-1 offline" in lines[0]
    told = {"kind": "edge_offline", "edge": "edge-1", "text": "edge-1 offline since 12:00"}
    assert status.troubles(found(edges=[silent], incidents=[told])) == ["edge-1 offline since 12:00"]


def test_what_starts_is_named_and_is_no_trouble() -> None:
    silent = {"edge": "edge-1", "online": False, "health_age_s": None, "health": {}, "starting": True}
    rows = found(edges=[silent])
    assert status.troubles(rows) == [] and "does `city edge run` run?" in status.starting(rows)[0]
    assert "edge-1: starting" in shown(rows) and "nothing is broken; starting: 1" in shown(rows)
    rows = found()
    rows["edges"][0]["health"]["boards"][0]["link"] = "starting"
    assert status.troubles(rows) == [] and status.starting(rows)[0].startswith("mast-1: link starting on dev/mast-1")
    assert "all well" not in shown(rows)
    assert status.starting(found()) == []


@pytest.mark.parametrize(("starting", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_something_is_broken(
    monkeypatch: pytest.MonkeyPatch, starting: bool, code: int
) -> None:
    silent = {"edge": "edge-1", "online": False, "health_age_s": None, "health": {}, "starting": starting}
    monkeypatch.setattr(status, "ask", lambda folder: found(edges=[silent]))
    done = CliRunner().invoke(status.status, ["--json"])
    assert done.exit_code == code, done.output
    assert ("not heard yet" in done.output) == starting


def test_a_process_that_stopped_on_the_edge_is_trouble() -> None:
    rows = found()
    rows["edges"][0]["health"]["processes"] = [{"instance": "fan", "state": "faulted", "reason": "division by zero"}]
    assert status.troubles(rows) == ["process fan on edge-1 stopped: division by zero"]
    assert "process fan on edge-1: faulted" in shown(rows)


EVIL = "\x1b]0;owned\x07\x1b[2J\u202e[bold]x[/nothing]\r\nall well"


def test_what_an_edge_says_neither_commands_the_terminal_nor_takes_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = found(refusals=[{"where": EVIL, "reason": EVIL, "who": EVIL, "count": 1, "age_s": 1, "text": EVIL}])
    health = rows["edges"][0]["health"]
    health["boards"][0] |= {"thing": EVIL, "link": EVIL, "hint": EVIL}
    health |= {"processes": [{"instance": EVIL, "state": "faulted", "reason": EVIL}], "uplink": {"problem": EVIL}}
    text = printed(monkeypatch, status, rows)
    assert "owned" in text and "[/nothing]" in text and "all well" not in text.splitlines()
    assert all(line.isprintable() for line in text.splitlines())


def test_names_in_a_ledger_neither_command_the_terminal_nor_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    row = dict.fromkeys(ledger_text.COLUMNS, 0) | {"thing": EVIL, "boot": "[/b]"}
    totals = dict.fromkeys(ledger_text.COLUMNS, 0)
    rows = {"accounts": [row], "totals": totals, "balanced": True, "conflicts": []}
    text = printed(monkeypatch, ledger, rows)
    assert "[/b]" in text and all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize(
    "health",
    [
        {"boards": 5}, {"boards": [5]}, {"boards": [{}]}, {"boards": [{"thing": 1}]}, {"journal": 7},
        {"boards": [{"thing": "a", "last_seen_s": "x"}]}, {"processes": [{}]}, {"processes": 1}, {"uplink": [1]},
        {"journal": {"quota": {"used_bytes": "x"}}}, {"boards": [{"thing": "a", "clock": 3}]},
    ],
)  # fmt: skip
def test_a_health_of_no_known_shape_is_a_trouble_of_its_own(
    monkeypatch: pytest.MonkeyPatch, health: dict[str, Any]
) -> None:
    rows = found()
    rows["edges"][0]["health"] = health
    assert "! edge-1: the health that it tells is not understood" in printed(monkeypatch, status, rows)


def printed(monkeypatch: pytest.MonkeyPatch, module: Any, rows: dict[str, Any]) -> str:
    """What the command prints when a city answers so."""
    monkeypatch.setattr(module, "ask", lambda *_: rows)
    result = CliRunner().invoke(getattr(module, module.__name__.rpartition(".")[2]), [], env={"COLUMNS": "300"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return str(result.stdout)
