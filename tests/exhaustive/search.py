"""Breadth-first search through all states of a world, to a depth or until nothing new is found."""

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from .parts import Broken

State = tuple[Any, ...]
Action = tuple[Any, ...]
MAX_STATES = 6_000_000


class World(Protocol):
    """What can be searched. `actions` are what may happen in a state; `after` raises Broken."""

    name: str

    def start(self) -> State:
        """Return the first state."""

    def actions(self, state: State) -> Iterator[Action]:
        """Return what may happen now."""

    def after(self, state: State, action: Action) -> State:
        """Return the state after it. Raises: Broken."""

    def settle(self, state: State) -> None:
        """Let faults end and time pass. Raises: Broken if something does not come to rest."""

    def words(self, action: Action) -> str:
        """Return what happens, for people."""


@dataclass
class Found:
    """What a search found. `complete`: no state is left that was not looked at; `seconds` of processor time."""

    world: str
    depth: int = 0
    states: int = 0
    transitions: int = 0
    seconds: float = 0.0
    complete: bool = False
    broken: str = ""
    text: str = ""
    trace: list[str] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)


class Search:
    """One search; memory is bounded by `max_states`."""

    def __init__(self, world: World, settle: bool = True, max_states: int = MAX_STATES) -> None:
        self._world, self._settle, self._max = world, settle, max_states
        self._seen: dict[State, int] = {}
        self._parent, self._how = array("i"), array("i")
        self._actions: list[Action] = []
        self._numbers: dict[Action, int] = {}
        self.found = Found(world.name)

    def run(self, depth: int) -> Found:
        """Search to `depth` actions from the start, or until all is seen."""
        began, found = time.process_time(), self.found
        layer = [self._world.start()]
        self._add(layer[0], -1, ())
        try:
            while layer and found.depth < depth and len(self._seen) <= self._max:
                layer = self._next_layer(layer)
                found.depth += bool(layer)
                found.widths.append(len(layer))
            found.complete = not layer
        except Broken as broken:
            found.broken, found.text = broken.name, broken.text
        found.states, found.seconds = len(self._seen), time.process_time() - began
        return found

    def _next_layer(self, layer: list[State]) -> list[State]:
        found: list[State] = []
        world, seen = self._world, self._seen
        for state in layer:
            number = seen[state]
            for action in world.actions(state):
                self.found.transitions += 1
                try:
                    following = world.after(state, action)
                    if following in seen:
                        continue
                    if self._settle:
                        world.settle(following)
                except Broken:
                    self.found.trace = [world.words(a) for a in (*self._path(number), action)]
                    self.found.depth = len(self.found.trace)
                    raise
                self._add(following, number, action)
                found.append(following)
            if len(seen) > self._max:
                break
        return found

    def _add(self, state: State, parent: int, action: Action) -> None:
        self._seen[state] = len(self._seen)
        self._parent.append(parent)
        how = self._numbers.setdefault(action, len(self._actions))
        if how == len(self._actions):
            self._actions.append(action)
        self._how.append(how)

    def _path(self, number: int) -> list[Action]:
        """Return the actions that lead to a state, the shortest way."""
        path: list[Action] = []
        while self._parent[number] >= 0:
            path.append(self._actions[self._how[number]])
            number = self._parent[number]
        return path[::-1]
