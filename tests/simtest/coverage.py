"""Which transitions of which machine were taken, and which ones a long run has to take."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

Transition = tuple[str, str, str]
_BOTH_WAYS = (("False", "True"), ("True", "False"))
_TASK_AT_EDGE = {
    "new": "dispatched refused expired",
    "dispatched": "accepted done expired unknown",
    "accepted": "acting done failed superseded unknown",
    "acting": "done",
    "done": "observed failed superseded unknown",
    "unknown": "done",
}
_TASK_AT_CITY = {
    "new": "proposed dispatched",
    "proposed": "authorised waiting",
    "waiting": "authorised expired",
    "authorised": "dispatched selected",
    "selected": "dispatched",
    "dispatched": "accepted done observed refused expired superseded unknown",
    "accepted": "acting done failed superseded unknown",
    "acting": "done observed",
    "done": "observed failed superseded unknown",
    "unknown": "done superseded",
}


class Coverage:
    """Counts (machine, from, to)."""

    def __init__(self) -> None:
        self.taken: Counter[Transition] = Counter()
        self._last: dict[str, Any] = {}

    def see(self, who: str, state: Any, machine: str) -> None:
        """Note the present state of one machine."""
        last = self._last.get(who)
        if last != state:
            self._last[who] = state
            self.take(machine, str(last), str(state))

    def take(self, machine: str, before: str, after: str) -> None:
        """Note a transition."""
        self.taken[machine, before, after] += 1


def required() -> list[Transition]:
    """Return every transition that a long run has to take."""
    found: list[Transition] = [
        *(("uplink connected", *pair) for pair in _BOTH_WAYS),
        *(("city session connected", *pair) for pair in _BOTH_WAYS),
        *(("board link mode", *pair) for pair in (("0", "1"), ("1", "0"))),
        *(("board session", *pair) for pair in _SESSION),
        *(("actuator reason", *pair) for pair in _REASON),
        *(("keys", "event", event) for event in _KEYS),
        ("city", "running", "restored"),
        ("alarm", "boot", "began twice"),
        ("epoch at edge", "older", "newer"),
    ]
    for machine, states in (("task at edge", _TASK_AT_EDGE), ("task at city", _TASK_AT_CITY)):
        found += [(machine, before, after) for before, afters in states.items() for after in afters.split()]
    return found


_SESSION = (
    ("down", "up"), ("up", "down"), ("up", "closed"), ("down", "closed"), ("closed", "down"), ("closed", "up"),
)  # fmt: skip
_REASON = (("0", "1"), ("1", "2"), ("2", "1"), ("1", "4"), ("4", "1"), ("1", "5"), ("5", "1"))
_KEYS = ("key_added", "key_first_used", "key_retired", "key_current", "key_revoked", "token_used")


def missing(taken: Mapping[Transition, int]) -> list[Transition]:
    """Return what a run has not taken and has to."""
    return [transition for transition in required() if not taken.get(transition)]


def table(taken: Mapping[Transition, int]) -> str:
    """Return one line per machine: how many of its transitions were taken, and which were not."""
    machines: dict[str, list[Transition]] = {}
    for transition in required():
        machines.setdefault(transition[0], []).append(transition)
    lines = []
    for machine, wanted in machines.items():
        never = [f"{before}->{after}" for _, before, after in missing(taken) if _ == machine]
        lines.append(f"  {machine:24} {len(wanted) - len(never)} of {len(wanted)}  {' '.join(never)}".rstrip())
    return "transitions taken:\n" + "\n".join(lines)
