"""The datastreams and actuators there are: of the running city, else of the boards in a run directory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from cityreflex import config
from cityreflex.asking import gone
from cityreflex.client import Client, UnreachableError
from cityreflex.exits import CityError
from cityreflex.where import Where
from processes.fitting import Stream, from_rows
from protocol.errors import ProtocolError
from protocol.manifest import Manifest, from_bytes

PAGE = 1000


def find(where: Where) -> tuple[list[Stream], list[Stream]]:
    """Return (datastreams, actuators). Raises: CityError if neither a city answers nor a configuration is there."""
    try:
        with where.client() as city:
            return from_rows(_all(city, "datastreams"), city.get("things"))
    except UnreachableError as error:
        try:
            return _of_folder(where.folder)
        except CityError:
            raise gone(error) from error


def instances(where: Where) -> set[str]:
    """Return the names of the processes that the city runs; none if it does not answer."""
    try:
        with where.client() as city:
            return {row["instance"] for row in city.get("processes")}
    except (UnreachableError, httpx.HTTPStatusError):
        return set()


def _all(city: Client, page: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while more := city.get(page, limit=PAGE, offset=len(rows)):
        rows += more
        if len(more) < PAGE:
            break
    return rows


def _of_folder(folder: Path) -> tuple[list[Stream], list[Stream]]:
    """Return what the boards of edge.toml say of themselves in boards/THING/, and what the node will fuse of it."""
    edge = config.load_edge(folder / "edge.toml", with_keys=False)
    manifests = list(_manifests(folder, [board.thing for board in edge.boards]))
    senses = [
        stream for manifest in manifests for channel in manifest.channels
        for stream in _streams(edge.edge.id, manifest, channel)
    ]  # fmt: skip
    return senses, [stream for manifest in manifests for stream in _actuators(manifest)]


def _manifests(folder: Path, things: list[str]) -> Iterator[Manifest]:
    for thing in things:
        for path in sorted((folder / "boards" / thing).rglob("manifest.mpk")):
            try:
                yield from_bytes(path.read_bytes())
            except (ProtocolError, OSError, ValueError):
                continue


def _streams(edge: str, manifest: Manifest, channel: Any) -> Iterator[Stream]:
    yield Stream(f"{manifest.thing}/{channel.name}", channel.property, channel.unit, channel.sigma_of)
    if channel.fuse:
        yield Stream(f"{edge}/{manifest.thing}.{channel.name}", channel.property, channel.unit)


def _actuators(manifest: Manifest) -> Iterator[Stream]:
    channels = {channel.name: channel for channel in manifest.channels}
    for actuator in manifest.actuators:
        shown = channels.get(actuator.feedback)
        observe = f"{manifest.thing}/{actuator.feedback}" if actuator.feedback else None
        known = (shown.property, shown.unit) if shown else ("", "")
        yield Stream(f"{manifest.thing}/{actuator.name}", *known, None, observe)
