"""The one place where a service counts what it refuses: by reason, and by whom. Sans-IO.

    refused.note("unsigned", "city", "signature is wrong", now_us)
    audit.note(refused.take_lines(now_us))     # the shell, a few times a second

A refusal is what a stranger can cause as often as he likes. So rows are bounded, and of a row that keeps growing
the audit log gets the first case at once and then one line each ten seconds with what came in between.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

MAX_ROWS = 256
MAX_SHOWN = 50
AGAIN_US = 10_000_000
MAX_TEXT = 200
OTHERS = "others"


@dataclass
class Row:
    """One reason and one sender. Times are boottime µs of this service; `told` of `count` are in the audit log."""

    count: int = 0
    first_us: int = 0
    last_us: int = 0
    text: str = ""
    told: int = 0
    told_us: int = 0


class Refusals(Counter[str]):
    """Counts by reason, as a Counter; `rows` tells also who was refused, when last, and why."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[tuple[str, str], Row] = {}

    def note(self, reason: str, who: str, text: str, now_us: int, count: int = 1) -> None:
        """Count `count` refusals of `who`; more senders than MAX_ROWS share the row of the others."""
        self[reason] += count
        key = (reason, who)
        if key not in self.rows and len(self.rows) >= MAX_ROWS:
            key = (reason, OTHERS)
        row = self.rows.setdefault(key, Row(first_us=now_us))
        row.count, row.last_us, row.text = row.count + count, now_us, text[:MAX_TEXT]

    def take_lines(self, now_us: int) -> list[dict[str, Any]]:
        """Return what the audit log has to hear now; each refusal is counted in exactly one line."""
        lines = []
        for (reason, who), row in self.rows.items():
            if row.count == row.told or (row.told and now_us - row.told_us < AGAIN_US):
                continue
            lines.append(
                {"event": "refused", "reason": reason, "who": who, "count": row.count - row.told, "text": row.text}
            )
            row.told, row.told_us = row.count, now_us
        return lines

    def table(self, now_us: int, utc_us: int, most: int = MAX_SHOWN) -> list[dict[str, Any]]:
        """Return up to `most` rows for people, newest first; `utc_us` is the wall clock at `now_us`."""
        newest = sorted(self.rows.items(), key=lambda item: -item[1].last_us)[:most]
        return [
            {
                "reason": reason, "who": who, "count": row.count, "text": row.text,
                "age_s": round((now_us - row.last_us) / 1e6, 1), "last_utc_us": utc_us - (now_us - row.last_us),
            }
            for (reason, who), row in newest
        ]  # fmt: skip
