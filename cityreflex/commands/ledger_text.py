"""What `city ledger` prints: plain text of at most 80 columns, alike on a terminal and in a pipe."""

from datetime import UTC, datetime
from typing import Any

from cityreflex.commands.terminal import WIDTH, wrapped

COLUMNS = ("sent", "stored", "buffered", "declared_lost", "quarantined", "unexplained")
HEADS = ("sent", "stored", "buffered", "lost", "set aside", "unexpl.")
MAX_LINES = 50


def balance(found: dict[str, Any]) -> str:
    """Return the balance as a table, then one line for each stream that somebody has to look at."""
    rows = found["accounts"]
    lines = table([*rows, {"thing": "total", "boot": "", **found["totals"]}])
    for row in rows:
        lines += _troubles(row)
    lines += [_silent(edge, found) for edge in sorted({r["edge"] for r in rows if r.get("offline_since")})]
    lines += [_conflict(row) for row in found["conflicts"][:MAX_LINES]]
    lines.append(_verdict(found))
    return wrapped(lines)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of a table that fits: where counts are long, without separators, then rounded."""
    for style in ("{:,}", "{}", None):
        cells = [[row["thing"], row["boot"], *(_count(row[name], style) for name in COLUMNS)] for row in rows]
        whole = [["thing", "boot", *HEADS], *cells]
        widths = [max(len(row[at]) for row in whole) for at in range(len(whole[0]))]
        if sum(widths) + len(widths) - 1 <= WIDTH or style is None:
            break
    return [_line(row, widths) for row in whole]


def _line(cells: list[str], widths: list[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
    right = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return " ".join([*left, *right]).rstrip()


def _count(n: int, style: str | None) -> str:
    if style is not None:
        return style.format(n)
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if n >= size:
            return f"{n / size:.1f}{letter}" if letter != "k" else f"{n // 1000}k"
    return str(n)


def _troubles(row: dict[str, Any]) -> list[str]:
    spans = row.get("unexplained_ranges", [])
    since = f" since {row['unexplained_since']}" if row.get("unexplained_since") else ""
    lines = [f"! {row['thing']} {row['boot']}: samples {_span(*span)} unexplained{since}" for span in spans[:MAX_LINES]]
    more = [f"! {row['thing']} {row['boot']}: and {len(spans) - MAX_LINES} more ranges"]
    return lines + (more if len(spans) > MAX_LINES else [])


def _silent(edge: str, found: dict[str, Any]) -> str:
    mine = [row for row in found["accounts"] if row["edge"] == edge]
    reported = max(row["reported"] or "" for row in mine)
    return f"! {edge} offline since {mine[0]['offline_since']}; what it accounts for is as of {reported or 'never'}"


def _conflict(row: dict[str, Any]) -> str:
    return f"! {row['thing']} {row['boot']}: samples {_span(row['first'], row['end'])} came twice with other content"


def _verdict(found: dict[str, Any]) -> str:
    unexplained = found["totals"]["unexplained"]
    if unexplained:
        worst = max(found["accounts"], key=lambda row: row["unexplained"])
        return f"{unexplained:,} samples are unexplained: city ledger --explain {worst['thing']}"
    if found["conflicts"]:
        return f"balanced, but samples contradict: city ledger --explain {found['conflicts'][0]['thing']}"
    return "balanced: every sample is accounted for"


def explanation(found: dict[str, Any]) -> str:
    """Return why samples of one Thing are missing, and what to check."""
    lines = table(found["accounts"]) if found["accounts"] else [f"{found['thing']}: no samples yet"]
    for row in found["accounts"]:
        lines.append(
            f"{row['boot']}: {row['state']} since {row['since']}; edge node {row['edge'] or '-'}, "
            f"last account {row['reported'] or 'never'}"
        )
    lines += [line for gap in found["gaps"][:MAX_LINES] for line in _gap(gap)]
    lines += [f"quarantined {_at(row)} at the {row['where']}: {row['words']}" for row in found["quarantined"]]
    for row in found["unexplained"][:MAX_LINES]:
        lines += [f"! unexplained {_at(row)}{_since(row['since_utc_us'])}", f"    likely: {row['likely']}",
                  f"    check: {row['check']}"]  # fmt: skip
    lines += [line for row in found["conflicts"][:MAX_LINES] for line in _contradiction(row)]
    return wrapped(lines)


def _gap(gap: dict[str, Any]) -> list[str]:
    by = f"gap {gap['gap_id']}, declared by {gap['declared_by']}"
    return [f"lost {_at(gap)}: {gap['cause']} ({by}{_since(gap['known_utc_us'], ', known since')})",
            f"    {gap['words']}"]  # fmt: skip


def _contradiction(row: dict[str, Any]) -> list[str]:
    what = f"samples {_span(row['first'], row['end'])} of {row['boot']} came twice with different content"
    if row["seen_utc_us"] is not None:
        seen = _since(row["seen_utc_us"], "")
        return [f"{what}{_since(row['known_utc_us'], ', ')}; seen{seen}: {row['seen_reason']}"]
    return [f"! {what}{_since(row['known_utc_us'], ', ')}",
            "    What came first is stored, the other is in quarantine. Were sample numbers used twice (an old copy"
            " of the board's state.json, a restored edge journal)? When that is settled:"
            " city ledger --acknowledge REASON"]  # fmt: skip


def acknowledged(done: dict[str, Any]) -> str:
    """Return what was acknowledged, and by whom."""
    return "\n".join(f"{part}: {n} contradicting ranges acknowledged" for part, n in done.items())


def _at(row: dict[str, Any]) -> str:
    return f"{row['boot']} samples {_span(row['first'], row['end'])} ({row['count']:,})"


def _span(first: int, end: int) -> str:
    return str(first) if end == first + 1 else f"{first} to {end - 1}"


def _since(utc_us: int | None, before: str = " since") -> str:
    if not utc_us:
        return ""
    return f"{before} {datetime.fromtimestamp(utc_us / 1e6, UTC):%Y-%m-%dT%H:%M:%SZ}"
