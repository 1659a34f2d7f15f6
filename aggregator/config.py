"""Schema of aggregator.toml."""

from pathlib import Path

from pydantic import Field, model_validator

from service.sections import ClockSection, Identifier, ProcessesSection, Section, ServiceSection


class CitySection(ServiceSection):
    """Who this city is, where it keeps its data, where its HTTP interface listens."""

    id: Identifier = "city"


class ListenSection(Section):
    """The city link's ROUTER socket: ZeroMQ endpoint and the city's CURVE key pair (z85 text files)."""

    endpoint: str = Field(pattern=r"^(tcp|ipc)://.+")
    public_file: Path
    secret_file: Path


class EdgeSection(Section):
    """One edge node that may connect: its id and its CURVE public key."""

    id: Identifier
    public_file: Path


class SigningSection(Section):
    """The Ed25519 private key (64 hex digits) that signs tasks."""

    secret_file: Path


class StoreSection(Section):
    """When hot rows are sealed into Parquet: every `seal_every_s`, all but the newest `keep_hot_commits`."""

    seal_every_s: float = Field(default=60.0, gt=0)
    keep_hot_commits: int = Field(default=500, ge=0)


class AggregatorConfig(Section):
    """All of aggregator.toml."""

    city: CitySection
    clock: ClockSection = ClockSection()
    listen: ListenSection
    edges: list[EdgeSection] = Field(min_length=1)
    signing: SigningSection
    processes: ProcessesSection = ProcessesSection()
    store: StoreSection = StoreSection()

    @model_validator(mode="after")
    def _distinct_edges(self) -> "AggregatorConfig":
        names = [edge.id for edge in self.edges]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two [[edges]] have the id {twice[0]!r}")
        return self


def parse(data: object, folder: Path) -> AggregatorConfig:
    """Return the checked config; paths are taken relative to `folder`. Raises: pydantic.ValidationError."""
    return AggregatorConfig.model_validate(data, context={"folder": folder})
