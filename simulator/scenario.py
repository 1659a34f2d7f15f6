"""Schema of a scenario file: which boards exist, what is wired to them, what that measures."""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FOLDER = Path(__file__).parent / "scenarios"


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
    """A virtual chip on a bus, at the far end of a UART or on a 1-Wire pin.

    `name`: that of the sensor or actuator in the board file; `drives`: its outputs that the world answers to.
    """

    name: str
    chip: str
    bus: str | None = None
    uart: str | None = None
    pin: str | None = None
    address: int | None = None
    baud: int = 9600
    measures: dict[str, Measure] = Field(default_factory=dict)
    drives: dict[str, Drive] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _on_one_wire(self) -> "ChipPlace":
        if sum(wire is not None for wire in (self.bus, self.uart, self.pin)) != 1:
            raise ValueError(f"chip {self.name}: give one of bus, uart and pin")
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
    """One board: its Thing, its board file's name, link UART, crystal error, what is wired to it."""

    thing: str
    board: str
    link: str = "uart0"
    baud: int = 115200
    clock_ppm: float = Field(default=0.0, ge=-200, le=200)
    overrides: dict[str, Any] = Field(default_factory=dict)
    chips: tuple[ChipPlace, ...] = ()
    pulses: tuple[PulsePlace, ...] = ()
    inputs: tuple[InputPlace, ...] = ()
    outputs: tuple[OutputPlace, ...] = ()


class Window(_Strict):
    """World time of a scenario that has no storm."""

    start: str
    hours: float = Field(gt=0)


class Scenario(_Strict):
    """A whole scenario file."""

    name: str
    world: Literal["riverside", "classroom"]
    description: str = ""
    window: Window | None = None
    world_parameters: dict[str, Any] = Field(default_factory=dict)
    boards: tuple[BoardPlace, ...]

    def board(self, thing: str) -> BoardPlace:
        """The board of a Thing. Raises: KeyError."""
        for place in self.boards:
            if place.thing == thing:
                return place
        raise KeyError(f"scenario {self.name} has no board {thing}: {[place.thing for place in self.boards]}")


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
