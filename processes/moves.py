"""The setpoints that decisions lead to, and how those of two runs differ: added, removed, moved in time. Pure."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from processes.dispatch import DEADBAND
from processes.engine import Decision

MAX_MOVES = 100_000


class Move(NamedTuple):
    """A setpoint of a port that is no longer the one before it, from the step at `step_utc_us` on."""

    port: str
    step_utc_us: int
    setpoint: float
    reason: str


class Moves:
    """The moves of one instance, in their order. Renewals of a setpoint that stays are none."""

    def __init__(self) -> None:
        self.made: list[Move] = []
        self._last: dict[str, float] = {}

    def decided(self, decisions: Iterable[Decision]) -> None:
        """Take in what one tick decided: the newest step moves things, if it is no amendment."""
        newest = list(decisions)[-1:]
        for decision in newest:
            for p in decision.outcome.proposals if not decision.amended else ():
                last = self._last.get(p.port)
                if (last is None or abs(p.setpoint - last) > DEADBAND) and len(self.made) < MAX_MOVES:
                    self._last[p.port] = float(p.setpoint)
                    self.made.append(Move(p.port, int(decision.step_utc_us), float(p.setpoint), p.reason))


def compare(before: Iterable[Move], after: Iterable[Move]) -> dict[str, list[dict[str, Any]]]:
    """Return the tasks that are added, removed and moved, and those that stay, as rows by time."""
    found: dict[str, list[dict[str, Any]]] = {"added": [], "removed": [], "moved": [], "same": []}
    old, new = list(before), list(after)
    for port in sorted({move.port for move in (*old, *new)}):
        _compare_port([m for m in old if m.port == port], [m for m in new if m.port == port], found)
    for rows in found.values():
        rows.sort(key=lambda row: row["step_utc_us"])
    return found


def _compare_port(old: list[Move], new: list[Move], found: dict[str, list[dict[str, Any]]]) -> None:
    was_at, now_at = ([round(m.setpoint / DEADBAND) for m in moves] for moves in (old, new))
    matcher = SequenceMatcher(None, was_at, now_at, autojunk=False)
    for what, a, a_end, b, b_end in matcher.get_opcodes():
        if what == "equal":
            for was, now in zip(old[a:a_end], new[b:b_end], strict=True):
                later_s = (now.step_utc_us - was.step_utc_us) / 1e6
                row = {**now._asdict(), "was_utc_us": was.step_utc_us, "later_s": later_s}
                found["moved" if later_s else "same"].append(row)
            continue
        found["removed"] += [move._asdict() for move in old[a:a_end]]
        found["added"] += [move._asdict() for move in new[b:b_end]]
