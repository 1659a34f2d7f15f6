"""An incident as a story for people: where, what it took along, who knew of it and since when, how it ended."""

from typing import Any

from ..city import City
from ..link.sessions import CITY
from . import view
from .acts import Act
from .causes import BOARD, DOUBT, EDGE, SENSOR
from .incidents import Incident

ALARM = "alarm:"
ENDED = {
    EDGE: "the edge node was heard again",
    BOARD: "the link of the board is up again",
    SENSOR: "the sensor measures again",
    DOUBT: "the edge node finds its values plausible again",
    "notify_unanswered": "somebody answered, or the message ended",
    "notify_undelivered": "the channel takes messages again, or the message ended",
}
Row = dict[str, Any]


def rows(city: City, found: list[Incident]) -> list[Row]:
    """Return each incident with its edge nodes, the alarms it took along, what people did to them and how it ended.

    `alarms`: {instance, key, state}; an alarm that is normal by now says so. `acts`: those of people, on these alarms,
    while it lasted, as far as they are kept (the newest 256 of all).
    """
    standing = {f"{ALARM}{row['instance']}/{row['key']}": row for row in view.rows(city)}
    return [_row(city, incident, standing) for incident in found]


def _row(city: City, incident: Incident, standing: dict[str, Row]) -> Row:
    names = [member for member in incident.members if member.startswith(ALARM)]
    ended = ENDED.get(incident.kind, "its cause is gone") if incident.end_utc_us is not None else ""
    return {
        **incident.row(),
        "edges": _edges(city, incident),
        "alarms": [_alarm(name, standing.get(name)) for name in names],
        "acts": [_act(act) for act in city.host.acts.newest if _belongs(act, incident, names)],
        "ended": ended,
    }


def _edges(city: City, incident: Incident) -> list[str]:
    """Return the edge nodes where it is: the one that is silent, or that of the board or sensor."""
    edge = incident.place if incident.kind == EDGE else city.registry.edge_of(incident.place)
    return [edge] if edge and edge != CITY else []


def _alarm(name: str, row: Row | None) -> Row:
    instance, _, key = name.removeprefix(ALARM).partition("/")
    return {"instance": instance, "key": key, "state": row["state"] if row else "normal"}


def _belongs(act: Act, incident: Incident, names: list[str]) -> bool:
    """Whether an act was on one of its alarms, while it lasted."""
    at, end = act.action.at_utc_us, incident.end_utc_us
    return f"{ALARM}{act.instance}/{act.action.key}" in names and at >= incident.begin_utc_us and (not end or at <= end)


def _act(act: Act) -> Row:
    action = act.action
    return {"instance": act.instance, "key": action.key, "kind": action.kind, "by": action.by,
            "at_utc_us": action.at_utc_us, "reason": action.reason}  # fmt: skip
