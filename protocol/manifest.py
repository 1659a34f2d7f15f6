"""The manifest of a board: what it senses and moves. CPython.

The firmware kit writes it from the board file; the board sends its bytes in hello and never
parses them; edge and city learn Things and Datastreams from it. There are two forms: in hello
(`to_bytes`) each part is an array of its fields in the order below, for boards have little room;
on the city link and in JSON (`to_map`) a map by field name.
"""

from dataclasses import asdict, astuple, dataclass, fields
from typing import Any, TypeVar

import msgpack  # type: ignore[import-untyped]

from . import checks
from .errors import FrameError

MAX_BYTES = 1700
MAX_SENSORS = 64
MAX_CHANNELS = 256
MAX_ACTUATORS = 16


@dataclass(frozen=True)
class SensorInfo:
    """One chip or input; `address` is the I2C address ("0x76"), the UART or the pin ("GP2") as text."""

    index: int
    name: str
    chip: str
    bus: str
    address: str
    period_ms: int


@dataclass(frozen=True)
class ChannelInfo:
    """One Datastream: CF `property`, UCUM `unit`, physical range, standard deviation of one reading.

    `sensor` is the index of its sensor; `sigma_of` names the channel whose sigma this channel carries.
    """

    index: int
    name: str
    sensor: int
    property: str
    unit: str
    lower: float
    upper: float
    sigma: float
    fuse: bool = False
    sigma_of: str | None = None


@dataclass(frozen=True)
class ActuatorInfo:
    """One actuator: setpoints in [lower, upper], the `safe` one, the channel that observes it.

    `lease_ms`: without renewal for this long the board goes to `safe`; `travel_ms`: a full stroke.
    """

    index: int
    name: str
    kind: str
    lower: float
    upper: float
    safe: float
    feedback: str
    lease_ms: int
    travel_ms: int


@dataclass(frozen=True)
class Manifest:
    """All that a Thing says of itself."""

    thing: str
    board: str
    sensors: list[SensorInfo]
    channels: list[ChannelInfo]
    actuators: list[ActuatorInfo]

    def datastream(self, channel: int) -> str:
        """Return the Datastream id of a channel index, e.g. "river-1/water_level"."""
        return f"{self.thing}/{self.channels[channel].name}"

    def actuator_id(self, index: int) -> str:
        """Return the id of an actuator index, e.g. "gate-1/opening"."""
        return f"{self.thing}/{self.actuators[index].name}"


_Part = TypeVar("_Part", SensorInfo, ChannelInfo, ActuatorInfo)


