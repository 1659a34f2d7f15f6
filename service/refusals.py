"""The one place where a service counts what it refuses: by reason, and by whom. Sans-IO.

    refused.note("unsigned", "city", "signature is wrong", now_us)
    audit.note(refused.take_lines(now_us))     # the shell, a few times a second
    log(refused.take_news(now_us))             # as often

A refusal is what a stranger can cause as often as he likes. So rows are bounded, and of a row that keeps growing
the first case is told at once and then what came in between: to the service's log each hour, to the audit log after
ten seconds, then after twice the time before, up to an hour.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

MAX_ROWS = 256
MAX_SHOWN = 50
AGAIN_US = 10_000_000
HOUR_US = 3_600_000_000
MAX_TEXT = 200
OTHERS = "others"


@dataclass
class Told:
    """How many refusals of a row one log has heard of, when, and how long it then waits, at first `first_us`."""

    first_us: int
    count: int = 0
    at_us: int = 0
    wait_us: int = 0

    def due(self, count: int, now_us: int, last: bool = False) -> bool:
        """Return whether the log has to hear now, or at the `last` chance, that there are `count`."""
        return count > self.count and (last or not self.count or now_us - self.at_us >= self.wait_us)

    def tell(self, count: int, now_us: int) -> int:
        """Return how many are new; the next wait is longer, unless nothing came for hours."""
        new, self.count = count - self.count, count
        quiet = not self.wait_us or now_us - self.at_us >= 2 * HOUR_US
        self.wait_us = self.first_us if quiet else min(HOUR_US, 2 * self.wait_us)
        self.at_us = now_us
        return new


@dataclass
class Row:
    """One reason and one sender. Times are boottime µs of this service."""

    count: int = 0
    first_us: int = 0
    last_us: int = 0
    text: str = ""
    audit: Told = field(default_factory=lambda: Told(AGAIN_US))
    log: Told = field(default_factory=lambda: Told(HOUR_US))


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

    def take_lines(self, now_us: int, *, last: bool = False) -> list[dict[str, Any]]:
        """Return what the audit log has to hear now, `last`: before the end; each refusal is in exactly one line."""
        due = [(key, row) for key, row in self.rows.items() if row.audit.due(row.count, now_us, last)]
        return [{"event": "refused", **_line(key, row, row.audit.tell(row.count, now_us))} for key, row in due]

    def take_news(self, now_us: int) -> list[dict[str, Any]]:
        """Return what the service's log has to hear now: the first of its kind, then each hour how many more."""
        due = [(key, row) for key, row in self.rows.items() if row.log.due(row.count, now_us)]
        return [_line(key, row, row.log.tell(row.count, now_us)) for key, row in due]

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


def _line(key: tuple[str, str], row: Row, new: int) -> dict[str, Any]:
    return {"reason": key[0], "who": key[1], "count": new, "text": row.text}
