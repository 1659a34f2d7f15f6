"""Alarms and incidents as lines of `city status`: one cause is told once, with what it takes along."""

from collections.abc import Mapping
from typing import Any

from cityreflex.commands.incident_text import along, named, utc

Row = Mapping[str, Any]
SEVERITY = {1: "low", 2: "medium", 3: "high", 4: "critical"}


def alarm_lines(found: Row) -> list[str]:
    """Return a line for each open incident that silences a process or an alarm, then one for each other alarm."""
    incidents = [row for row in found.get("open_incidents", ()) if named(row, "process", "alarm", "message")]
    told = {member for row in incidents for member in row["members"]}
    return [incident_line(row) for row in incidents] + [
        f"alarm {row['instance']}/{row['key']}: {row['state']}, {SEVERITY.get(row['severity'], row['severity'])}"
        f"{chance(row)}"
        for row in found.get("process_alarms", ())
        if f"alarm:{row['instance']}/{row['key']}" not in told
    ]


def chance(row: Row) -> str:
    """Return `, P 0.35`; nothing of a condition that holds no more: what was said of it last says nothing of now."""
    return f", P {row['probability']:.2f}" if row.get("holds", True) else ""


def incident_line(row: Row) -> str:
    """Return `incident 3f2a..: edge-1 takes along 3 things, 12 datastreams, process flood, alarm flood/level_stale`."""
    since = utc(row["begin_utc_us"])
    if named(row, "message"):
        return f"incident {row['id']}: {row['text']}; since {since}"
    return f"incident {row['id']}: {row['place']} takes along {along(row)}; since {since}"
