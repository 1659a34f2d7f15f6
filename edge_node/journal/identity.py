"""Who this start of this node is: numbers that no start used before, not even when the journal is an old copy."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from protocol.frames import boot_text
from protocol.ranges import Span

from ..boards.commands import BLOCK
from . import rows
from .start_file import Started

COPY_MARGIN = 100 * BLOCK
"""Command counters that a start may have reserved after it was noted: more than a year of commands."""


@dataclass(frozen=True)
class Identity:
    """This start of this node: boot id, how many starts there were, command counters it may use.

    `copied` says to people that the journal is an older copy, and what follows; "" if it is not.
    """

    boot: str
    starts: int
    counters: Span
    started: Started
    copied: str = ""


def identify(
    c: sqlite3.Connection, least_counter: int, random_bits: Callable[[int], int], known: Started | None
) -> Identity:
    """Reserve the numbers of a start. `known`: the newest start that is noted beside the journal."""
    fresh = rows.fixed(c, "incarnation", "") == ""
    if fresh:
        rows.set_meta(c, "incarnation", str(random_bits(32)))
    incarnation = int(rows.fixed(c, "incarnation", ""))
    starts = rows.reserve(c, "boot", 1)
    copied = ""
    if known is not None and (known.incarnation != incarnation or known.starts >= starts):
        what = "there was no journal" if fresh else "this journal is an older copy, or another node's"
        copied = f"{what}: it knows {starts - 1} starts, {known.starts} are noted beside it; a new incarnation began"
        incarnation = random_bits(32)
        rows.set_meta(c, "incarnation", str(incarnation))
        starts = rows.reserve(c, "boot", 1, max(starts, known.starts) + 1)
        least_counter = max(least_counter, known.commands + COPY_MARGIN)
    first = rows.reserve(c, "commands", BLOCK, least_counter)
    boot = boot_text(incarnation.to_bytes(4, "little") + starts.to_bytes(4, "little"))
    started = Started(incarnation, starts, first + BLOCK)
    return Identity(boot, starts, (first, first + BLOCK), started, "" if fresh and not known else copied)
