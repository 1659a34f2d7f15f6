"""Names in a scenario file that stand for nothing: board files, chips, what chips measure, world quantities."""

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
    quantities, files = quantities_of(plan), tuple(boards)
    found = []
    for index, place in enumerate(plan.boards):
        at: Loc = ("boards", index)
        found += [*_one(at + ("board",), place.board, files), *_of_board(at, place, quantities)]
    return found


def quantities_of(plan: Scenario) -> tuple[str, ...]:
    """Return what can be measured in the world of a scenario. Raises: WorldError."""
    try:
        window = plan_window(plan)
    except ValueError as error:
        raise WorldError(str(error), ("window", "start")) from error
    try:
        return tuple(make_world(plan.world, window, 1, plan.world_parameters).quantities())
    except (TypeError, ValueError, AttributeError) as error:
        raise WorldError(str(error), ("world_parameters",)) from error


def _of_board(at: Loc, place: BoardPlace, quantities: tuple[str, ...]) -> Iterator[Unknown]:
    for index, chip in enumerate(place.chips):
        yield from _of_chip((*at, "chips", index), chip, quantities)
    for index, pulse in enumerate(place.pulses):
        yield from _one((*at, "pulses", index, "of"), pulse.of, quantities)
    for index, line in enumerate(place.inputs):
        yield from _one((*at, "inputs", index, "of"), line.of, quantities)


def _of_chip(at: Loc, place: ChipPlace, quantities: tuple[str, ...]) -> Iterator[Unknown]:
    shelf = shelf_of(place)
    yield from _one((*at, "chip"), place.chip, tuple(shelf))
    able = _measurable(make_chip(place)) if place.chip in shelf else None
    for attribute, measure in place.measures.items():
        key = (*at, "measures", attribute)
        if able is not None:
            yield from _one(key, attribute.partition(".")[0], able)
        yield from _one((*key, "of"), measure.of, quantities)


def _measurable(chip: Any) -> tuple[str, ...]:
    """Return the attributes of a virtual chip that hold physical values."""
    return tuple(name for name, value in vars(chip).items() if name[0] != "_" and isinstance(value, float | list))


def _one(key: Loc, found: str, known: tuple[str, ...]) -> Iterator[Unknown]:
    if found not in known:
        yield Unknown(key, found, known)
