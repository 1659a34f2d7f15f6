"""How one alarm stands, and all of one process: plain values that a snapshot keeps."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from processes.alarms import table
from processes.contract import AlarmRule


class Shelf(NamedTuple):
    """Who silenced an alarm, when, until when and why; event time in microseconds."""

    since_utc_us: int
    until_utc_us: int
    by: str
    reason: str


class Standing(NamedTuple):
    """One alarm.

    `condition` is what the template says after hysteresis, since `since_utc_us`; `holds` is that after the delays.
    `raises`: the newest times it was raised, for chattering.
    """

    key: str
    severity: int = 0
    probability: float = 0.0
    state: str = table.NORMAL
    raised_utc_us: int = 0
    returned_utc_us: int | None = None
    acked_utc_us: int | None = None
    acked_by: str = ""
    shelf: Shelf | None = None
    condition: bool = False
    since_utc_us: int = 0
    holds: bool = False
    raises: tuple[int, ...] = ()

    def after(self, event: str) -> "Standing":
        """Return the alarm after an event of the table; as it is if the table has no such row."""
        then = table.follow(self.state, event, self.holds)
        return self if then is None else self._replace(state=then, shelf=self.shelf if then == table.SHELVED else None)

    def chatters(self, rule: AlarmRule, now_utc_us: int) -> bool:
        """Return whether it was raised `chatter_n` times within the last `chatter_s`."""
        recent = [t for t in self.raises if now_utc_us - t < rule.chatter_s * 1e6]
        return len(recent) >= rule.chatter_n

    def stands(self, rule: AlarmRule, now_utc_us: int) -> bool:
        """Return whether it has been active for `standing_s` or longer."""
        return self.state in table.ACTIVE and now_utc_us - self.raised_utc_us >= rule.standing_s * 1e6


Book = Mapping[str, Standing]
Rules = Mapping[str, AlarmRule]
DEFAULT = AlarmRule()


def alarm_row(standing: Standing, rule: AlarmRule, now_utc_us: int) -> dict[str, Any]:
    """Return one alarm for people and other machines: JSON."""
    return {
        "key": standing.key,
        "state": standing.state,
        "severity": standing.severity,
        "probability": standing.probability,
        "text": rule.text,
        "raised_utc_us": standing.raised_utc_us,
        "returned_utc_us": standing.returned_utc_us,
        "acked_utc_us": standing.acked_utc_us,
        "acked_by": standing.acked_by,
        "shelf": standing.shelf._asdict() if standing.shelf else None,
        "shelve_max_s": rule.shelve_max_s,
        "out_of_service": rule.out_of_service,
        "suppressed_by": list(rule.suppressed_by),
        "holds": standing.holds,
        "chattering": standing.chatters(rule, now_utc_us),
        "standing": standing.stands(rule, now_utc_us),
    }
