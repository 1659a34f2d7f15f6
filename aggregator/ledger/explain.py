"""`city ledger --explain`: one Thing's balance in words; why samples are missing, and what to check."""

import sqlite3
from typing import Any

from . import rows as ledger_rows

MAX_ROWS = 200
CAUSES = {
    "overflow": "the board's memory was full: it was without its edge node for longer than it can keep samples",
    "power": "the board lost power, or restarted, before it had noted how far it had counted; at most 60 s of samples,"
    " and numbers that were set aside and perhaps never used",
    "quota": "the edge node's disk quota was reached while the city was away, and its policy is to drop the oldest",
    "restore": "the city was restored from an older backup, and the edge node no longer had these samples",
    "damage": "the edge node's journal was damaged on disk",
}
ASIDE = "set aside because its checksum was wrong: a damaged disk, or a crash while it was written"


def words(cause: str) -> str:
    """Return what a cause of loss means; a cause of a later version stands for itself."""
    return CAUSES.get(cause, f"{cause!r}, a cause that this release does not know")


def explain(thing: str, rows: list[dict[str, Any]], connection: sqlite3.Connection) -> dict[str, Any]:
    """Return what is known of the missing samples of a Thing, whose ledger rows are given."""
    gaps = [{**gap, "count": gap["end"] - gap["first"], "words": words(gap["cause"])}
            for gap in ledger_rows.gaps_of(connection, thing, MAX_ROWS)]  # fmt: skip
    return {
        "thing": thing,
        "accounts": rows,
        "gaps": gaps,
        "quarantined": [
            {"boot": boot, "first": first, "end": end, "count": end - first, "where": "city", "words": ASIDE}
            for boot, first, end in ledger_rows.quarantined_of(connection, thing)
        ],
        "unexplained": [_unexplained(row, span, rows) for row in rows for span in row["unexplained_ranges"]],
        "conflicts": ledger_rows.conflicts_of(connection, thing, MAX_ROWS),
    }


def _unexplained(row: dict[str, Any], span: list[int], rows: list[dict[str, Any]]) -> dict[str, Any]:
    reason, check = _likely(row, span, _newest_boot(rows))
    return {
        "boot": row["boot"], "first": span[0], "end": span[1], "count": span[1] - span[0],
        "since_utc_us": row["unexplained_since_utc_us"], "likely": reason, "check": check,
    }  # fmt: skip


def _likely(row: dict[str, Any], span: list[int], newest: str) -> tuple[str, str]:
    """Return (likely reason, what to check) of samples that nobody has and nobody declared lost."""
    edge = row["edge"] or "its edge node"
    if row["edge"] is None:
        return (
            "no edge node accounts for this stream any more",
            "which edge node had this board, and was its data folder deleted or replaced?",
        )
    if row["offline_since_utc_us"] is not None:
        return (
            f"{edge} is silent, and its last account did not list them",
            f"bring {edge} back: it may still have them; if its data folder is gone, so are they",
        )
    if row["boot"] != newest and span[1] >= row["sent"]:
        return (
            "the board restarted before they were read, and has not declared them: it was erased, or swapped",
            f"was {row['thing']} flashed, erased or swapped then? Its state.json would have told",
        )
    return (
        f"{edge} had taken them over or heard of them, and neither has them nor knows who lost them",
        f"was the data folder of {edge} deleted, or an old copy of it or of the board's state.json put back?",
    )


def _newest_boot(rows: list[dict[str, Any]]) -> str:
    newest = max(rows, key=lambda row: (row["reported_utc_us"] or 0, _count(row["boot"])))
    return str(newest["boot"])


def _count(boot: str) -> int:
    tail = boot.rpartition("-")[2]
    return int(tail) if tail.isdigit() else 0

