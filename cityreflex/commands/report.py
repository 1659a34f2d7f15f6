"""`city report`: what people reported, and what you say of it. How reports become samples: docs/reports.md."""

from typing import Any
from urllib.parse import quote

import rich_click as click

from cityreflex import asking
from cityreflex.commands import report_text, terminal
from cityreflex.commands.options import json_option, time_option, together, where_options
from cityreflex.where import Where

NEXT = "city report list"
ID_DIGITS = 16
PAGE = 1000
Row = dict[str, Any]
id_argument = click.argument("number", metavar="ID")
reason_option = click.option("--reason", default="", help="What you saw; it stays in the audit log.")
verdict_options = together(id_argument, reason_option, where_options, json_option)


@click.group()
def report() -> None:
    """List what people reported, and confirm or reject it. See docs/reports.md.

    Example: city report list --verdict none
    """


@report.command("list")
@click.option("--verdict", type=click.Choice(["none", "confirmed", "refuted"]), help="Only with this verdict.")
@click.option("--service", default="", help="Only of this service code; several with commas.")
@time_option("--from", "start", "Only from this time on")
@time_option("--to", "end", "Only before this time")
@click.option("--limit", type=click.IntRange(1, PAGE), default=20, show_default=True, help="How many, newest first.")
@where_options
@json_option
def list_(
    where: Where, verdict: str | None, service: str, start: str | None, end: str | None, limit: int, as_json: bool
) -> None:
    """Show the newest reports: what, where, when, how good it counts. Needs the right to view.

    Example: city report list --verdict none --service flooded_street --from 2026-03-01
    """
    wanted = {"verdict": verdict, "service_code": service, "start_date": start, "end_date": end}
    found = _reports(where, limit, **{name: value for name, value in wanted.items() if value})
    terminal.tell_each(found, as_json, report_text.listed, "no such report")


@report.command()
@id_argument
@where_options
@json_option
def show(where: Where, number: str, as_json: bool) -> None:
    """Show one report. ID: its first digits are enough.

    Example: city report show 3f2a
    """
    terminal.tell(_one(where, number), as_json, report_text.whole)


@report.command()
@verdict_options
def confirm(where: Where, number: str, reason: str, as_json: bool) -> None:
    """Say that it is so: its sample counts as good from now on. Once for each report.

    Example: city report confirm 3f2a --reason "seen from the bridge"
    """
    _judge(where, number, "confirm", reason, as_json)


@report.command()
@verdict_options
def reject(where: Where, number: str, reason: str, as_json: bool) -> None:
    """Say that it is not so: its sample counts as failed from now on. Once for each report.

    Example: city report reject 3f2a --reason "the street is dry"
    """
    _judge(where, number, "refute", reason, as_json)


def _judge(where: Where, number: str, verdict: str, reason: str, as_json: bool) -> None:
    whole = str(_one(where, number)["service_request_id"])
    (row,) = asking.post(where, f"requests/{quote(whole, safe='')}/{verdict}", {"reason": reason}, NEXT)
    terminal.tell(row, as_json, report_text.whole)


def _one(where: Where, start: str) -> Row:
    """Return the report whose id begins so. Raises: CityError."""
    wanted = {"service_request_id": start} if len(start) == ID_DIGITS else {}
    found: Row = asking.begins(_reports(where, PAGE, **wanted), "service_request_id", start, "report", NEXT)
    return found


def _reports(where: Where, limit: int, **wanted: str) -> list[Row]:
    found: list[Row] = asking.get(where, "requests.json", "[reports] of aggregator.toml, docs/reports.md",
                                  limit=limit, **wanted)  # fmt: skip
    return found
