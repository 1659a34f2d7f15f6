"""What people did to alarms: kept, given to the engine, told to the edge nodes that run the process. Sans-IO."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from processes.alarms.actions import Action
from protocol.city_link import AlarmAct

from ..link.sessions import Session

MAX_ACTS = 256


class Act(NamedTuple):
    """An act of a person on an alarm of one instance."""

    instance: str
    action: Action

    def message(self) -> AlarmAct:
        """Return it for an edge node."""
        act = self.action
        return AlarmAct(
            act.id, self.instance, act.kind, act.key, act.at_utc_us, act.until_utc_us, act.by[:64], act.reason[:200]
        )


class Acts:
    """The newest acts, and which connection of an edge node has been told of which."""

    def __init__(self, acts: Iterable[Act] = ()) -> None:
        self.newest = list(acts)[-MAX_ACTS:]
        self._told: dict[tuple[str, bytes], set[str]] = {}

    def add(self, act: Act) -> None:
        """Take one in that is durable."""
        self.newest = [*self.newest, act][-MAX_ACTS:]

    def due(self, connected: Iterable[Session]) -> list[tuple[str, AlarmAct]]:
        """Return what to send now: each act once per connection, to nodes whose health names the instance."""
        if not self.newest:
            return []
        sends: list[tuple[str, AlarmAct]] = []
        told: dict[tuple[str, bytes], set[str]] = {}
        for session in connected:
            name = session.edge, session.routing_id
            told[name] = known = self._told.get(name, set())
            runs = running(session)
            news = [act for act in self.newest if act.action.id not in known and act.instance in runs]
            sends += [(session.edge, act.message()) for act in news]
            known |= {act.action.id for act in news}
        self._told = told
        return sends


def running(session: Session) -> Mapping[str, Mapping[str, Any]]:
    """Return the processes that an edge node says it runs, each with its health."""
    rows = session.health.get("processes")
    maps = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    return {row["instance"]: row for row in maps if isinstance(row.get("instance"), str)}
