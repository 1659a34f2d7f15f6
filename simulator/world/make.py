"""The world of a scenario over its window of world time."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from simulator.world.classroom import ClassroomWorld
from simulator.world.rain import (
    HOUR_US,
    RainSeries,
    format_utc,
    parse_utc,
    read_csv,
    synthetic_storm,
    wettest_window,
)
from simulator.world.riverside import RiversideWorld


class World(Protocol):
    """What the runtime needs of a world."""

    OUTPUTS: ClassVar[tuple[str, ...]]
    utc_us: int

    def advance(self, real_seconds: float, world_seconds: float) -> None:
        """Move on; motors turn in real time, water and air in world time."""

    def quantities(self) -> dict[str, float]:
        """What chips can measure."""

    def drive(self, outputs: Mapping[str, float]) -> None:
        """Take the outputs of the boards by the names in `OUTPUTS`; switches are on from 0.5."""

    def truth(self) -> dict[str, float]:
        """What really is, for the trace."""


@dataclass(frozen=True)
class Storm:
    """What falls, and the window of world time that is played."""

    start_utc_us: int
    end_utc_us: int
    rain: RainSeries | None = None


def storm(
    *,
    seed: int = 1,
    rain_csv: Path | None = None,
    start: int | str | None = None,
    end: int | str | None = None,
) -> Storm:
    """The storm to play: recorded when a file is given, else synthetic.

    Without `start` and `end` (UTC us or ISO text) a recorded one plays the 72 h centred on its wettest 24 h.
    Raises: RainError, ValueError when nothing is left to play.
    """
    rain = read_csv(rain_csv) if rain_csv is not None else synthetic_storm(seed)
    first, last = wettest_window(rain) if rain_csv is not None else (rain.start_utc_us, rain.end_utc_us)
    begin = _time(start, first)
    finish = _time(end, last if start is None else min(begin + 72 * HOUR_US, rain.end_utc_us))
    if not rain.start_utc_us <= begin < finish <= rain.end_utc_us:
        series = f"{format_utc(rain.start_utc_us)} to {format_utc(rain.end_utc_us)}"
        raise ValueError(f"the window must lie within the rain series, {series}, and end after it starts")
    return Storm(begin, finish, rain)


def _time(value: int | str | None, default: int) -> int:
    return default if value is None else parse_utc(value) if isinstance(value, str) else value


def fixed_window(start: str, hours: float) -> Storm:
    """A window without rain."""
    begin = parse_utc(start)
    return Storm(begin, begin + round(hours * HOUR_US))


def make_world(kind: str, window: Storm, seed: int, parameters: Mapping[str, Any]) -> World:
    """A world of a kind at the start of its window."""
    if kind == "classroom":
        return ClassroomWorld(window.start_utc_us, seed, dict(parameters))
    if window.rain is None:
        raise ValueError(f"world {kind} needs rain")
    return RiversideWorld(window.rain, window.start_utc_us, seed, dict(parameters))
