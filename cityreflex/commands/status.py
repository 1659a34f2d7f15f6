"""`city status`: what runs, what is broken and what to check."""

import json
import sys
from pathlib import Path
from typing import Any

import rich_click as click
from rich.console import Console
from rich.errors import ConsoleError

from cityreflex.client import Client, UnreachableError
from cityreflex.commands import terminal
from cityreflex.commands.alarm_text import alarm_lines
from cityreflex.commands.options import json_option, quoted, run_dir_option
from cityreflex.exits import FAILED, NOT_FOUND, CityError

Status = dict[str, Any]
MOMENTARY = "rate_of_change"
"""Such a verdict ends by itself after two samples, so it is shown and is no trouble."""
QUALITY_NAMES = {1: "good", 2: "not_evaluated", 3: "suspect", 4: "fail", 9: "missing"}


@click.command()
@run_dir_option
@json_option
def status(folder: Path, as_json: bool) -> None:
    """Show edges, boards, faults and processes. A fault names chip, bus and what to check.

    Asks the city, or the edge node of the same run directory while the city is down. Exit code 0: nothing is
    broken; what has just begun and was not heard yet is named as starting, for 30 s at most. 1: something is
    broken. 4: nobody answers.

    Example: city status --dir run --json
    """
    found = understood(ask(folder))
    found["starting"] = starting(found)
    if as_json:
        click.echo(json.dumps(found))
    else:
        show(terminal.harmless(found), terminal.console())
    if troubles(found):
        sys.exit(FAILED)


def ask(folder: Path) -> Status:
    """Return the city's status, or what the edge alone can tell. Raises: CityError."""
    try:
        with Client.of_run(folder) as city:
            return {"source": "city", **city.get("status"), "latest": city.get("latest")}
    except UnreachableError as city_error:
        try:
            with Client.of_run(folder, "edge") as edge:
                return _of_edge(edge.get("health"), str(city_error))
        except UnreachableError as edge_error:
            raise CityError(NOT_FOUND, f"{city_error}\n{edge_error}", _start(folder)) from edge_error


def _start(folder: Path) -> str:
    """Return how to start what answers here."""
    files = {"aggregator": folder / "aggregator.toml", "edge": folder / "edge.toml"}
    if there := [f"city {name} run --config {quoted(path)}" for name, path in files.items() if path.exists()]:
        return "start it: " + ", and ".join(there)
    return f"city sim up riverside --dir {quoted(folder)}, then what that prints; or give another --dir"


def _of_edge(health: dict[str, Any], why: str) -> Status:
    faults = [{"edge": health["edge"], **row} for board in health.get("boards", ()) for row in board["faults"]]
    edge = {"edge": health["edge"], "online": True, "boot": health.get("boot"), "faults": faults}
    edge["problem"] = health.get("uplink", {}).get("problem", "")
    return {
        "source": "edge",
        "edges": [{**edge, "health_age_s": 0.0, "health": health}],
        "incidents": [{"kind": "city_unreachable", "text": why}],
        "faults": faults,
        "processes": [],
        "process_alarms": [{"instance": row["instance"], **alarm} for row in health.get("processes", ())
                           for alarm in row.get("alarms", ())],
        "leases": health.get("leases", []),
        "refusals": [{"where": health["edge"], **row} for row in health.get("refusals", ())],
    }


def understood(found: Status) -> Status:
    """Return the status with a trouble in place of each health of no known shape: an edge says what it likes."""
    edges, told = [], list(found.get("alarms", ()))
    for edge in found["edges"]:
        try:
            _show_edge(edge, terminal.nowhere())
            _link_troubles(edge)
            _journal_troubles(edge)
            _latch_troubles(edge)
            _quality_troubles(edge)
            edges.append(edge)
        except (AttributeError, KeyError, TypeError, ValueError, ConsoleError):
            edges.append({**edge, "health": {}})
            told.append(f"{edge['edge']}: the health that it tells is not understood: is its version another one?")
    return {**found, "edges": edges, "alarms": told}


def troubles(found: Status) -> list[str]:
    """Return one line for each thing that somebody has to look at."""
    lines = [row["text"] for row in found["incidents"]]
    lines += found.get("alarms", ())
    told = {row.get("edge") for row in found["incidents"]}
    for edge in found["edges"]:
        lines += [edge["problem"]] if edge.get("problem") else []
        if edge["online"]:
            lines += _link_troubles(edge) + _journal_troubles(edge) + _latch_troubles(edge) + _quality_troubles(edge)
        elif edge["edge"] not in told and not edge.get("starting"):
            lines.append(f"{edge['edge']} offline, not heard since this city started: is `city edge run` running?")
    lines += [fault_line(fault) for fault in found["faults"]]
    lines += [
        f"process {row['instance']} on {where} stopped: {row.get('reason')}"
        for where, row in processes(found)
        if row.get("state") == "faulted"
    ]
    return lines


