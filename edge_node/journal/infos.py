"""Manifests by (thing, boot): learned from hellos, kept in the journal, told to the city before any sample."""

from dataclasses import replace

import msgpack

from protocol.city_link import ThingInfo
from protocol.errors import FrameError
from protocol.manifest import Manifest, from_map, to_map

from .journal import Journal
from .streams import Key, Stream


class Infos:
    """All that is known of Things that this node speaks for."""

    def __init__(self, journal: Journal) -> None:
        """Read what earlier runs learned; what is settled and over is of no use any more."""
        self._journal = journal
        self.by_key: dict[Key, ThingInfo] = {}
        self._manifests: dict[Key, Manifest] = {}
        for blob in journal.saved("things").values():
            self._restore(blob)

    def _restore(self, blob: bytes) -> None:
        try:
            info = ThingInfo(*msgpack.unpackb(blob))
            self._remember(replace(info, online=False), from_map(info.manifest))
        except (FrameError, TypeError, ValueError):
            self._journal.quarantined += 1

    def _remember(self, info: ThingInfo, manifest: Manifest) -> None:
        self.by_key[info.thing, info.boot] = info
        self._manifests[info.thing, info.boot] = manifest

    def manifest(self, thing: str, boot: str) -> Manifest | None:
        """Return the manifest that a Thing had under a boot."""
        return self._manifests.get((thing, boot))

    def newest(self) -> dict[str, Manifest]:
        """Return the last known manifest of each Thing."""
        return {thing: manifest for (thing, _), manifest in self._manifests.items()}

    def learn(self, thing: str, boot: str, vm: str, firmware: str, manifest: Manifest) -> ThingInfo:
        """Take a manifest in; it is durable with the next commit, before the samples that need it."""
        info = ThingInfo(thing, boot, vm, firmware, to_map(manifest), True)
        old = self.by_key.get((thing, boot))
        self._remember(info, manifest)
        if old is None or replace(old, online=True) != info:
            blob = msgpack.packb([*vars(info).values()])
            self._journal.save("things", f"{thing} {boot}", bytes(blob))
        return info

    def online(self, thing: str, boot: str, online: bool) -> ThingInfo | None:
        """Note whether a Thing's link is up; return what to tell the city."""
        info = self.by_key.get((thing, boot))
        if info is None or info.online == online:
            return None
        self.by_key[thing, boot] = replace(info, online=online)
        return self.by_key[thing, boot]

    def to_announce(self) -> list[ThingInfo]:
        """Return what a city needs: the current boots, and earlier ones that still have samples here."""
        streams = self._journal.streams
        return [info for key, info in self.by_key.items() if _needed(streams.by_key.get(key), streams.epoch)]


def _needed(stream: Stream | None, epoch: int) -> bool:
    """Whether the city will hear of this stream, or be asked about it after a restore."""
    return stream is None or stream.current or stream.epoch < epoch or bool(stream.pending)
