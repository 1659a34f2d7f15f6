"""Schema of aggregator.toml."""

import re
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator, model_validator

from service.addresses import UNIX
from service.risk import ActuatorSection
from service.sections import AuditSection, ClockSection, Identifier, ProcessesSection, Section, ServiceSection

from .caps.limits import LimitsSection
from .notify.channels import NotifySection
from .reports.section import ReportsSection


class CitySection(ServiceSection):
    """Who this city is, where it keeps its data, where its HTTP interface listens.

    `signer`: the unix socket of `city signer run`, in place of the key file of [signing].
    """

    id: Identifier = "city"
    signer: str = Field(default="", pattern=r"^(unix:.+)?$")

    @property
    def signer_path(self) -> Path:
        """The signer's socket."""
        return Path(self.signer.removeprefix(UNIX))

    @field_validator("signer")
    @classmethod
    def _resolve_signer(cls, value: str, info: ValidationInfo) -> str:
        folder = (info.context or {}).get("folder")
        return f"{UNIX}{Path(folder) / value.removeprefix(UNIX)}" if folder is not None and value else value


class ListenSection(Section):
    """The city link's ROUTER socket: ZeroMQ endpoint and the city's CURVE key pair (z85 text files)."""

    endpoint: str = Field(pattern=r"^(tcp|ipc)://.+")
    public_file: Path
    secret_file: Path


class EdgeSection(Section):
    """One edge node that may connect; `public_file`: the CURVE key it begins with, unless it enrols by a token."""

    id: Identifier
    public_file: Path | None = None


class EnrolSection(Section):
    """Where new nodes come with their token; `public`: the same endpoint as nodes reach it, if that differs."""

    endpoint: str = Field(pattern=r"^(tcp|ipc)://.+")
    public: str = Field(default="", pattern=r"^((tcp|ipc)://.+)?$")

    @property
    def advertised(self) -> str:
        """What tokens carry."""
        return self.public or self.endpoint

    @model_validator(mode="after")
    def _reachable(self) -> "EnrolSection":
        if re.match(r"tcp://(\*|0\.0\.0\.0|\[::\])", self.advertised):
            raise ValueError(f"nodes cannot connect to {self.advertised}: give `public`, such as tcp://city.example:5571")
        return self


class KeysSection(Section):
    """How long the old key of a node stays admitted once its next one has been used."""

    grace_s: float = Field(default=30.0, ge=1, le=3600)


class OperatorsSection(Section):
    """How long a login lasts; whether the owner of the unix socket needs one, and whether reading does."""

    login_h: float = Field(default=12.0, gt=0, le=24 * 31)
    owner_needs_login: bool = False
    reads_need_login: bool = False


class SigningSection(Section):
    """The Ed25519 private key (64 hex digits) that signs tasks."""

    secret_file: Path


class StoreSection(Section):
    """When hot rows are sealed into Parquet: every `seal_every_s`, all but the newest `keep_hot_commits`.

    Everything stored is read again at `scrub_mb_per_s` to find rot, with a pause of `scrub_pause_s` between rounds.
    The engine's log, from which `city replay` works, keeps its newest days within `log_mb`.
    """

    seal_every_s: float = Field(default=60.0, gt=0)
    keep_hot_commits: int = Field(default=500, ge=0)
    scrub_mb_per_s: float = Field(default=2.0, gt=0)
    scrub_pause_s: float = Field(default=600.0, gt=0)
    log_mb: int = Field(default=1024, ge=1)


class AggregatorConfig(Section):
    """All of aggregator.toml."""

    city: CitySection
    clock: ClockSection = ClockSection()
    listen: ListenSection
    edges: list[EdgeSection] = Field(default_factory=list)
    enrol: EnrolSection | None = None
    keys: KeysSection = KeysSection()
    signing: SigningSection | None = None
    processes: ProcessesSection = ProcessesSection()
    store: StoreSection = StoreSection()
    limits: LimitsSection = LimitsSection()
    operators: OperatorsSection = OperatorsSection()
    actuators: dict[str, ActuatorSection] = Field(default_factory=dict)
    audit: AuditSection = AuditSection()
    zones: dict[Identifier, list[str]] = Field(default_factory=dict)
    notify: dict[Identifier, NotifySection] = Field(default_factory=dict)
    reports: ReportsSection | None = None

    @model_validator(mode="after")
    def _one_signer(self) -> "AggregatorConfig":
        if (self.signing is None) == (not self.city.signer):
            raise ValueError("who signs tasks? give the key file in [signing] secret_file, or [city] signer, not both")
        return self

    @model_validator(mode="after")
    def _distinct_edges(self) -> "AggregatorConfig":
        names = [edge.id for edge in self.edges]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two [[edges]] have the id {twice[0]!r}")
        if not self.edges and self.enrol is None:
            raise ValueError("nobody could connect: name edges in [[edges]], or an [enrol] endpoint for tokens")
        return self


def parse(data: object, folder: Path) -> AggregatorConfig:
    """Return the checked config; paths are taken relative to `folder`. Raises: pydantic.ValidationError."""
    return AggregatorConfig.model_validate(data, context={"folder": folder})
