"""Schema of aggregator.toml, and reading of the key files it names."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from .errors import KeyFileError

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="after")
    @classmethod
    def _resolve(cls, value: object, info: ValidationInfo) -> object:
        """Return paths relative to the folder of the config file (validation context `folder`)."""
        folder = (info.context or {}).get("folder")
        if folder is None:
            return value
        if isinstance(value, Path):
            return Path(folder) / value
        if isinstance(value, list):
            return [Path(folder) / item if isinstance(item, Path) else item for item in value]
        return value


class CitySection(_Section):
    """Who this city is, where it keeps its data, where its HTTP interface listens."""

    id: Identifier = "city"
    data_dir: Path
    api: str = Field(default="unix:api.sock", description="unix:PATH (relative to the config file) or HOST:PORT")


class ClockSection(_Section):
    """The city clock: event time = epoch_utc_us + speed * (boottime - epoch_boottime_us). Absent: UTC."""

    speed: float = Field(default=1.0, gt=0, le=100_000)
    epoch_boottime_us: int | None = None
    epoch_utc_us: int | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> "ClockSection":
        if (self.epoch_boottime_us is None) != (self.epoch_utc_us is None):
            raise ValueError("epoch_boottime_us and epoch_utc_us go together: give both or none")
        if self.speed != 1.0 and self.epoch_utc_us is None:
            raise ValueError("a speed other than 1 needs epoch_boottime_us and epoch_utc_us")
        return self


class ListenSection(_Section):
    """The city link's ROUTER socket: ZeroMQ endpoint and the city's CURVE key pair (z85 text files)."""

    endpoint: str = Field(pattern=r"^(tcp|ipc)://.+")
    public_file: Path
    secret_file: Path


class EdgeSection(_Section):
    """One edge node that may connect: its id and its CURVE public key."""

    id: Identifier
    public_file: Path


class SigningSection(_Section):
    """The Ed25519 private key (64 hex digits) that signs tasks."""

    secret_file: Path


class ProcessesSection(_Section):
    """Process files to run here, and extra folders to find their templates in."""

    files: list[Path] = []
    templates: list[Path] = []


class StoreSection(_Section):
    """When hot rows are sealed into Parquet: every `seal_every_s`, all but the newest `keep_hot_commits`."""

    seal_every_s: float = Field(default=60.0, gt=0)
    keep_hot_commits: int = Field(default=500, ge=0)


class AggregatorConfig(_Section):
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

    @model_validator(mode="after")
    def _resolve_api(self, info: ValidationInfo) -> "AggregatorConfig":
        folder = (info.context or {}).get("folder")
        if folder is not None and self.city.api.startswith("unix:"):
            self.city.api = f"unix:{Path(folder) / self.city.api.removeprefix('unix:')}"
        return self


def parse(data: object, folder: Path) -> AggregatorConfig:
    """Return the checked config; paths are taken relative to `folder`. Raises: pydantic.ValidationError."""
    return AggregatorConfig.model_validate(data, context={"folder": folder})


def read_curve_key(path: Path) -> bytes:
    """Return the 40 bytes of z85 text in a CURVE key file. Raises: KeyFileError."""
    key = _read(path).encode()
    if len(key) != 40:
        raise KeyFileError(f"{path}: expected 40 characters of z85 text, found {len(key)}")
    return key


def read_signing_key(path: Path) -> bytes:
    """Return the 32 raw bytes of an Ed25519 private key file of 64 hex digits. Raises: KeyFileError."""
    text = _read(path)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise KeyFileError(f"{path}: expected 64 hex digits (an Ed25519 private key), found {len(text)} chars")
    return key


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}: cannot read the key file: {error}") from error
