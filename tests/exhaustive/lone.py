"""A world of one part that knows by itself what may happen to it. `facts()` of such a part are `Doings`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from .parts import Parts
from .search import Action


class Doings(NamedTuple):
    """What may happen to a part now, and how often what the world is about has come true."""

    actions: tuple[Action, ...]
    done: int


@dataclass(frozen=True)
class LonePlan:
    """`make()` returns the part; `texts` by name of an action, its words as {0}, {1}."""

    name: str
    text: str
    make: Callable[[], Any]
    texts: dict[str, str]
    depth: int


class Lone:
    """The world of a plan. Its part takes ("settle",): faults end; raises Broken if it does not come right."""

    def __init__(self, plan: LonePlan) -> None:
        self.plan, self.name = plan, plan.name
        self.edges, self.boards = Parts(), Parts()

    def start(self) -> tuple[int]:
        """Return the first state."""
        return (self.edges.number(self.plan.make()),)

    def actions(self, state: tuple[int]) -> Iterator[Action]:
        """Return what may happen now."""
        return iter(self.edges.facts(state[0]).actions)

    def after(self, state: tuple[int], action: Action) -> tuple[int]:
        """Return the state after an action. Raises: Broken."""
        return (self.edges.step(state[0], action)[0],)

    def settle(self, state: tuple[int]) -> None:
        """Let faults end. Raises: Broken."""
        self.edges.part(state[0]).do(("settle",))

    def done(self) -> int:
        """Return how often, at most, what the world is about came true."""
        return max(facts.done for facts in self.edges.all_facts())

    def words(self, action: Action) -> str:
        """Return what happens, for people."""
        return self.plan.texts[action[0]].format(*action[1:])
