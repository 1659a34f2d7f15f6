"""Schema of a scenario file: which boards exist, what is wired to them, what that measures."""

import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.line import STEP_MS

FOLDER = Path(__file__).parent / "scenarios"
MAX_COPIES = 10_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Measure(_Strict):
    """Physical value of a chip = offset + scale * world quantity + noise of the standard deviation `noise`."""

    of: str
    scale: float = 1.0
    offset: float = 0.0
    noise: float = Field(default=0.0, ge=0)


class Drive(_Strict):
    """What a chip's output does to the world: `to` = offset + scale * output; on from 0.5 where that is a switch."""

    to: str
    scale: float = 1.0
    offset: float = 0.0


class ChipPlace(_Strict):
    """A virtual chip on a bus, an I2S, at the far end of a UART or on a 1-Wire pin.

    `name`: that of the sensor or actuator in the board file; `drives`: its outputs that the world answers to.
    """

    name: str
    chip: str
    bus: str | None = None
    uart: str | None = None
    i2s: str | None = None
    pin: str | None = None
    address: int | None = None
    baud: int = 9600
    measures: dict[str, Measure] = Field(default_factory=dict)
    drives: dict[str, Drive] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _on_one_wire(self) -> "ChipPlace":
        if sum(wire is not None for wire in (self.bus, self.uart, self.i2s, self.pin)) != 1:
            raise ValueError(f"chip {self.name}: give one of bus, uart, i2s and pin")
        return self


class PulsePlace(_Strict):
    """A contact to ground that closes once per `per_pulse` of a rising quantity."""

    name: str
    pin: str
    of: str
    per_pulse: float = Field(gt=0)
    low_us: int = 3000


class InputPlace(_Strict):
    """A pin driven by a world quantity: high when it is 0.5 or more, or low then if `active_low`."""

    pin: str
    of: str
    active_low: bool = False


class OutputPlace(_Strict):
    """A pin that drives something in the world; `pull` is the resistor outside the board."""

    pin: str
    drives: str
    active_low: bool = False
    pull: Literal["up", "down"] = "down"


class BoardPlace(_Strict):
    """One board: its Thing, its board file's name, link UART, crystal error, what is wired to it.

    With `copies` there are so many, THING-1 and up. `step_ms`: how long bytes may be late on its lines, so that several
    are carried together.
    """

    thing: str
    board: str
    link: str = "uart0"
    baud: int = 115200
    copies: int = Field(default=1, ge=1, le=MAX_COPIES)
    step_ms: float = Field(default=STEP_MS, ge=1.0, le=100.0)
    clock_ppm: float = Field(default=0.0, ge=-200, le=200)
    overrides: dict[str, Any] = Field(default_factory=dict)
    chips: tuple[ChipPlace, ...] = ()
    pulses: tuple[PulsePlace, ...] = ()
    inputs: tuple[InputPlace, ...] = ()
    outputs: tuple[OutputPlace, ...] = ()

    @property
    def acts(self) -> bool:
        """Whether it acts on the world."""
        return bool(self.outputs) or any(chip.drives for chip in self.chips)

    def each(self) -> Iterator["BoardPlace"]:
        """Yield itself, or every copy under its own Thing."""
        if self.copies == 1:
            yield self
        else:
            for number in range(1, self.copies + 1):
                yield self.model_copy(update={"thing": f"{self.thing}-{number}", "copies": 1})


class Window(_Strict):
    """World time of a scenario that has no storm."""

    start: str
    hours: float = Field(gt=0)


class Scenario(_Strict):
    """A whole scenario file; `boards` as written there, `places` with every copy."""

    name: str
    world: Literal["riverside", "classroom"]
    description: str = ""
    window: Window | None = None
    world_parameters: dict[str, Any] = Field(default_factory=dict)
    boards: tuple[BoardPlace, ...]

    @model_validator(mode="after")
    def _named_once(self) -> "Scenario":
        names = [place.thing for board in self.boards for place in board.each()]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise ValueError(f"two boards named {twice[0]}")
        return self

    @cached_property
    def places(self) -> dict[str, BoardPlace]:
        """Every board by its Thing."""
        return {place.thing: place for board in self.boards for place in board.each()}

    @property
    def acts(self) -> bool:
        """Whether a board acts on the world."""
        return any(board.acts for board in self.boards)

    def board(self, thing: str) -> BoardPlace:
        """The board of a Thing. Raises: KeyError."""
        if thing not in self.places:
            raise KeyError(f"scenario {self.name} has no board {thing}: {list(self.places)[:20]}")
        return self.places[thing]


def load(name: str | Path) -> Scenario:
    """The scenario of a file, or of a name in `simulator/scenarios/`.

    Raises: FileNotFoundError, tomllib.TOMLDecodeError, pydantic.ValidationError.
    """
    with path_of(name).open("rb") as file:
        return Scenario.model_validate(tomllib.load(file))


def path_of(name: str | Path) -> Path:
    """The path of a scenario file, given itself or a name in `simulator/scenarios/`."""
    path = Path(name)
    return path if path.suffix == ".toml" else FOLDER / f"{name}.toml"


def names() -> list[str]:
    """Names of the scenarios that come with the simulator."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))