def to_map(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest as plain dicts and lists, ready for msgpack or JSON."""
    return asdict(manifest)


def from_map(data: Any) -> Manifest:
    """Return the manifest in `data`, every field checked.

    Raises:
        FrameError: names the field, what was expected, what was found.
    """
    top = _exact("manifest", data, ("thing", "board", "sensors", "channels", "actuators"))
    manifest = Manifest(
        thing=_identifier("manifest.thing", top["thing"]),
        board=checks.name("manifest.board", top["board"]),
        sensors=_parts(SensorInfo, "sensors", top["sensors"], MAX_SENSORS),
        channels=_parts(ChannelInfo, "channels", top["channels"], MAX_CHANNELS),
        actuators=_parts(ActuatorInfo, "actuators", top["actuators"], MAX_ACTUATORS),
    )
    _check_references(manifest)
    return manifest


def to_bytes(manifest: Manifest) -> bytes:
    """Return the manifest as the msgpack that a board stores and sends in hello.

    Raises:
        FrameError: it is invalid or longer than a hello frame can carry.
    """
    checked = from_map(to_map(manifest))
    groups = (checked.sensors, checked.channels, checked.actuators)
    parts = [[astuple(part) for part in group] for group in groups]
    data = msgpack.packb([checked.thing, checked.board, *parts])
    if len(data) > MAX_BYTES:
        raise FrameError(f"manifest of {manifest.thing}: {len(data)} bytes, at most {MAX_BYTES} fit in hello")
    return bytes(data)


def from_bytes(data: bytes) -> Manifest:
    """Return the manifest in the msgpack of a hello.

    Raises:
        FrameError: malformed.
    """
    top = checks.array("manifest", checks.unpack(data, MAX_BYTES, max_depth=4, max_items=1024), 5, 5)
    thing, board, sensors, channels, actuators = top
    return from_map(
        {
            "thing": thing,
            "board": board,
            "sensors": _named(SensorInfo, "sensors", sensors),
            "channels": _named(ChannelInfo, "channels", channels),
            "actuators": _named(ActuatorInfo, "actuators", actuators),
        }
    )


def _named(kind: type[Any], field: str, value: Any) -> list[dict[str, Any]]:
    """Return arrays of fields as maps by field name."""
    names = [f.name for f in fields(kind)]
    where = f"manifest.{field}"
    parts = checks.array(where, value, MAX_CHANNELS)
    return [dict(zip(names, checks.array(f"{where}[]", part, 0, len(names)), strict=True)) for part in parts]


def _exact(field: str, value: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the map if it has these keys and no other."""
    found = checks.mapping(field, value)
    for wrong in sorted(set(found) ^ set(keys)):
        raise FrameError(f"{field}: key {wrong!r} is {'unknown' if wrong in found else 'missing'}")
    return found


def _identifier(field: str, value: Any) -> str:
    """Return a name that can stand in a Datastream id: no slash, no space."""
    found = checks.name(field, value)
    if "/" in found or " " in found:
        raise checks.refuse(field, "a name without slash or space", found)
    return found


def _parts(kind: type[_Part], field: str, value: Any, longest: int) -> list[_Part]:
    """Return the list of parts; the index of each is its place in the list, names are unique."""
    items = checks.array(f"manifest.{field}", value, longest)
    parts = [_part(kind, f"manifest.{field}[{i}]", item) for i, item in enumerate(items)]
    for place, part in enumerate(parts):
        if part.index != place:
            raise checks.refuse(f"manifest.{field}[{place}].index", str(place), part.index)
    if len({part.name for part in parts}) != len(parts):
        raise FrameError(f"manifest.{field}: two have the same name")
    return parts


def _part(kind: type[_Part], field: str, value: Any) -> _Part:
    """Return one sensor, channel or actuator with the type of each field checked."""
    found = _exact(field, value, tuple(f.name for f in fields(kind)))
    return kind(**{f.name: _typed(f"{field}.{f.name}", str(f.type), found[f.name]) for f in fields(kind)})


def _typed(field: str, kind: str, value: Any) -> Any:
    """Return `value` checked against an annotation of the parts above."""
    if "bool" in kind:
        return checks.boolean(field, value)
    if "int" in kind:
        return checks.integer(field, value, 0, checks.MAX_U32)
    if "float" in kind:
        return checks.number(field, value)
    if "None" in kind and value is None:
        return None
    return _identifier(field, value) if field.endswith(".name") else checks.text(field, value, 96)


def _check_references(manifest: Manifest) -> None:
    """Check what parts say of each other and the order of their limits."""
    names = {channel.name for channel in manifest.channels}
    for channel in manifest.channels:
        field = f"manifest.channels[{channel.index}]"
        if channel.sensor >= len(manifest.sensors):
            raise checks.refuse(f"{field}.sensor", "the index of a sensor", channel.sensor)
        if channel.lower >= channel.upper:
            raise checks.refuse(f"{field}.lower", f"less than upper {channel.upper}", channel.lower)
        if channel.sigma_of is not None and channel.sigma_of not in names:
            raise checks.refuse(f"{field}.sigma_of", "the name of a channel", channel.sigma_of)
    for actuator in manifest.actuators:
        field = f"manifest.actuators[{actuator.index}]"
        if actuator.feedback and actuator.feedback not in names:
            raise checks.refuse(f"{field}.feedback", "the name of a channel", actuator.feedback)
        if not actuator.lower <= actuator.safe <= actuator.upper:
            raise checks.refuse(f"{field}.safe", f"{actuator.lower} to {actuator.upper}", actuator.safe)
