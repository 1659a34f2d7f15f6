"""The audit log as lines for people."""

from datetime import UTC, datetime
from typing import Any

from cityreflex.commands.terminal import harmless
from service.audit_heads import RECEIVED

_SHOWN = {"n", "utc_us", "event", "who", "prev"}


def line(row: dict[str, Any]) -> str:
    """Return one line: when, number, what, who, and the rest by name."""
    at = moment(row.get("utc_us", 0))
    rest = " ".join(f"{name}={value}" for name, value in row.items() if name not in _SHOWN and value != "")
    text = f"{at} {row['n']:>6} {row.get('event', '?')} {row.get('who', '-')}{': ' if rest else ''}{rest}"
    return str(harmless(text))


def moment(utc_us: Any) -> str:
    """Return a time in UTC to the second."""
    try:
        return f"{datetime.fromtimestamp(int(utc_us) / 1e6, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError, TypeError):
        return "?" * 19


def verdict(found: dict[str, Any]) -> str:
    """Return what is told of a log that is whole."""
    told = [f"{found['name']}: whole, {found['lines']:,} lines ({found['first']} to {found['last']})"]
    if found["unchained"]:
        text = "lines of a release without a chain, which nobody vouches for"
        told.append(f"  before them {found['unchained']:,} {text}")
    if found["torn"]:
        told.append(f"  {found['torn']} lines were torn by power cuts, and the line after each says so")
    told.append(f"  {found['heads']} signed heads agree, key {found['key'] or 'none yet'}")
    if found["newest_head"]:
        head = found["newest_head"]
        told.append(f"  the newest is of line {head['n']}, {moment(head['utc_us'])} UTC, kept in {found['newest_in']}")
    if not found["asked"]:
        told.append("  the city did not answer: nodes that keep heads of its log were not asked what they have")
    if not found["witnessed"]:
        told.append("  no head is kept elsewhere: who can write all files could roll it back; see [audit] witness")
    return str("\n".join(harmless(text) for text in told))


def heads(rows: list[dict[str, Any]]) -> str:
    """Return what is kept of others' logs, one line a head, oldest first."""
    if not rows:
        return "no heads of other logs are kept here yet: they come once the city link is up, then each minute"
    told = [
        f"{row['name']}: line {row['n']}, signed {moment(row['utc_us'])} UTC, received {moment(row[RECEIVED])} UTC, "
        f"key {row['key'][:16]}..." for row in rows
    ]  # fmt: skip
    return str("\n".join(harmless(text) for text in told))