def starting(found: Status) -> list[str]:
    """Return one line for each edge and board that was not heard yet, while that is no fault: it has just begun."""
    lines = []
    for edge in found["edges"]:
        if edge["online"]:
            boards = [board for board in edge["health"].get("boards", ()) if board.get("link") == "starting"]
            lines += [f"{board['thing']}: link starting on {board.get('port')}{_hint(board)}" for board in boards]
        elif edge.get("starting"):
            lines.append(f"{edge['edge']}: not heard yet, the city has just begun; does `city edge run` run?")
    return lines


def _link_troubles(edge: dict[str, Any]) -> list[str]:
    return [
        f"{board['thing']}: link {board.get('link')} on {board.get('port')}{_hint(board)}"
        for board in edge["health"].get("boards", ())
        if board.get("link") not in ("up", "starting")
    ]


def _latch_troubles(edge: dict[str, Any]) -> list[str]:
    """Return what people, or boards, have stopped at an edge, and what to do about it."""
    health, name = edge["health"], edge["edge"]
    stopped = health.get("stopped")
    lines = [f"{name}: stopped at the node: {stopped}; there: city edge clear"] if stopped else []
    tripped = {row.get("actuator"): row["tripped"] for row in health.get("leases") or () if row.get("tripped")}
    lines += [f"{what} is tripped: {why}; look, then: city actuator reset {what}" for what, why in tripped.items()]
    return lines


def _journal_troubles(edge: dict[str, Any]) -> list[str]:
    """Return what is wrong with an edge's journal and audit log, and with its view of the city."""
    health, name = edge["health"], edge["edge"]
    journal, quota = health.get("journal") or {}, (health.get("journal") or {}).get("quota") or {}
    lines = [f"{name}: {quota['problem']}"] if quota.get("problem") else []
    if journal.get("full") and not lines:
        lines.append(f"{name}: its disk is full: make room on it, or lower [journal] max_bytes")
    lines += [f"{name}: {notice}" for notice in journal.get("notices", ())]
    lines += [f"{name}: {text}" for text in (health.get("audit") or {}).get("problems", ())]
    city_problem = (health.get("uplink") or {}).get("problem")
    return [*lines, f"{name}: {city_problem}"] if city_problem else lines


def _quality_troubles(edge: dict[str, Any]) -> list[str]:
    """Return what an edge node doubts for longer than a moment, and what it cannot test."""
    quality, name = edge["health"].get("quality") or {}, edge["edge"]
    lasting = [row for row in quality.get("rows", ()) if row.get("test") != MOMENTARY]
    lines = [quality_line(row) for row in lasting] + [f"{name}: {text}" for text in quality.get("problems", ())]
    return [*lines, f"{name}: {quality['more']} more channels are doubted"] if quality.get("more") else lines


def quality_line(row: dict[str, Any]) -> str:
    """Return `mast-1/air_temperature suspect (flat_line): 21.5 Cel without change for 6.2 h, ...; ...`."""
    flag = QUALITY_NAMES.get(row.get("flag", 0), "flagged")
    return f"{row.get('datastream')} {flag} ({row.get('test')}): {row.get('what')}; {row.get('check')}"


def quality_summary(edge: dict[str, Any]) -> str:
    """Return `quality: 34 channels, 33 good, 1 suspect; flagged since start: 3 flat_line`, "" if it told nothing."""
    quality = edge["health"].get("quality")
    if not quality:
        return ""
    states = [f"{quality[name]} {name}" for name in QUALITY_NAMES.values() if quality.get(name)]
    flagged = [f"{count} {name}" for name, count in quality.get("flagged", {}).items() if count]
    line = f"quality: {quality.get('channels')} channels, {', '.join(states) or 'none heard'}"
    return f"{line}; flagged since start: {', '.join(flagged)}" if flagged else line


def journal_line(edge: dict[str, Any]) -> str:
    """Return `journal: 12 batches wait for the city, 1.2 of 2147.5 MB, ...`, "" if the edge told nothing of it."""
    journal, restore = edge["health"].get("journal") or {}, edge["health"].get("restore") or {}
    quota = journal.get("quota")
    if not quota:
        return ""
    used, limit = quota.get("used_bytes", 0) / 1e6, quota.get("max_bytes", 0) / 1e6
    counts = ", ".join(f"{journal.get(name, 0)} {name}" for name in ("dropped", "refused", "quarantined"))
    line = (
        f"journal: {journal.get('pending_batches', 0)} batches wait for the city, {used:.1f} of {limit:.1f} MB, "
        f"when full {quota.get('when_full')}; {counts}"
    )
    left = restore.get("streams_left")
    return f"{line}; asking a restored city about {left} streams" if left else line


