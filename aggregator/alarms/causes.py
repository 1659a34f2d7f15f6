"""What is broken now, and what lies behind it: an edge node, a board, a sensor; then datastreams, processes, alarms."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from ..city import City
from ..link.sessions import Session
from ..tasks.dispatch import Now
from .acts import running
from .incidents import Cause

Name: TypeAlias = tuple[str, str]
EDGE, BOARD, SENSOR, DOUBT = "edge_offline", "board_offline", "sensor_fault", "sensor_doubt"
LASTING = ("gross_range", "flat_line", "neighbor", "gap")
"""Verdicts of an edge node on a channel that last; a rate of change ends by itself."""
MAX_DOUBTS = 32


class Root(NamedTuple):
    """Where a datastream comes from: edge node, board, sensor; "" where it is not known."""

    edge: str
    thing: str
    sensor: str

    def names(self) -> list[Name]:
        """Return the causes that would silence it, the widest first."""
        return [(EDGE, self.edge), (BOARD, self.thing), (SENSOR, f"{self.thing}/{self.sensor}")]


def look(city: City, now: Now) -> tuple[list[Cause], list[Name]]:
    """Return what is broken now with all that it takes along, and what nobody can see.

    That is what lies behind a silent edge node, or behind one that this city has just begun without having heard.
    """
    silent = {s.edge: s for s in city.sessions.by_edge.values() if s.offline(now.us)}
    causes = [_offline(session, now) for session in silent.values()]
    for session in city.sessions.by_edge.values():
        if session.edge not in silent:
            causes += _of_boards(session, now) + _doubts(city, session, now)
    names = {(cause.kind, cause.place) for cause in causes}
    members = _members(city, names, silent)
    starting = {s.edge for s in city.sessions.by_edge.values() if s.starting(now.us)}
    unseen = [name for name in _open_names(city) if _is_unseen(city, name, starting, {*silent, *starting})]
    return [cause._replace(members=frozenset(members[cause.kind, cause.place])) for cause in causes], unseen


def _is_unseen(city: City, name: Name, starting: set[str], unheard: set[str]) -> bool:
    kind, place = name
    if kind == EDGE:
        return place in starting
    return kind in (BOARD, SENSOR, DOUBT) and city.registry.edge_of(place) in unheard


def root_of(city: City, datastream: str) -> Root:
    """Return where a datastream comes from; one that an edge node fused comes from the board in its name."""
    thing, _, channel = datastream.partition("/")
    edge = city.registry.edge_of(thing) or ""
    if thing == edge and "." in channel:
        thing, channel = channel.split(".", 1)
    known, found = city.registry.things.get(thing), city.registry.channels.get(f"{thing}/{channel}")
    sensors = {sensor.index: sensor.name for sensor in known.manifest.sensors} if known else {}
    return Root(edge, thing, sensors.get(found.sensor, "") if found else "")


def _open_names(city: City) -> list[Name]:
    return [(incident.kind, incident.place) for incident in city.incidents.open()]


def _offline(session: Session, now: Now) -> Cause:
    since = session.silent_since_utc_us
    text = f"edge node {session.edge} is offline: is it powered, its network up, `city edge run` running?"
    return Cause(EDGE, session.edge, text, now.utc_us if since is None else since)


def _of_boards(session: Session, now: Now) -> list[Cause]:
    found: list[Cause] = []
    for board in _maps(session.health.get("boards")):
        thing, link = str(board.get("thing", ""))[:64], board.get("link")
        if link == "starting":
            continue
        if link != "up":
            text = f"board {thing} at {session.edge}: link {link} on {board.get('port')}: {board.get('hint') or ''}"
            found.append(Cause(BOARD, thing, text[:300].removesuffix(": "), now.utc_us))
            continue
        found += [_fault(thing, fault, now) for fault in _maps(board.get("faults"))]
    return found


def _fault(thing: str, fault: Mapping[str, Any], now: Now) -> Cause:
    place, since = f"{thing}/{str(fault.get('sensor', ''))[:64]}", fault.get("since")
    text = f"sensor {place} {fault.get('chip')} on {fault.get('bus')}: {fault.get('what')}; {fault.get('check')}"
    return Cause(SENSOR, place, text[:300], since if isinstance(since, int) and since > 0 else now.utc_us)


def _doubts(city: City, session: Session, now: Now) -> list[Cause]:
    """Return the channels of its own that an edge node doubts, without what they show: that changes all the time."""
    quality, found = session.health.get("quality"), []
    for row in _maps(quality.get("rows"))[:MAX_DOUBTS] if isinstance(quality, dict) else []:
        place, test, since = str(row.get("datastream", ""))[:128], row.get("test"), row.get("since")
        if test in LASTING and city.registry.owns(session.edge, place.split("/", 1)[0]):
            text = f"{place} is doubted by {session.edge} ({test}): {row.get('check')}"
            begin = since if isinstance(since, int) and since > 0 else now.utc_us
            found.append(Cause(DOUBT, place, text[:300], begin))
    return found


def _members(city: City, names: set[Name], silent: Mapping[str, Session]) -> dict[Name, set[str]]:
    """Return what each cause takes along; a process or an alarm goes to each cause that all its senses lie behind."""
    members: dict[Name, set[str]] = defaultdict(set)
    dead: dict[str, Name] = {}
    for stream in {*city.registry.channels, *city.host.engine.datastreams}:
        cause = next((name for name in root_of(city, stream).names() if name in names), None)
        if cause is not None:
            dead[stream] = cause
            members[cause].add(f"datastream:{stream}")
    for thing, known in city.registry.things.items():
        if known.edge in silent:
            members[EDGE, known.edge].add(f"thing:{thing}")
    for edge, session in silent.items():
        alone = running(session).keys() - city.host.engine.runners.keys()
        members[EDGE, edge] |= {f"process:{name}" for name in alone}
    for row in city.host.engine.health():
        for member, streams in _judged(city, row):
            if streams and all(stream in dead for stream in streams):
                for stream in streams:
                    members[dead[stream]].add(member)
    return members


def _judged(city: City, health: Mapping[str, Any]) -> Iterable[tuple[str, list[str]]]:
    """Return a process, and its alarms that say that something is silent, each with the datastreams it depends on."""
    name = health["instance"]
    instance = city.host.engine.instances[name]
    senses = instance.config.senses
    whole = [stream for streams in senses.values() for stream in streams]
    found = [(f"process:{name}", whole)]
    for alarm in health["alarms"]:
        rule = instance.rules.get(alarm["key"])
        about = [stream for port in (rule.about if rule else ()) for stream in senses.get(port, ())]
        found.append((f"alarm:{name}/{alarm['key']}", about or whole))
    return found


def _maps(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
