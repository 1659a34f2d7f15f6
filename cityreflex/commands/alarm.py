"""`city alarm`: what stands, and what you know, silence or hear again. The life of an alarm is docs/alarms.md."""

from typing import Any
from urllib.parse import quote

import rich_click as click

from cityreflex import asking
from cityreflex.commands import terminal
from cityreflex.commands.alarm_text import SEVERITY, chance
from cityreflex.commands.incident_text import utc
from cityreflex.commands.options import json_option, seconds, together, where_options
from cityreflex.where import Where
from processes.alarms.table import STATES

NEXT = "city alarm list"

Row = dict[str, Any]
reason_option = click.option("--reason", default="", help="A remark for the audit log.")
name_argument = click.argument("name", metavar="INSTANCE/KEY")
act_options = together(name_argument, reason_option, where_options, json_option)


@click.group()
def alarm() -> None:
    """List, acknowledge, shelve and unshelve alarms. Their life: docs/alarms.md.

    Example: city alarm list
    """


@alarm.command("list")
@click.option("--instance", default="", help="Only alarms of this process.")
@click.option("--state", type=click.Choice(tuple(STATES)), default=None, help="Only alarms in this state.")
@click.option("--min-severity", type=click.IntRange(1, 4), default=1, help="1 low, 2 medium, 3 high, 4 critical.")
@where_options
@json_option
def list_(where: Where, instance: str, state: str | None, min_severity: int, as_json: bool) -> None:
    """Show every alarm that is not normal, the most severe first. Exit code 0, whatever stands.

    Example: city alarm list --state unacknowledged --json
    """
    found: list[Row] = asking.get(where, "alarms", instance=instance, state=state or "", min_severity=min_severity)
    terminal.tell_each(found, as_json, lines_of, "no alarm stands")


@alarm.command()
@act_options
def ack(where: Where, name: str, reason: str, as_json: bool) -> None:
    """Say that you know of an alarm.

    Example: city alarm ack flood/level_stale
    """
    _act(where, name, "ack", {"reason": reason}, as_json)


@alarm.command()
@name_argument
@click.option("--for", "for_s", callback=seconds, required=True, help="How long, such as 90s, 15m, 2h or 1d.")
@click.option("--reason", required=True, help="Why, 3 characters or more; shown, and kept in the audit log.")
@where_options
@json_option
def shelve(where: Where, name: str, for_s: float, reason: str, as_json: bool) -> None:
    """Silence an alarm for a time, with a reason. The process file says for how long at most.

    Example: city alarm shelve flood/level_stale --for 2h --reason "the sensor is being cleaned"
    """
    _act(where, name, "shelve", {"for_s": for_s, "reason": reason}, as_json)


@alarm.command()
@act_options
def unshelve(where: Where, name: str, reason: str, as_json: bool) -> None:
    """Hear an alarm again before its shelf ends.

    Example: city alarm unshelve flood/level_stale
    """
    _act(where, name, "unshelve", {"reason": reason}, as_json)


def _act(where: Where, name: str, what: str, body: Row, as_json: bool) -> None:
    instance, _, key = name.partition("/")
    if not instance or not key:
        raise click.BadParameter(f"found {name!r}; expected INSTANCE/KEY such as flood/level_stale")
    found: Row = asking.post(where, f"alarms/{quote(instance, safe='')}/{quote(key, safe='')}/{what}", body, NEXT)
    terminal.tell(found, as_json, lines_of)


def lines_of(row: Row) -> list[str]:
    """Return an alarm as lines: which and in which state, then what it says and who did what, further in."""
    name = f"{row['instance']}/{row['key']}"
    if "severity" not in row:
        return [f"{name}: {row['state']}"]
    head = f"{name}: {row['state']}, {SEVERITY.get(row['severity'], row['severity'])}{chance(row)}"
    since = f", since {utc(row['raised_utc_us'])}" if row["raised_utc_us"] else ""
    more = [str(row.get("text") or ""), _acked(row), _shelf(row), _notes(row)]
    return [head + since, *[f"  {line}" for line in more if line]]


def _acked(row: Row) -> str:
    return f"acknowledged by {row['acked_by']}, {utc(row['acked_utc_us'])}" if row.get("acked_utc_us") else ""


def _shelf(row: Row) -> str:
    shelf = row.get("shelf")
    return f"shelved by {shelf['by']} until {utc(shelf['until_utc_us'])}: {shelf['reason']}" if shelf else ""


def _notes(row: Row) -> str:
    notes = ["chattering"] if row.get("chattering") else []
    notes += ["stands for long"] if row.get("standing") else []
    notes += [f"out of service: {row['out_of_service']}"] if row.get("out_of_service") else []
    notes += [f"part of incident {row['incident']}"] if row.get("incident") else []
    notes += [f"seen by {row['where']} alone"] if row.get("where") not in (None, "city") else []
    return ", ".join(notes)