def _show_edge(edge: dict[str, Any], console: Console) -> None:
    """Print all that one edge tells of itself."""
    state, age = _state(edge), edge.get("health_age_s")
    terminal.say(console, f"{edge['edge']}: {state}, heard {'never' if age is None else f'{age:.1f} s ago'}")
    _show_boards(edge.get("health", {}).get("boards", []), console)
    for line in (journal_line(edge), quality_summary(edge)):
        if line:
            terminal.say(console, line)
    for row in (edge["health"].get("quality") or {}).get("rows", ()):
        if row.get("test") == MOMENTARY:
            terminal.say(console, quality_line(row))
    for where, row in processes({"processes": [], "edges": [edge]}):
        _show_process(where, row, console)


def _state(edge: dict[str, Any]) -> str:
    if edge["online"]:
        return "online"
    if edge.get("starting"):
        return "starting"
    return "REVOKED" if edge.get("revoked") else "OFFLINE"


def _show_process(where: str, row: dict[str, Any], console: Console) -> None:
    terminal.say(console, f"process {row['instance']} on {where}: {row.get('state')}")


def processes(found: Status) -> list[tuple[str, dict[str, Any]]]:
    """Return (where it runs, its health) of every process, at the city and on the edges that are online."""
    rows = [("city", row) for row in found["processes"]]
    for edge in found["edges"]:
        rows += [(edge["edge"], row) for row in edge["health"].get("processes", ()) if edge["online"]]
    return rows


def _hint(board: dict[str, Any]) -> str:
    return f": {board['hint']}" if board.get("hint") else ""


def fault_line(fault: dict[str, Any]) -> str:
    """Return `river-1/level a02yyuw on uart1: silent; check ...`."""
    where = f"{fault.get('thing')}/{fault.get('sensor')} {fault.get('chip')} on {fault.get('bus')}"
    address = fault.get("address") or ""
    where += f" at {address}" if address not in ("", fault.get("bus")) else ""
    return f"{where}: {fault.get('what')}; {fault.get('check')}"


def refusal_line(row: dict[str, Any]) -> str:
    """Return `refused unknown_key at city: 3, last 2 s ago, 10.0.0.9: key 4f..`; a refusal is no trouble by itself."""
    where, who = row.get("where"), row.get("who")
    return (
        f"refused {row.get('reason')} at {where}: {row.get('count')}, last {row.get('age_s')} s ago, "
        f"{who}: {row.get('text')}"
    )


def show(found: Status, console: Console) -> None:
    """Print the status as text."""
    for edge in found["edges"]:
        _show_edge(edge, console)
    for where, row in [("city", row) for row in found["processes"]]:
        _show_process(where, row, console)
    for row in found["leases"]:
        terminal.say(console, f"lease {row['actuator']}: {row['holder'] or 'nobody'}, fence {row['fence']}")
    for row in found.get("refusals", ()):
        terminal.say(console, refusal_line(row))
    _show_latest(found.get("latest", []), console)
    for line in alarm_lines(found):
        terminal.say(console, line)
    found_troubles = troubles(found)
    for line in found_troubles:
        terminal.say(console, f"! {line}", style="bold")
    begun = starting(found)
    for line in begun:
        terminal.say(console, f"~ {line}")
    if not found_troubles:
        console.print(f"nothing is broken; starting: {len(begun)}" if begun else "all well")


def _show_boards(boards: list[dict[str, Any]], console: Console) -> None:
    table = terminal.table("board", "link", "seen s", "clock us", "faults")
    for board in boards:
        clock = board.get("clock") or {}
        sigma = f"+-{clock['sigma_us']:.0f}" if clock.get("synced") else "unsynced"
        seen = board.get("last_seen_s")
        table.add_row(
            board["thing"],
            str(board.get("link")),
            "-" if seen is None else f"{seen:.1f}",
            sigma,
            str(len(board.get("faults", []))),
        )
    console.print(table)


def _show_latest(rows: list[dict[str, Any]], console: Console) -> None:
    """Print the newest value of each datastream with unit, uncertainty, age and quality; stale ones say so."""
    table = terminal.table("datastream", "value", "+-", "unit", "age s", "quality")
    for row in rows:
        value, sigma = row["value"], row["sigma"]
        table.add_row(
            row["datastream"],
            "-" if value is None else f"{value:.4g}",
            "-" if sigma is None else f"{sigma:.2g}",
            str(row["unit"] or ""),
            f"{row['age_s']:.1f}" + (" stale" if row["stale"] else ""),
            row["quality_name"],
        )
    if rows:
        console.print(table)
