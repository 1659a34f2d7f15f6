"""The life of an alarm, a small subset of ISA-18.2.

A process says whether a condition holds (with its own hysteresis); here it becomes raised, acknowledged,
returned. States: `unack` (holds, nobody saw it), `ack` (holds, seen), `returned` (gone, nobody saw it);
gone and seen means normal, which is not kept.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from processes.contract import Alarm


class Standing(NamedTuple):
    """One alarm that is not normal."""

    key: str
    severity: int
    probability: float
    raised_utc_us: int
    returned_utc_us: int | None
    acked: bool

    @property
    def state(self) -> Literal["unack", "ack", "returned"]:
        """Return the ISA-18.2 state."""
        if self.returned_utc_us is not None:
            return "returned"
        return "ack" if self.acked else "unack"


class AlarmEvent(NamedTuple):
    """A change that people are told of."""

    key: str
    kind: Literal["raised", "returned"]
    severity: int
    probability: float
    at_utc_us: int


Book = Mapping[str, Standing]


def after_step(book: Book, alarms: Iterable[Alarm], step_utc_us: int, acks: Mapping[str, int]) -> Book:
    """Return the book after a step in which `alarms` hold. acks: key -> time of its last acknowledgement."""
    holding = {alarm.key: alarm for alarm in alarms}
    new = {key: _hold(book.get(key), alarm, step_utc_us) for key, alarm in holding.items()}
    for key, standing in book.items():
        if key not in new:
            gone = standing.returned_utc_us
            new[key] = standing._replace(returned_utc_us=step_utc_us if gone is None else gone)
    return with_acks(new, acks)


def _hold(old: Standing | None, alarm: Alarm, step_utc_us: int) -> Standing:
    holds = old is not None and old.returned_utc_us is None
    raised = old.raised_utc_us if old is not None and holds else step_utc_us
    return Standing(alarm.key, alarm.severity, alarm.probability, raised, None, False)


def with_acks(book: Book, acks: Mapping[str, int]) -> Book:
    """Return the book with acknowledgements applied: an ack covers what was raised up to its time."""
    marked = [
        s._replace(acked=acks.get(s.key, s.raised_utc_us - 1) >= s.raised_utc_us) for s in book.values()
    ]
    return {s.key: s for s in marked if not (s.acked and s.returned_utc_us is not None)}


def changes(before: Book, after: Book) -> tuple[AlarmEvent, ...]:
    """Return what was raised and what returned between two books, by key."""
    events: list[AlarmEvent] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if new is not None and (old is None or (old.returned_utc_us is not None and _holds(new))):
            events.append(AlarmEvent(key, "raised", new.severity, new.probability, new.raised_utc_us))
        if new is not None and not _holds(new) and (old is None or _holds(old)):
            events.append(
                AlarmEvent(key, "returned", new.severity, new.probability, new.returned_utc_us or 0)
            )
        if new is None and old is not None and _holds(old):
            events.append(AlarmEvent(key, "returned", old.severity, old.probability, old.raised_utc_us))
    return tuple(events)


def _holds(standing: Standing) -> bool:
    return standing.returned_utc_us is None
