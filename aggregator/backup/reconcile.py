"""Answers "which samples and gaps of this stream do you have?", in parts, a few at a time. Sans-IO.

After a restore every edge asks for all its streams at once. Answers are long where a stream has many holes, so
each edge has a short queue of questions, and a turn sends only as many parts as its send queue can take.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from protocol.city_messages import MAX_PARTS, Stored
from protocol.ranges import Ranges, Span

from ..errors import PeerError
from ..ingest import Key

PART_SPANS = 256
PART_GAPS = 1024
MAX_ASKS = 64
PARTS_PER_TURN = 16
Known: TypeAlias = Callable[[Key], tuple[Ranges, list[int]]]
"""The durable ranges and gap ids of a stream, as of now."""


@dataclass
class Reconcile:
    """Questions that wait, and the answer that is being told, per edge."""

    epoch: int
    known: Known
    _asks: dict[str, deque[Key]] = field(default_factory=dict)
    _telling: dict[str, Iterator[Stored]] = field(default_factory=dict)

    def ask(self, edge: str, key: Key) -> None:
        """Queue a question. Raises: PeerError if the edge has too many; it will ask again."""
        asks = self._asks.setdefault(edge, deque())
        if key in asks:
            return
        if len(asks) >= MAX_ASKS:
            raise PeerError("too_many_asks", f"{edge} asks for more than {MAX_ASKS} streams at once")
        asks.append(key)

    def due(self, edges: Iterable[str]) -> list[tuple[str, Stored]]:
        """Return what is to be sent now to these edges, in order."""
        asking = {edge for edge, asks in self._asks.items() if asks or edge in self._telling}
        return [(edge, part) for edge in edges if edge in asking for part in self._next(edge)] if asking else []

    def lost(self, edge: str) -> None:
        """The connection is gone: nothing of what it asked is owed."""
        self._asks.pop(edge, None)
        self._telling.pop(edge, None)

    def _next(self, edge: str) -> Iterator[Stored]:
        room = PARTS_PER_TURN
        while room and (telling := self._answer(edge)) is not None:
            for part in telling:
                yield part
                room -= 1
                if not room:
                    return
            self._telling.pop(edge)

    def _answer(self, edge: str) -> Iterator[Stored] | None:
        """Return the parts that are left of the present answer, or those of the next."""
        if edge not in self._telling and self._asks.get(edge):
            key = self._asks[edge].popleft()
            self._telling[edge] = stored_parts(key, self.epoch, *self.known(key))
        return self._telling.get(edge)


def stored_parts(key: Key, epoch: int, ranges: Ranges, gaps: list[int]) -> Iterator[Stored]:
    """Yield the messages that tell all of it; what is beyond MAX_PARTS of them is left out and sent again."""
    spans = ranges.to_list()
    parts = max(1, -(-len(spans) // PART_SPANS), -(-len(gaps) // PART_GAPS))
    parts = min(parts, MAX_PARTS)
    for at in range(parts):
        yield Stored(*key, epoch, _cut(spans, at), gaps[at * PART_GAPS : (at + 1) * PART_GAPS], at, parts)


def _cut(spans: list[Span], at: int) -> list[Span]:
    return spans[at * PART_SPANS : (at + 1) * PART_SPANS]
