"""Schema of edge.toml."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from service.risk import ActuatorSection
from service.sections import AuditSection, ClockSection, Identifier, ProcessesSection, Section, ServiceSection

from .journal.quota import BOOTS_PER_BOARD, Limits
from .quality.section import QualitySection


class BoardSection(Section):
    """One board: its Thing, the port it is on (any pyserial URL), the file with its 32-byte key."""

    thing: Identifier
    port: str = Field(min_length=1)
    baud: int = Field(default=115200, ge=1200, le=4_000_000)
    key_file: Path


class CitySection(Section):
    """The aggregator: ZeroMQ endpoint, CURVE keys (z85 text files), Ed25519 public key of its tasks.

    `public_file`: where the public half of the secret is kept for people; the node itself does without.
    """

    endpoint: str = Field(pattern=r"^(tcp|ipc)://.+")
    server_public_file: Path
    public_file: Path | None = None
    secret_file: Path
    verify_key_file: Path
    reconnect_max_s: float = Field(default=8.0, ge=0.5, le=600, description="longest random wait between two hellos")


class JournalSection(Section):
    """What the journal may hold: see docs/journal.md. The city's copy of what it acked is worth `retain_h` hours."""

    max_bytes: int = Field(default=2 << 30, ge=1 << 20, description="bytes of journal.db in use")
    when_full: Literal["drop_oldest", "refuse"] = "drop_oldest"
    retain_h: float = Field(default=48.0, ge=0, le=24 * 366, description="keep what the city acked; 0: delete it")
    boots_per_board: int = Field(default=BOOTS_PER_BOARD, ge=1, description="starts of one board that are ever taken")

    def limits(self) -> Limits:
        """Return them as the journal takes them."""
        return Limits(self.max_bytes, self.when_full, self.retain_h)


class FusionSection(Section):
    """Kalman filters: process noise (unit^2/s^3) by unit, or by datastream, which goes first."""

    process_noise: float = Field(default=1e-11, gt=0)
    by_datastream: dict[str, float] = Field(default_factory=dict)
    by_unit: dict[str, float] = Field(default_factory=lambda: {"[ppm]": 1e-5, "m": 1e-11, "Cel": 1e-9})


class EdgeProcessesSection(ProcessesSection):
    """Process files to run here, extra folders for templates, and how often their state is saved."""

    snapshot_s: float = Field(default=10.0, gt=0)
    log_mb: int = Field(default=64, ge=1, description="of the engine's log, for replays; the oldest days go first")


class GuardSection(Section):
    """The guard: how long a lease lasts without renewal (real ms), what excludes what, how careful to be with whom.

    `select_ms`: how long an actuator stays selected; `actuators`: by id, such as [guard.actuators."gate-1/opening"].
    """

    city_lease_ms: int = Field(default=3000, ge=200, le=600_000)
    within_s: float = Field(default=20.0, gt=0, description="time for the feedback to show an effect")
    select_ms: int = Field(default=10_000, ge=100, le=600_000)
    interlocks: list[list[str]] = Field(default_factory=list)
    actuators: dict[str, ActuatorSection] = Field(default_factory=dict)

    @field_validator("interlocks")
    @classmethod
    def _each_excludes(cls, groups: list[list[str]]) -> list[list[str]]:
        for group in groups:
            if len(set(group)) != len(group) or len(group) < 2:
                raise ValueError(f"found {group}; expected two actuators or more, each once")
        return groups


class EdgeConfig(Section):
    """All of edge.toml."""

    edge: ServiceSection
    clock: ClockSection = ClockSection()
    boards: list[BoardSection] = Field(min_length=1, max_length=16)
    city: CitySection
    journal: JournalSection = JournalSection()
    fusion: FusionSection = FusionSection()
    quality: QualitySection = QualitySection()
    processes: EdgeProcessesSection = EdgeProcessesSection()
    guard: GuardSection = GuardSection()
    audit: AuditSection = AuditSection()

    @model_validator(mode="after")
    def _distinct(self) -> "EdgeConfig":
        names = [board.thing for board in self.boards] + [self.edge.id]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two Things have the id {twice[0]!r}")
        return self

    @model_validator(mode="after")
    def _guarded(self) -> "EdgeConfig":
        self._name_boards("guard", "ACTUATOR", [*self.guard.actuators, *(n for g in self.guard.interlocks for n in g)])
        self._name_boards("quality", "CHANNEL", self.quality.names())
        return self

    def _name_boards(self, section: str, what: str, names: list[str]) -> None:
        things = {board.thing for board in self.boards}
        for name in names:
            thing, _, part = name.partition("/")
            if thing not in things or not part:
                known = ", ".join(sorted(things))
                raise ValueError(f"[{section}] names {name!r}; expected THING/{what} of a board here: {known}")

    @model_validator(mode="after")
    def _resolve_texts(self, info: ValidationInfo) -> "EdgeConfig":
        folder = (info.context or {}).get("folder")
        if folder is None:
            return self
        for board in self.boards:
            if "://" not in board.port:
                board.port = str(Path(folder) / board.port)
        return self


def parse(data: object, folder: Path) -> EdgeConfig:
    """Return the checked config; paths are taken relative to `folder`. Raises: pydantic.ValidationError."""
    return EdgeConfig.model_validate(data, context={"folder": folder})
