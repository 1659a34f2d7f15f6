"""`city incident`: what is, or was, broken, with all that it took along. What makes an incident: docs/alarms.md."""

from typing import Any

import rich_click as click

from cityreflex import asking
from cityreflex.commands import incident_text, terminal
from cityreflex.commands.options import json_option, where_options
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
    none = "no incident is open" if only_open else "there was no incident yet"
    terminal.tell_each(found, as_json, incident_text.listed, none)


@incident.command()
@click.argument("number", metavar="ID")
@where_options
@json_option
def show(where: Where, number: str, as_json: bool) -> None:
    """Show one incident: nodes, alarms, who did what, how it ended. ID: its first digits are enough.

    Example: city incident show 3f2a
    """
    row: Row = asking.get(where, f"incidents/{whole(where, number)}", NEXT)
    terminal.tell(row, as_json, incident_text.whole)


def whole(where: Where, start: str) -> str:
    """Return the id that begins so. Raises: CityError."""
    if len(start) == ID_DIGITS and start.isalnum():
        return start
    return str(asking.begins(asking.get(where, "incidents"), "id", start, "incident", NEXT)["id"])
