"""What changed between two books, for those who have to be told."""

from typing import NamedTuple

from processes.alarms import table
from processes.alarms.standing import Book, Standing

_ENTERED = {table.SHELVED: "shelved", table.SUPPRESSED: "suppressed", table.OUT: "removed"}
_LEFT = {table.SHELVED: "unshelved", table.SUPPRESSED: "unsuppressed", table.OUT: "restored"}


class AlarmEvent(NamedTuple):
    """A change that people are told of.

    kind: raised, returned, acknowledged; shelved, unshelved; suppressed, unsuppressed; removed, restored (service).
    """

    key: str
    kind: str
    severity: int
    probability: float
    at_utc_us: int


def changes(before: Book, after: Book) -> tuple[AlarmEvent, ...]:
    """Return what changed between two books, by key."""
    events: list[AlarmEvent] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, Standing(key)), after.get(key)
        now = new if new is not None else old._replace(state=table.NORMAL)
        events += [_event(kind, now) for kind in _kinds(old, now)]
    return tuple(events)


def _kinds(old: Standing, new: Standing) -> list[str]:
    kinds = [_LEFT[old.state]] if old.state in _LEFT and old.state != new.state else []
    if new.state in _ENTERED:
        return [*kinds, _ENTERED[new.state]] if new.state != old.state else kinds
    was, now, again = old.state in table.ACTIVE, new.state in table.ACTIVE, old.raised_utc_us != new.raised_utc_us
    blip = new.state == table.RETURNED and again
    kinds += ["raised"] if (now and (not was or again)) or blip else []
    kinds += ["acknowledged"] if _is_seen(old, new) else []
    kinds += ["returned"] if (was and not now) or blip else []
    return kinds


def _is_seen(old: Standing, new: Standing) -> bool:
    waited = old.state in (table.UNACK, table.RETURNED) and new.state in (table.ACK, table.NORMAL)
    return waited and new.acked_utc_us is not None and new.acked_utc_us != old.acked_utc_us


def _event(kind: str, row: Standing) -> AlarmEvent:
    at = {"returned": row.returned_utc_us, "acknowledged": row.acked_utc_us}.get(kind)
    if kind == "shelved" and row.shelf is not None:
        at = row.shelf.since_utc_us
    return AlarmEvent(row.key, kind, row.severity, row.probability, row.raised_utc_us if at is None else at)
