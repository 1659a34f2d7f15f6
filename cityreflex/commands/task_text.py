"""Tasks and actuators as text of at most 80 columns."""

from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]
SHOWN = 12


def line(row: Row) -> list[str]:
    """Return `5ad01f3c9b12 observed   gate-1/opening 0.5 anna: maintenance`, a long reason on lines of its own."""
    what = f"{row['setpoint']:g}" if row["verb"] == "operate" else row["verb"]
    return [f"{row['id'][:SHOWN]} {row['state']:<10} {row['actuator']} {what} {who(row)}: {row['reason']}"]


def who(row: Row) -> str:
    """Return who stands behind a task: `anna+ben`, or the process."""
    people = [row["person"] or row["instance"], *row["approved"]]
    return "+".join(people)


def outcome(row: Row) -> list[str]:
    """Return what became of a request, and what to do if it waits."""
    short = row["id"][:SHOWN]
    if row["state"] == "waiting":
        return [f"task {short} waits for approval", f"  another person now: city task approve {short}"]
    more = f": {row['text']}" if row["text"] else ""
    return [f"task {short} {row['state']}{more}"]


def taken_back(row: Row) -> list[str]:
    """Return what a cancel led to: a task whose effect was seen stays observed, and only its hold ends."""
    if row["state"] != "observed":
        return outcome(row)
    head = f"task {row['id'][:SHOWN]} taken back: {row['actuator']} is let go"
    return [head, "  that it was observed stays on record"]


def whole(row: Row) -> list[str]:
    """Return a task with all its states, a line each."""
    valid = f"{row['lease_ms'] / 1000:g} s"
    head = [
        f"task      {row['id']}",
        f"what      {row['verb']} {row['actuator']} {row['setpoint']:g} for {valid}",
        f"why       {row['reason']}",
        f"who       {who(row)} ({row['requester']})",
        f"where     {row['edge']}, fence {row['fence']}",
        *([f"signed    {_signer(row)}"] if row.get("signed_by") else []),
    ]
    return [*head, *(_step(step) for step in row["history"])]


def _signer(row: Row) -> str:
    """Return whose signature a task carries that an edge node gave itself."""
    unsigned = row["signed_by"] == "unsigned"
    return "by nobody: only the link vouches for it" if unsigned else f"by {row['edge']}, key {row['signed_by']}"


def _step(step: Row) -> str:
    at = datetime.fromtimestamp(step["utc_us"] / 1e6, UTC)
    code = "" if step["code"] == "ok" else f" {step['code']}"
    text = f": {step['text']}" if step["text"] else ""
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}  {step['state']}{code}{text}"


def actuator(row: Row) -> list[str]:
    """Return `gate-1/opening 0 to 1, safe 0.2, risk high, 2 people, select first: held by anna`."""
    parts = [f"{row['lower']:g} to {row['upper']:g}, safe {row['safe']:g}, risk {row['risk']}"]
    parts += [f"{row['approvals']} people"] if row["approvals"] > 1 else []
    parts += ["select first"] if row["hazardous"] else []
    return [f"{row['actuator']} {', '.join(parts)}", f"  {_state(row)}"]


def _state(row: Row) -> str:
    if not row["online"]:
        return f"{row['edge']} is offline"
    if row["stopped"]:
        return f"STOPPED at {row['edge']}: {row['stopped']}"
    if row["tripped"]:
        return f"TRIPPED: {row['tripped']}"
    at = "at its safe setpoint" if row["setpoint"] is None else f"at {row['setpoint']:g}"
    return f"{at}, held by {row['person'] or row['holder'] or 'nobody'}"
