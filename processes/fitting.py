"""Which datastreams and actuators fit a template's ports, by property and unit, and why the others do not. Pure."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from processes.contract import Port

UNSEEN = "it has no feedback, so nothing says what it moves"


class Stream(NamedTuple):
    """A datastream with its CF property and UCUM unit; of an actuator: its id, and those of its feedback.

    `observe`: the datastream that shows an actuator's effect. `sigma_of`: what this channel tells the sigma of.
    """

    name: str
    property: str
    unit: str
    sigma_of: str | None = None
    observe: str | None = None

    def of(self, patterns: Iterable[str]) -> bool:
        """Return whether its Thing fits a pattern: also the board whose channel an edge node fused."""
        thing, _, channel = self.name.partition("/")
        things = (thing, channel.partition(".")[0]) if "." in channel else (thing,)
        return any(fnmatchcase(one, pattern) for one in things for pattern in patterns)


class Fit(NamedTuple):
    """What fits a port, and what nearly does: (stream, why not)."""

    port: Port
    fits: list[Stream]
    near: list[tuple[Stream, str]]
    others: int


def fit(ports: Mapping[str, Port], senses: Iterable[Stream], responds: Iterable[Stream]) -> dict[str, Fit]:
    """Return the fit of every port."""
    streams = {"sense": list(senses), "respond": list(responds)}
    return {name: _fit(port, streams[port.role]) for name, port in ports.items()}


def why_not(port: Port, stream: Stream) -> str:
    """Return why a stream does not fit a port, "" if it does."""
    if is_unseen(port, stream):
        return UNSEEN
    if stream.sigma_of:
        return f"it tells how uncertain {stream.sigma_of} is"
    if stream.property != port.property:
        return f"it is {stream.property or 'of no known property'}, not {port.property}"
    if stream.unit != port.unit:
        return f"it is in {stream.unit or 'no unit'}, not in {port.unit}"
    return ""


def is_unseen(port: Port, stream: Stream) -> bool:
    """Return whether a stream is an actuator without feedback: only people can say whether it fits."""
    return port.role == "respond" and stream.observe is None and not stream.property


def _fit(port: Port, streams: list[Stream]) -> Fit:
    reasons = [(stream, why_not(port, stream)) for stream in streams]
    fits = [stream for stream, why in reasons if not why]
    near = [(stream, why) for stream, why in reasons if why and _is_near(port, stream)]
    return Fit(port, fits, near, len(streams) - len(fits) - len(near))


def _is_near(port: Port, stream: Stream) -> bool:
    same = stream.property == port.property or stream.property.startswith(f"{port.property} ")
    return same or is_unseen(port, stream)


def from_rows(datastreams: Iterable[Mapping[str, Any]], things: Iterable[Mapping[str, Any]]) -> tuple[
    list[Stream], list[Stream]
]:  # fmt: skip
    """Return (datastreams, actuators) of the city's pages /datastreams and /things."""
    known = {row["datastream"]: row for row in datastreams}
    senses = [Stream(name, row["property"], row["unit"], row["sigma_of"]) for name, row in known.items()]
    responds = []
    for thing in things:
        for row in thing["responds"]:
            shown = known.get(row["observe"], {})
            responds.append(
                Stream(row["actuator"], shown.get("property", ""), shown.get("unit", ""), None, row["observe"])
            )
    return senses, responds


def as_rows(fits: Mapping[str, Fit], bound: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Return one row per port for people; `bound`: what a process file names per port."""
    return [_row(name, found, bound.get(name, [])) for name, found in fits.items()]


def _row(name: str, found: Fit, bound: list[str]) -> dict[str, Any]:
    fits = {stream.name for stream in found.fits}
    near = {stream.name: why for stream, why in found.near}
    return {
        "port": name, "role": found.port.role, "property": found.port.property, "unit": found.port.unit,
        "many": found.port.many,
        "bound": [
            {"name": one, "fits": one in fits or near.get(one) == UNSEEN, "why": near.get(one, "")} for one in bound
        ],
        "fits": sorted(fits), "near": [{"name": one, "why": why} for one, why in sorted(near.items())],
        "others": found.others,
    }  # fmt: skip
