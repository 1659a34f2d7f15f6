"""`[reports]` of aggregator.toml: what people may report, and what becomes of it. Without it the pages are off."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from protocol.manifest import ChannelInfo, Manifest, SensorInfo
from service.sections import Identifier, Section

MAX_SERVICES = 64
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class Box(BaseModel):
    """Where reports may come from: from south-west to north-east, degrees in WGS 84."""

    south: float = Field(ge=-90, le=90)
    west: float = Field(ge=-180, le=180)
    north: float = Field(ge=-90, le=90)
    east: float = Field(ge=-180, le=180)

    def holds(self, lat: float, lon: float) -> bool:
        """Whether a place lies in it."""
        return self.south <= lat <= self.north and self.west <= lon <= self.east


class ServiceSection(Section):
    """One thing that can be reported: a sample of `value`, or, if it `asks`, of what the reporter gives in the range.

    `quality` 2: not evaluated, 3: suspect, which no process uses before somebody has confirmed it.
    """

    name: str = Field(min_length=1, max_length=80)
    description: str = Field(default="", max_length=300)
    group: str = Field(default="", max_length=80)
    property: str = Field(min_length=1, max_length=64)
    unit: str = Field(default="1", min_length=1, max_length=32)
    value: float = 1.0
    asks: bool = Field(default=False, description="the reporter gives the value, as attribute[value]")
    lower: float = 0.0
    upper: float = 1.0
    sigma: float = Field(default=0.5, gt=0)
    quality: Literal[2, 3] = 3

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if self.lower >= self.upper:
            raise ValueError(f"found lower {self.lower:g}, upper {self.upper:g}; expected lower below upper")
        if not self.asks and not self.lower <= self.value <= self.upper:
            raise ValueError(f"found value {self.value:g}; expected one from lower to upper")
        return self


class ReportsSection(Section):
    """Who may report how often, from where, and what. `services`: by code, which names the datastream."""

    thing: Identifier = "people"
    per_minute: float = Field(default=2.0, gt=0, le=600, description="of one address; six at once")
    total_per_minute: float = Field(default=60.0, gt=0, le=6000, description="of everybody together")
    box: Box | None = None
    services: dict[Code, ServiceSection] = Field(min_length=1, max_length=MAX_SERVICES)

    def codes(self) -> list[str]:
        """Return the codes in the order of their channels."""
        return list(self.services)

    def manifest(self) -> Manifest:
        """Return what the Thing says of itself: one sensor, which is people, and a channel for each service."""
        people = SensorInfo(0, "people", "people", "", "", 0)
        channels = [
            ChannelInfo(at, code, 0, row.property, row.unit, row.lower, row.upper, row.sigma)
            for at, (code, row) in enumerate(self.services.items())
        ]
        return Manifest(self.thing, "reports", [people], channels, [])
