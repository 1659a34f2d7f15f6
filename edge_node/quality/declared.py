"""What a channel's driver declares of it beyond the manifest: range of the chip, resolution, response time."""

import pkgutil
from functools import cache
from importlib import import_module
from typing import NamedTuple

import drivers
from protocol.manifest import ChannelInfo


class Declared(NamedTuple):
    """Of a driver's channel, in its unit; `response_s` 0: faster than it is read, or not known."""

    lower: float
    upper: float
    resolution: float
    response_s: float


@cache
def _names() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(drivers.__path__))


@cache
def _channels(chip: str) -> tuple[tuple[str, str, str, float, float, float, float, float, float], ...]:
    """Return a driver's CHANNELS; nothing for a chip that this release does not know, whatever a board says."""
    if chip not in _names():
        return ()
    return tuple(getattr(import_module(f"drivers.{chip}"), "CHANNELS", ()))


def declared(chip: str, channel: ChannelInfo) -> Declared | None:
    """Return what a driver declares, None if that cannot be told.

    It cannot of a channel that a board file scales into another property or unit, and where several of the driver's
    would fit and the name does not tell which.
    """
    alike = [row for row in _channels(chip) if (row[1], row[2]) == (channel.property, channel.unit)]
    named = [row for row in alike if channel.name == row[0] or channel.name.endswith(f"_{row[0]}")]
    found = alike if len(alike) == 1 else named
    if len(found) != 1:
        return None
    _, _, _, lower, upper, _, resolution, _, response_s = found[0]
    return Declared(lower, upper, resolution, response_s)
