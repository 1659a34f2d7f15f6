"""Alarms of all processes as rows for people: the city's own, and those that edge nodes run alone."""

from collections.abc import Mapping
from typing import Any

from processes.alarms.actions import Action
from processes.alarms.refusals import refusal
from processes.alarms.standing import Standing
from processes.alarms.table import STATES
from processes.contract import AlarmRule

from ..city import City
from .acts import running

Row = dict[str, Any]
_SHELF = {"since_utc_us": int, "until_utc_us": int, "by": str, "reason": str}
_FIELDS: dict[str, tuple[type, ...]] = {
    "key": (str,), "state": (str,), "severity": (int,), "probability": (int, float), "holds": (bool,),
    "raised_utc_us": (int,), "shelve_max_s": (int, float),
}  # fmt: skip


def rows(city: City) -> list[Row]:
    """Return every alarm that is not normal: the city's view of a process that runs at both, else the edge node's."""
    found = [{"instance": row["instance"], "where": "city", "edges": edges_of(city, row["instance"]), **alarm}
             for row in city.host.engine.health() for alarm in row["alarms"]]  # fmt: skip
    for edge, instance, health in _edge_only(city):
        alarms = health.get("alarms")
        said = [row for row in alarms if _is_alarm(row)] if isinstance(alarms, list) else []
        found += [{"instance": instance, "where": edge, "edges": [edge], **_known(row)} for row in said]
    for row in found:
        incident = city.incidents.of_member(f"alarm:{row['instance']}/{row['key']}")
        row["incident"] = incident.id if incident else None
    return sorted(found, key=lambda row: (-row["severity"], row["raised_utc_us"], row["instance"], row["key"]))


def edges_of(city: City, instance: str) -> list[str]:
    """Return the edge nodes that say they run this instance."""
    return sorted(s.edge for s in city.sessions.by_edge.values() if instance in running(s))


def refused(city: City, instance: str, action: Action) -> tuple[str, str]:
    """Return (code, text) why this may not be done to an alarm now, ("", "") if it may."""
    if instance in city.host.engine.runners:
        return city.host.engine.refusal(instance, action)
    mine = [row for row in rows(city) if row["instance"] == instance]
    if not mine and not edges_of(city, instance):
        return city.host.engine.refusal(instance, action)
    book = {row["key"]: Standing(row["key"], state=row["state"], holds=row["holds"]) for row in mine}
    return refusal(action, book, {row["key"]: AlarmRule(shelve_max_s=row["shelve_max_s"]) for row in mine})


def things_of(city: City, instance: str) -> list[str]:
    """Return the Things that decide who may touch its alarms: its actuators', else its senses', else its edge nodes."""
    known = city.host.engine.instances.get(instance)
    if known is None:
        return edges_of(city, instance)
    acts = [respond.actuator for respond in known.config.responds.values()]
    streams = acts or [stream for streams in known.config.senses.values() for stream in streams]
    return sorted({stream.split("/", maxsplit=1)[0] for stream in streams})


def _edge_only(city: City) -> list[tuple[str, str, Mapping[str, Any]]]:
    here = city.host.engine.runners
    return [(session.edge, name, health) for session in city.sessions.by_edge.values()
            for name, health in running(session).items() if name not in here]  # fmt: skip


def _known(row: Row) -> Row:
    """Return of an edge node's word what it has in the right shape; what else it says goes nowhere."""
    shelf, text = row.get("shelf"), row.get("text")
    whole = isinstance(shelf, dict) and all(isinstance(shelf.get(name), kind) for name, kind in _SHELF.items())
    acked, who = row.get("acked_utc_us"), row.get("acked_by")
    return {
        **{name: row[name] for name in _FIELDS},
        "text": text[:160] if isinstance(text, str) else "",
        "shelf": {name: shelf[name] for name in _SHELF} if whole and isinstance(shelf, dict) else None,
        "acked_utc_us": acked if isinstance(acked, int) else None,
        "acked_by": who[:64] if isinstance(who, str) else "",
    }


def _is_alarm(row: Any) -> bool:
    """Whether what an edge node says of an alarm has the shape it should have."""
    if not isinstance(row, dict) or not all(isinstance(row.get(name), kind) for name, kind in _FIELDS.items()):
        return False
    return row["state"] in STATES
