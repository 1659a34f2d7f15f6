"""One cause, one incident: when each cause began and ended, and all that it takes along. Sans-IO."""

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

MAX_KNOWN = 500
MAX_MEMBERS = 500
REOPEN_US = 60_000_000


class Cause(NamedTuple):
    """Something that is broken now: its sort, where, in words, since when (event time), and all that it takes along."""

    kind: str
    place: str
    text: str
    since_utc_us: int
    members: frozenset[str] = frozenset()


class Incident(NamedTuple):
    """The time of one cause; `members` are all that it took along, `times` how often it came back within a minute."""

    id: str
    kind: str
    place: str
    text: str
    begin_utc_us: int
    end_utc_us: int | None
    members: tuple[str, ...]
    times: int = 1

    def row(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**self._asdict(), "members": list(self.members)}


class Incidents:
    """The newest incidents by id, and which changed since they were last saved."""

    def __init__(self, known: Iterable[Incident] = ()) -> None:
        self.by_id = {incident.id: incident for incident in known}
        self._changed: dict[str, Incident] = {}

    def open(self) -> list[Incident]:
        """Return those that have not ended, oldest first."""
        found = [incident for incident in self.by_id.values() if incident.end_utc_us is None]
        return sorted(found, key=lambda incident: (incident.begin_utc_us, incident.id))

    def look(self, causes: Iterable[Cause], unseen: Iterable[tuple[str, str]], now_utc_us: int) -> None:
        """Begin, go on with and end incidents; of (kind, place) in `unseen` nothing is known, they stay as they are."""
        present = {(cause.kind, cause.place): cause for cause in causes}
        kept = set(unseen)
        mine = {(incident.kind, incident.place): incident for incident in self.open()}
        for name, incident in mine.items():
            if name not in present and name not in kept:
                self._put(incident._replace(end_utc_us=max(now_utc_us, incident.begin_utc_us)))
        for name, cause in present.items():
            old = mine.get(name) or self._recent(name, now_utc_us)
            self._put(_begun(cause, now_utc_us) if old is None else _gone_on(old, cause))
        self._forget()

    def of_member(self, member: str) -> Incident | None:
        """Return the open incident that took this along, the oldest if there are several."""
        return next((incident for incident in self.open() if member in incident.members), None)

    def take_changed(self) -> list[Incident]:
        """Return what is to be saved; `unsaved` takes it back if it could not be."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def unsaved(self, changed: Iterable[Incident]) -> None:
        """What was taken could not be saved."""
        self._changed = {incident.id: incident for incident in changed} | self._changed

    def _recent(self, name: tuple[str, str], now_utc_us: int) -> Incident | None:
        """Return the incident of a cause that ended less than a minute ago: it is the same one again."""
        ended = [i for i in self.by_id.values() if (i.kind, i.place) == name and i.end_utc_us is not None]
        newest = max(ended, key=lambda incident: incident.end_utc_us or 0, default=None)
        if newest is None or now_utc_us - (newest.end_utc_us or 0) > REOPEN_US:
            return None
        return newest._replace(end_utc_us=None, times=newest.times + 1)

    def _put(self, incident: Incident) -> None:
        if self.by_id.get(incident.id) != incident:
            self.by_id[incident.id] = self._changed[incident.id] = incident

    def _forget(self) -> None:
        ended = sorted((i for i in self.by_id.values() if i.end_utc_us is not None), key=lambda i: i.end_utc_us or 0)
        for incident in ended[: max(0, len(self.by_id) - MAX_KNOWN)]:
            del self.by_id[incident.id]


def _begun(cause: Cause, now_utc_us: int) -> Incident:
    begin = min(cause.since_utc_us, now_utc_us)
    name = hashlib.blake2b(f"{cause.kind} {cause.place} {begin}".encode(), digest_size=6).hexdigest()
    return Incident(name, cause.kind, cause.place, cause.text, begin, None, _bounded(cause.members))


def _gone_on(incident: Incident, cause: Cause) -> Incident:
    return incident._replace(text=cause.text, members=_bounded(cause.members | set(incident.members)))


def _bounded(members: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(members)[:MAX_MEMBERS])
