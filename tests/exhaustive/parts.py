"""Local states: each part of a world in each state it was ever in, kept once, under a number.

A world's state is a few such numbers. The product's code runs once for each (local state, event) and its outcome is
remembered; all interleavings of the parts then cost table look-ups.
"""

import copyreg
import io
import pickle
from collections.abc import Hashable
from typing import Any

Event = tuple[Hashable, ...]


class Broken(BaseException):
    """An invariant does not hold. `name` says which. No `except Exception` of the product hides it."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name, self.text = name, text


_CONSTANTS: list[Any] = []
_PLACES: dict[bytes, int] = {}


def constant(kind: type[Any]) -> None:
    """Keep each value of a class once: copies of states share it. Its objects are never changed."""
    copyreg.pickle(kind, _reduced)


def _reduced(value: Any) -> tuple[Any, tuple[int]]:
    place = value.__dict__.get("_place")
    if place is None:
        key = pickle.dumps((type(value), sorted(value.__dict__.items())), 5)
        place = _PLACES.setdefault(key, len(_CONSTANTS))
        if place == len(_CONSTANTS):
            object.__setattr__(value, "_place", place)
            _CONSTANTS.append(value)
    return _at, (place,)


def _at(place: int) -> Any:
    return _CONSTANTS[place]


def canonical(part: Any) -> bytes:
    """Return bytes that are equal for equal states: values only, nothing of which objects are shared."""
    out = io.BytesIO()
    pickler = pickle.Pickler(out, 5)
    pickler.fast = True
    pickler.dump(part)
    return out.getvalue()


class Parts:
    """All states of one kind of part. A part has `do(event) -> tuple of outputs` and is plain data."""

    def __init__(self) -> None:
        self._blobs: list[bytes] = []
        self._numbers: dict[bytes, int] = {}
        self._known: dict[tuple[int, Event], tuple[int, tuple[Any, ...]] | Broken] = {}
        self._facts: list[Any] = []

    def number(self, part: Any) -> int:
        """Return the number of a state; a new one is kept."""
        key = canonical(part)
        number = self._numbers.setdefault(key, len(self._blobs))
        if number == len(self._blobs):
            self._blobs.append(pickle.dumps(part, 5))
            self._facts.append(part.facts())
        return number

    def part(self, number: int) -> Any:
        """Return a copy of a state."""
        return pickle.loads(self._blobs[number])

    def facts(self, number: int) -> Any:
        """Return what worlds need to know of a state."""
        return self._facts[number]

    def step(self, number: int, event: Event) -> tuple[int, tuple[Any, ...]]:
        """Return (number of the next state, outputs). Raises: Broken, each time anew."""
        key = (number, event)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._run(number, event)
        if isinstance(found, Broken):
            raise Broken(found.name, found.text)
        return found

    def _run(self, number: int, event: Event) -> tuple[int, tuple[Any, ...]] | Broken:
        part = self.part(number)
        try:
            out = part.do(event)
        except Broken as broken:
            return broken
        return self.number(part), out

    def all_facts(self) -> list[Any]:
        """Return the facts of every state that was reached."""
        return self._facts

    def __len__(self) -> int:
        return len(self._blobs)
