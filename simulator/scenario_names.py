"""Names in a scenario file that stand for nothing: board files, chips and their sides, world quantities."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from simulator.chip_shelf import make_chip, shelf_of
from simulator.runtime import plan_window
from simulator.scenario import BoardPlace, ChipPlace, Scenario
from simulator.world.make import make_world

Loc: TypeAlias = tuple[str | int, ...]


class Unknown(NamedTuple):
    """A name that stands for nothing: the key it is at, and the names that would do."""

    key: Loc
    found: str
    known: tuple[str, ...]


class WorldError(ValueError):
    """No world can be made from a scenario; `key` says because of what."""

    def __init__(self, message: str, key: Loc) -> None:
        super().__init__(message)
        self.key = key


def unknown(plan: Scenario, boards: Iterable[str]) -> list[Unknown]:
    """Return the unknown names of a scenario, given the names of board files. Raises: WorldError."""
    world, files = world_of(plan), tuple(boards)
    found = []
    for index, place in enumerate(plan.boards):
        at: Loc = ("boards", index)
        found += [*_one(at + ("board",), place.board, files), *_of_board(at, place, world)]
    return found


class Names(NamedTuple):
    """What can be measured in a world, and what moves it."""

    quantities: tuple[str, ...]
    outputs: tuple[str, ...]


def world_of(plan: Scenario) -> Names:
    """Return the names of the world of a scenario. Raises: WorldError."""
    try:
        window = plan_window(plan)
    except ValueError as error:
        raise WorldError(str(error), ("window", "start")) from error
    try:
        world = make_world(plan.world, window, 1, plan.world_parameters)
        return Names(tuple(world.quantities()), world.OUTPUTS)
    except (TypeError, ValueError, AttributeError) as error:
        raise WorldError(str(error), ("world_parameters",)) from error


def _of_board(at: Loc, place: BoardPlace, world: Names) -> Iterator[Unknown]:
    for index, chip in enumerate(place.chips):
        yield from _of_chip((*at, "chips", index), chip, world)
    for index, pulse in enumerate(place.pulses):
        yield from _one((*at, "pulses", index, "of"), pulse.of, world.quantities)
    for index, line in enumerate(place.inputs):
        yield from _one((*at, "inputs", index, "of"), line.of, world.quantities)
    for index, output in enumerate(place.outputs):
        yield from _one((*at, "outputs", index, "drives"), output.drives, world.outputs)


def _of_chip(at: Loc, place: ChipPlace, world: Names) -> Iterator[Unknown]:
    shelf = shelf_of(place)
    yield from _one((*at, "chip"), place.chip, tuple(shelf))
    chip = make_chip(place) if place.chip in shelf else None
    for attribute, measure in place.measures.items():
        key = (*at, "measures", attribute)
        if chip is not None:
            yield from _one(key, attribute.partition(".")[0], _measurable(chip))
        yield from _one((*key, "of"), measure.of, world.quantities)
    for output, drive in place.drives.items():
        key = (*at, "drives", output)
        if chip is not None:
            yield from _one(key, output, getattr(chip, "OUTPUTS", ()))
        yield from _one((*key, "to"), drive.to, world.outputs)


def _measurable(chip: Any) -> tuple[str, ...]:
    """Return the attributes of a virtual chip that hold physical values."""
    return tuple(name for name, value in vars(chip).items() if name[0] != "_" and isinstance(value, float | list))


def _one(key: Loc, found: str, known: tuple[str, ...]) -> Iterator[Unknown]:
    if found not in known:
        yield Unknown(key, found, known)
