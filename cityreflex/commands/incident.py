"""`city incident`: what is, or was, broken, with all that it took along. What makes an incident: docs/alarms.md."""

import json
from typing import Any

import rich_click as click

from cityreflex import asking
from cityreflex.commands import incident_text, terminal
from cityreflex.commands.options import json_option, where_options
from cityreflex.exits import NOT_FOUND, CityError
from cityreflex.where import Where

ID_DIGITS = 12
NEXT = "city incident list"
Row = dict[str, Any]


@click.group()
def incident() -> None:
    """List and show incidents: one for each cause, whatever it takes along. See docs/alarms.md.

    Example: city incident list --open
    """


@incident.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only what has not ended.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, newest first.")
@where_options
@json_option
def list_(where: Where, only_open: bool, limit: int, as_json: bool) -> None:
    """Show the newest incidents: what, where, since when, who knows. Exit code 0, whatever is open.

    Example: city incident list --open --json
    """
    found: list[Row] = asking.get(where, "incidents", only_open=str(only_open).lower(), limit=limit)
    if as_json:
        click.echo(json.dumps(found))
        return
    for row in terminal.harmless(found):
        click.echo(terminal.wrapped(incident_text.listed(row)))
    if not found:
        click.echo("no incident is open" if only_open else "there was no incident yet", err=True)


@incident.command()
@click.argument("number", metavar="ID")
@where_options
@json_option
def show(where: Where, number: str, as_json: bool) -> None:
    """Show one incident: nodes, alarms, who did what, how it ended. ID: its first digits are enough.

    Example: city incident show 3f2a
    """
    row: Row = asking.get(where, f"incidents/{whole(where, number)}", NEXT)
    click.echo(json.dumps(row) if as_json else terminal.wrapped(incident_text.whole(terminal.harmless(row))))


def whole(where: Where, start: str) -> str:
    """Return the id that begins so. Raises: CityError."""
    if len(start) == ID_DIGITS and start.isalnum():
        return start
    found = [row["id"] for row in asking.get(where, "incidents") if start and row["id"].startswith(start)]
    if len(found) != 1:
        what = "no incident begins" if not found else f"{len(found)} incidents begin"
        raise CityError(NOT_FOUND, f"{what} with {start!r}", NEXT)
    return str(found[0])
