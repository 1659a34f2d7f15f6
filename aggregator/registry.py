"""Things and Datastreams, as the boards' and edge nodes' own manifests describe them. In memory; the store
keeps what it was built from."""

from dataclasses import dataclass, field
from typing import Any

from protocol.city_link import ThingInfo
from protocol.manifest import ActuatorInfo, ChannelInfo, Manifest, from_map

from .errors import PeerError


@dataclass
class Thing:
    """A board or an edge node, as it last introduced itself through `edge`. `seen_utc_us` is event time."""

    info: ThingInfo
    edge: str
    manifest: Manifest
    seen_utc_us: int
    by_boot: dict[str, Manifest] = field(default_factory=dict)


@dataclass
class Registry:
    """Looks up by id; ids are "thing/channel" and "thing/actuator"."""

    things: dict[str, Thing] = field(default_factory=dict)
    channels: dict[str, ChannelInfo] = field(default_factory=dict)
    actuators: dict[str, ActuatorInfo] = field(default_factory=dict)
    moved: int = 0

    def introduce(self, edge: str, info: ThingInfo, now_utc_us: int) -> bool:
        """Take a Thing's word about itself; return True if it is news to be stored. Raises: PeerError.

        City has checked that `edge` may: only a Thing whose edge is gone moves to another."""
        try:
            manifest = from_map(info.manifest)
        except ValueError as error:
            raise PeerError("manifest", f"manifest of {info.thing}: {error}") from error
        old = self.things.get(info.thing)
        if old is not None and old.manifest == manifest:
            manifest = old.manifest  # one object for all boots that say the same
        self.moved += old is not None and old.edge != edge
        by_boot = old.by_boot if old else {}
        by_boot[info.boot] = manifest
        self.things[info.thing] = Thing(info, edge, manifest, now_utc_us, by_boot)
        if old is None or old.manifest is not manifest:
            self._index(info.thing, manifest)
        return old is None or old.edge != edge or old.info != info

    def manifest(self, thing: str, boot: str) -> Manifest | None:
        """Return the manifest a boot was introduced with, else the Thing's newest."""
        known = self.things.get(thing)
        return known.by_boot.get(boot, known.manifest) if known else None

    def edge_of(self, identifier: str) -> str | None:
        """Return the edge node behind a Thing, Datastream or Actuator id."""
        known = self.things.get(identifier.split("/", 1)[0])
        return known.edge if known else None

    def owns(self, edge: str, thing: str) -> bool:
        """Whether this edge may speak for the Thing: it introduced it, or nobody did."""
        known = self.things.get(thing)
        return known is None or known.edge == edge

    def thing_rows(self) -> list[dict[str, Any]]:
        """Return the rows of /things."""
        return [_thing_row(name, thing) for name, thing in sorted(self.things.items())]

    def datastream_rows(self) -> list[dict[str, Any]]:
        """Return the rows of /datastreams."""
        rows = []
        for name, thing in sorted(self.things.items()):
            sensors = {sensor.index: sensor for sensor in thing.manifest.sensors}
            rows += [_datastream_row(name, c, sensors.get(c.sensor)) for c in thing.manifest.channels]
        return rows

    def differs(self, info: ThingInfo) -> bool:
        """Whether the Thing describes itself otherwise than before."""
        known = self.things.get(info.thing)
        return known is None or known.info.manifest != info.manifest

    def _index(self, thing: str, manifest: Manifest) -> None:
        """Know the Thing's present channels and actuators, and no former ones: names come from outside."""
        for table in (self.channels, self.actuators):
            for name in [name for name in table if name.startswith(f"{thing}/")]:
                del table[name]
        self.channels.update({f"{thing}/{channel.name}": channel for channel in manifest.channels})
        self.actuators.update({f"{thing}/{actuator.name}": actuator for actuator in manifest.actuators})


def _thing_row(name: str, thing: Thing) -> dict[str, Any]:
    return {
        "thing": name,
        "edge": thing.edge,
        "boot": thing.info.boot,
        "vm": thing.info.vm,
        "firmware_sha256": thing.info.firmware_sha256,
        "online": thing.info.online,
        "board": thing.manifest.board,
        "seen_utc_us": thing.seen_utc_us,
        "actuators": [f"{name}/{actuator.name}" for actuator in thing.manifest.actuators],
        "responds": [_responds_row(name, actuator) for actuator in thing.manifest.actuators],
    }


def _responds_row(thing: str, actuator: ActuatorInfo) -> dict[str, Any]:
    observe = f"{thing}/{actuator.feedback}" if actuator.feedback else None
    name = f"{thing}/{actuator.name}"
    return {"actuator": name, "observe": observe, "lower": actuator.lower, "upper": actuator.upper}


def _datastream_row(thing: str, channel: ChannelInfo, sensor: Any) -> dict[str, Any]:
    return {
        "datastream": f"{thing}/{channel.name}",
        "thing": thing,
        "property": channel.property,
        "unit": channel.unit,
        "lower": channel.lower,
        "upper": channel.upper,
        "sigma": channel.sigma,
        "sigma_of": channel.sigma_of,
        "sensor": getattr(sensor, "name", None),
        "chip": getattr(sensor, "chip", None),
        "period_ms": getattr(sensor, "period_ms", None),
    }
