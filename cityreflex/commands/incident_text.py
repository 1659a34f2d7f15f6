"""Incidents as lines of text for people: one cause, and all that it took along."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Row = Mapping[str, Any]
NAMED = 8
DID = {"ack": "acknowledged", "shelve": "shelved", "unshelve": "unshelved"}


def listed(row: Row) -> list[str]:
    """Return what it is and where, then what is the matter, what it takes along and who did what, further in."""
    return [head(row), f"  {row['text']}", f"  takes along {along(row)}", *(f"  {line}" for line in _acts(row))]


def whole(row: Row) -> list[str]:
    """Return an incident with every member, act and alarm, a line each."""
    names = [("edge node", name) for name in row["edges"]]
    names += [(sort, name) for sort, _, name in (member.partition(":") for member in row["members"]) if sort != "alarm"]
    lines = [head(row), f"  {row['text']}"]
    lines += [f"  times      {row['times']}, each within a minute of the last"] if row["times"] > 1 else []
    lines += [f"  {sort:<10} {name}" for sort, name in names]
    lines += [f"  {'alarm':<10} {alarm['instance']}/{alarm['key']}: {alarm['state']} now" for alarm in row["alarms"]]
    lines += [f"  {line}" for line in _acts(row)]
    return [*lines, f"  ended {utc(row['end_utc_us'])}: {row['ended']}"] if row["end_utc_us"] is not None else lines


def head(row: Row) -> str:
    """Return `3f2a9c01d2e4 open: edge_offline edge-1, since 2026-02-03 04:05:06`."""
    name = f"{row['kind']} {row['place']}"
    if row["end_utc_us"] is None:
        return f"{row['id']} open: {name}, since {utc(row['begin_utc_us'])}"
    return f"{row['id']} ended: {name}, {utc(row['begin_utc_us'])} to {utc(row['end_utc_us'])}"


def along(row: Row) -> str:
    """Return `3 things, 12 datastreams, process flood, alarm flood/level_stale`."""
    counts = [f"{n} {sort}{'s' * (n != 1)}" for sort in ("thing", "datastream") if (n := len(named(row, sort)))]
    names = [member.replace(":", " ", 1) for member in named(row, "process", "alarm")]
    rest = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join([*counts, *names[:NAMED], *rest]) or "nothing else"


def named(row: Row, *sorts: str) -> list[str]:
    """Return the members of these sorts."""
    return [member for member in row["members"] if member.split(":", 1)[0] in sorts]


def utc(utc_us: int) -> str:
    """Return a time for people."""
    return f"{datetime.fromtimestamp(utc_us / 1e6, UTC):%Y-%m-%d %H:%M:%S}"


def _acts(row: Row) -> list[str]:
    return [
        f"{act['instance']}/{act['key']} {DID.get(act['kind'], act['kind'])} by {act['by']}, {utc(act['at_utc_us'])}"
        + (f": {act['reason']}" if act["reason"] else "")
        for act in row["acts"]
    ]
