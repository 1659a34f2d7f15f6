"""Schema of edge.toml, and reading of the key files it names."""

import time
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from protocol.city_clock import CityClock

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


class EdgeSection(_Section):
    """Who this edge node is, where it keeps its journal, where its HTTP interface listens."""

    id: Identifier
    data_dir: Path
    api: str = Field(default="unix:api.sock", description="unix:PATH (relative to the file) or HOST:PORT")


class ClockSection(_Section):
    """The city clock: event time = epoch_utc_us + speed * (boottime - epoch_boottime_us). Default: UTC."""

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

    def city_clock(self) -> CityClock:
        """Return the clock; without epochs the host's UTC of this moment is the epoch."""
        if self.epoch_boottime_us is not None and self.epoch_utc_us is not None:
            return CityClock(self.speed, self.epoch_boottime_us, self.epoch_utc_us)
        return CityClock(1.0, boottime_us(), time.time_ns() // 1000)


class BoardSection(_Section):
    """One board: its Thing, the port it is on (any pyserial URL), the file with its 32-byte key."""

    thing: Identifier
    port: str = Field(min_length=1)
    baud: int = Field(default=115200, ge=1200, le=4_000_000)
    key_file: Path


class CitySection(_Section):
    """The aggregator: ZeroMQ endpoint, CURVE keys (z85 text files), Ed25519 public key of its tasks."""

    endpoint: str = Field(pattern=r"^(tcp|ipc)://.+")
    server_public_file: Path
    public_file: Path
    secret_file: Path
    verify_key_file: Path


class FusionSection(_Section):
    """Kalman filters: process noise (unit^2/s^3) by unit, or by datastream, which goes first."""

    process_noise: float = Field(default=1e-11, gt=0)
    by_datastream: dict[str, float] = {}
    by_unit: dict[str, float] = {"[ppm]": 1e-5, "m": 1e-11, "Cel": 1e-9}


class ProcessesSection(_Section):
    """Process files to run here, and extra folders to find their templates in."""

    files: list[Path] = []
    templates: list[Path] = []
    snapshot_s: float = Field(default=10.0, gt=0)


class GuardSection(_Section):
    """The guard: how long the city's lease lasts without renewal (real ms), and what excludes what."""

    city_lease_ms: int = Field(default=3000, ge=200, le=600_000)
    within_s: float = Field(default=20.0, gt=0, description="time for the feedback to show an effect")
    interlocks: list[list[str]] = []


class EdgeConfig(_Section):
    """All of edge.toml."""

    edge: EdgeSection
    clock: ClockSection = ClockSection()
    boards: list[BoardSection] = Field(min_length=1, max_length=16)
    city: CitySection
    fusion: FusionSection = FusionSection()
    processes: ProcessesSection = ProcessesSection()
    guard: GuardSection = GuardSection()

    @model_validator(mode="after")
    def _distinct(self) -> "EdgeConfig":
        names = [board.thing for board in self.boards] + [self.edge.id]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two Things have the id {twice[0]!r}")
        return self

    @model_validator(mode="after")
    def _resolve_texts(self, info: ValidationInfo) -> "EdgeConfig":
        folder = (info.context or {}).get("folder")
        if folder is None:
            return self
        if self.edge.api.startswith("unix:"):
            self.edge.api = f"unix:{Path(folder) / self.edge.api.removeprefix('unix:')}"
        for board in self.boards:
            if "://" not in board.port:
                board.port = str(Path(folder) / board.port)
        return self


def parse(data: object, folder: Path) -> EdgeConfig:
    """Return the checked config; paths are taken relative to `folder`. Raises: pydantic.ValidationError."""
    return EdgeConfig.model_validate(data, context={"folder": folder})


def boottime_us() -> int:
    """Return CLOCK_BOOTTIME in microseconds: the real time of everything in this process."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def read_board_key(path: Path) -> bytes:
    """Return the 32 raw bytes shared with a board. Raises: KeyFileError."""
    try:
        key = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: cannot read the board key: {error.strerror}") from error
    if len(key) != 32:
        raise KeyFileError(f"{path}: expected 32 raw bytes, found {len(key)}")
    return key


def read_curve_key(path: Path) -> bytes:
    """Return the 40 bytes of z85 text in a CURVE key file. Raises: KeyFileError."""
    key = _text(path).encode()
    if len(key) != 40:
        raise KeyFileError(f"{path}: expected 40 characters of z85 text, found {len(key)}")
    return key


def read_verify_key(path: Path) -> bytes:
    """Return the 32 raw bytes of an Ed25519 public key file of 64 hex digits. Raises: KeyFileError."""
    text = _text(path)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise KeyFileError(f"{path}: expected 64 hex digits (Ed25519 public key), found {len(text)} chars")
    return key


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}: cannot read the key file: {error}") from error
