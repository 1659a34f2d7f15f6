"""`city process`: the smart processes: which run, what fits their ports, why they decided what they decided."""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import rich_click as click

from cityreflex import asking, config, known_streams
from cityreflex.address import of_run
from cityreflex.client import UnreachableError
from cityreflex.commands import process_text, terminal
from cityreflex.commands.options import json_option, templates_option, where_options
from cityreflex.commands.process_new import new
from cityreflex.commands.process_test import test
from cityreflex.exits import CONFIG, NOT_FOUND, UNVERIFIED, CityError
from cityreflex.where import Where
from processes import templates as found_templates
from processes.errors import ProcessError
from processes.fitting import as_rows, fit


@click.group()
def process() -> None:
    """See, check, copy, try and reload smart processes. How to write one: docs/processes.md.

    Example: city process list
    """


process.add_command(new)
process.add_command(test)


@process.command("list")
@where_options
@json_option
def list_(where: Where, as_json: bool) -> None:
    """Show the city's processes: mode, state, last step. Exit code 0, 1: one stopped on an error.

    Example: city process list --json
    """
    found: list[dict[str, Any]] = asking.get(where, "processes")
    click.echo(json.dumps(found) if as_json else process_text.listed(terminal.harmless(found)))
    for line in terminal.harmless(_at_edges(where)):
        click.echo(line, err=True)
    if any(row["state"] == "faulted" for row in found):
        sys.exit(1)


def _at_edges(where: Where) -> list[str]:
    """Return a line for each edge node with processes of its own, and how to ask it; none if an edge node was asked."""
    try:
        with where.client() as city:
            edges = city.get("status")["edges"]
    except (UnreachableError, httpx.HTTPStatusError, KeyError):
        return []
    names = {edge["edge"]: [row["instance"] for row in edge["health"].get("processes", ())] for edge in edges}
    how = f"city process list --at {of_run(where.folder, 'edge').text}" if not where.at else "--at, on the node"
    return [f"on {edge}: {', '.join(some)}; ask it: {how}" for edge, some in names.items() if some]


@process.command()
@click.argument("name")
@where_options
@json_option
def explain(where: Where, name: str, as_json: bool) -> None:
    """Say why process NAME decided what it decided last.

    Shows each input with its age and quality, the estimates with their uncertainty, the alarms, and for each proposal
    its reason and what became of it.

    Example: city process explain flood
    """
    found = asking.get(where, f"processes/{quote(name, safe='')}/explain", "city process list")
    click.echo(json.dumps(found) if as_json else process_text.explained(terminal.harmless(found)))


@process.command()
@where_options
@json_option
def reload(where: Where, as_json: bool) -> None:
    """Let the city read its process files anew, without loss.

    What changed begins again from recorded data, the rest goes on untouched. If one file is wrong, none is taken (exit
    code 3). Needs the right to administer.

    Example: city process reload
    """
    try:
        found = asking.post(where, "processes/reload", None, "city config check FILE")
    except CityError as error:
        if error.code == NOT_FOUND and isinstance(error.__cause__, httpx.HTTPStatusError):
            error.hint = "an edge node reads its process files anew on SIGHUP: there, kill -HUP PID or systemctl reload"
        raise
    changed = f"began again: {', '.join(found['changed'])}" if found["changed"] else "nothing has changed"
    click.echo(json.dumps(found) if as_json else f"{changed}; running: {', '.join(found['running'])}")


@process.command()
@click.argument("file", metavar="FILE|TEMPLATE", type=click.Path(path_type=Path))
@templates_option
@where_options
@json_option
def check(where: Where, file: Path, templates: tuple[Path, ...], as_json: bool) -> None:
    """Say which datastreams fit which port of a process file or a template, and why others do not.

    Property and unit decide. Datastreams are those of the running city, else those of the boards in the run directory.
    Exit code 6: a port is bound to something that does not fit or is not there.

    Example: city process check run/sites/flood.toml
    """
    rows = checked(where, file, templates)
    click.echo(json.dumps(rows) if as_json else process_text.checked(terminal.harmless(rows)))
    if any(not bound["fits"] for row in rows for bound in row["bound"]):
        sys.exit(UNVERIFIED)


def checked(where: Where, file: Path, folders: tuple[Path, ...]) -> list[dict[str, Any]]:
    """Return one row per port. Raises: CityError, ConfigFileError."""
    name, bound = _ports_of(file, folders)
    senses, responds = known_streams.find(where)
    try:
        ports = found_templates.load(name, folders).ports
    except ProcessError as error:
        raise CityError(CONFIG, str(error), "give --templates with its folder, or the name of a template") from error
    return as_rows(fit(ports, senses, responds), bound)


def _ports_of(file: Path, folders: tuple[Path, ...]) -> tuple[str, dict[str, list[str]]]:
    """Return the template, and what a file binds its ports to."""
    if not file.suffix and not file.exists():
        return str(file), {}
    config.check(file, folders)
    data = config.read(file).data
    senses = {name: [one] if isinstance(one, str) else list(one) for name, one in data.get("senses", {}).items()}
    responds = {name: [one["actuator"]] for name, one in data.get("responds", {}).items()}
    return str(data["template"]), {**senses, **responds}
