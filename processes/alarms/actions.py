"""What people did to alarms: recorded inputs with a place in event time, so that a rewind or a replay repeats them."""

from typing import Literal, NamedTuple

MAX_ACTIONS = 1024
Kind = Literal["ack", "shelve", "unshelve"]
KINDS: tuple[Kind, ...] = ("ack", "shelve", "unshelve")


class Action(NamedTuple):
    """One act of a person: `id` is unique, `until_utc_us` the end of a shelf (0 of other kinds)."""

    id: str
    kind: Kind
    key: str
    at_utc_us: int
    until_utc_us: int
    by: str
    reason: str


class Actions:
    """The acts that may have to be repeated, by place. One that is told twice counts once."""

    def __init__(self) -> None:
        self.placed: list[tuple[int, Action]] = []
        self.known: dict[str, None] = {}

    def record(self, action: Action, horizon_utc_us: int) -> int | None:
        """Return the place that an act gets: its time, or just after the horizon; None: it is known already."""
        if action.id in self.known:
            return None
        self.known[action.id] = None
        place = max(action.at_utc_us, horizon_utc_us + 1)
        self.placed = sorted([*self.placed, (place, action)])[-MAX_ACTIONS:]
        while len(self.known) > MAX_ACTIONS:
            del self.known[next(iter(self.known))]
        return place

    def between(self, after_utc_us: int, upto_utc_us: int) -> list[tuple[int, Action]]:
        """Return what has its place in (after, upto], in order."""
        return [(place, action) for place, action in self.placed if after_utc_us < place <= upto_utc_us]

    def forget(self, upto_utc_us: int) -> None:
        """Drop the acts that no rewind can reach; their ids stay known."""
        self.placed = [(place, action) for place, action in self.placed if place > upto_utc_us]

    @property
    def last_utc_us(self) -> int:
        """The place of the newest act, 0 if there is none."""
        return self.placed[-1][0] if self.placed else 0
