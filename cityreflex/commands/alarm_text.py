"""Alarms and incidents as lines of `city status`: one cause is told once, with what it takes along."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Row = Mapping[str, Any]
SEVERITY = {1: "low", 2: "medium", 3: "high", 4: "critical"}
NAMED = 8


def alarm_lines(found: Row) -> list[str]:
    """Return a line for each open incident that silences a process or an alarm, then one for each other alarm."""
    incidents = [row for row in found.get("open_incidents", ()) if _named(row, "process", "alarm", "message")]
    told = {member for row in incidents for member in row["members"]}
    return [incident_line(row) for row in incidents] + [
        f"alarm {row['instance']}/{row['key']}: {row['state']}, {SEVERITY.get(row['severity'], row['severity'])}, "
        f"P {row['probability']:.2f}"
        for row in found.get("process_alarms", ())
        if f"alarm:{row['instance']}/{row['key']}" not in told
    ]


def incident_line(row: Row) -> str:
    """Return `incident 3f2a..: edge-1 takes along 3 things, 12 datastreams, process flood, alarm flood/level_stale`."""
    counts = [f"{n} {sort}s" for sort in ("thing", "datastream") if (n := len(_named(row, sort)))]
    names = [member.replace(":", " ", 1) for member in _named(row, "process", "alarm")]
    rest = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    since = datetime.fromtimestamp(row["begin_utc_us"] / 1e6, UTC)
    if _named(row, "message"):
        return f"incident {row['id']}: {row['text']}; since {since:%Y-%m-%d %H:%M:%S}"
    what = ", ".join([*counts, *names[:NAMED], *rest]) or "nothing else"
    return f"incident {row['id']}: {row['place']} takes along {what}; since {since:%Y-%m-%d %H:%M:%S}"


def _named(row: Row, *sorts: str) -> list[str]:
    return [member for member in row["members"] if member.split(":", 1)[0] in sorts]
