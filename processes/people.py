"""People as responders: what a process file says of whom to tell of which alarms, and where it holds (CAP 1.2)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

MIN_CORNERS, MAX_CORNERS = 3, 100
Problem: TypeAlias = tuple[str, tuple[str | int, ...]]
Category = Literal[
    "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other"
]
Urgency = Literal["Immediate", "Expected", "Future", "Past", "Unknown"]


class Area(BaseModel):
    """Where a message holds: words, and a polygon [[lat, lon], ...] or a circle [lat, lon, radius_km] in WGS 84."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    desc: str = Field(min_length=1, max_length=200)
    polygon: list[tuple[float, float]] = Field(default_factory=list, max_length=MAX_CORNERS)
    circle: tuple[float, float, float] | None = None

    @model_validator(mode="after")
    def _on_earth(self) -> Self:
        corners = [*self.polygon, *([self.circle[:2]] if self.circle else [])]
        for lat, lon in corners:
            if not (-90 <= lat <= 90 and -180 <= lon <= 180):
                raise ValueError(f"found {lat:g}, {lon:g}; expected a latitude, then a longitude, in degrees")
        if self.polygon and len(set(self.polygon)) < MIN_CORNERS:
            raise ValueError(f"found a polygon of {len(set(self.polygon))} corners; expected at least {MIN_CORNERS}")
        if self.circle and self.circle[2] < 0:
            raise ValueError(f"found a radius of {self.circle[2]:g} km")
        return self


class Notify(BaseModel):
    """Whom to tell (`notify`: a channel of aggregator.toml) of which alarms; none named: all from `min_severity` up."""

    model_config = ConfigDict(extra="forbid")
    notify: str = Field(min_length=1, max_length=63)
    area: Area
    event: str = Field(min_length=1, max_length=80)
    category: Category = "Safety"
    urgency: Urgency = "Expected"
    alarms: list[str] = []
    min_severity: int = Field(default=3, ge=1, le=4)
    expires_s: float = Field(default=3600.0, ge=60, le=7 * 86_400)
    update_s: float = Field(default=300.0, ge=1)
    instruction: str = Field(default="", max_length=1000)


def apart(data: Any) -> Any:
    """Return a process file's data with the responders that are people (they have `notify`) in `people`."""
    responds = data.get("responds") if isinstance(data, Mapping) else None
    if not isinstance(responds, Mapping):
        return data
    told = {name: row for name, row in responds.items() if isinstance(row, Mapping) and "notify" in row}
    if not told:
        return data
    rest = {name: row for name, row in responds.items() if name not in told}
    return {**data, "responds": rest, "people": {**data.get("people", {}), **told}}


def contradictions(
    people: Mapping[str, Notify], runs_on: str, ports: Iterable[str], alarms: Mapping[str, Any] | None
) -> Iterator[Problem]:
    """Yield what cannot be, with its key; `alarms` None: the template does not say which it has."""
    for name, row in people.items():
        key = ("responds", name)
        if runs_on == "edge":
            yield f"responds.{name}: only the city tells people, and this process runs on an edge node alone", key
        if name in ports:
            yield f"responds.{name} is a port of the template: people need a name of their own", key
        for alarm in row.alarms:
            if alarms is not None and alarm not in alarms:
                known = ", ".join(sorted(alarms)) or "none"
                yield f"responds.{name}: {alarm!r} is no alarm of the template; known: {known}", (*key, "alarms")
