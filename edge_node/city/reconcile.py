"""After `city restore`: which streams the city is asked about, and what follows from its answers. Sans-IO.

The restored city has forgotten samples that it had acked. What it lacks and is kept here is sent again; what a
board still holds is taken again; the rest is lost, and this node, which dropped it on the city's word, declares it.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from protocol.city_link import Stored
from protocol.ranges import Ranges

from ..journal.streams import Key

WINDOW = 8
FIRST_RETRY_US = 2_000_000
MAX_RETRY_US = 30_000_000


class Plan(NamedTuple):
    """What becomes of the samples of a stream; `acked` is true in the new epoch."""

    acked: Ranges
    again: Ranges
    recall: Ranges
    declare: Ranges


def plan(acked: Ranges, have: Ranges, received: Ranges, explained: Ranges, kept: Ranges, ring: Ranges) -> Plan:
    """Return what to do: `have` is at the city, `kept` on disk here, `ring` on the board, `explained` not asked for."""
    lacks = acked.difference(have).difference(explained)
    rest = lacks.difference(kept)
    return Plan(
        acked=have.intersection(received),
        again=lacks.intersection(kept),
        recall=rest.intersection(ring),
        declare=rest.difference(ring),
    )


@dataclass
class _Asked:
    """One stream's question: when to ask (again), and the parts of the answer so far."""

    due_us: int = 0
    retry_us: int = FIRST_RETRY_US
    parts: list[Stored] = field(default_factory=list)
    answered: bool = False


class Asks:
    """The open questions, a few at a time, asked again until answered. `left` says how many streams there are."""

    def __init__(self) -> None:
        self._open: OrderedDict[Key, _Asked] = OrderedDict()

    @property
    def left(self) -> int:
        """How many streams are not reconciled yet."""
        return len(self._open)

    def begin(self, keys: Iterable[Key]) -> None:
        """Ask about these, all anew: the city may be another one."""
        self._open = OrderedDict((key, _Asked()) for key in keys)

    def due(self, now_us: int) -> list[Key]:
        """Return the streams to ask about now."""
        found = []
        for key, asked in list(self._open.items())[:WINDOW]:
            if not asked.answered and now_us >= asked.due_us:
                found.append(key)
                asked.due_us, asked.retry_us = now_us + asked.retry_us, min(MAX_RETRY_US, 2 * asked.retry_us)
        return found

    def unsent(self, key: Key) -> None:
        """The question did not leave: ask again at the next chance."""
        if key in self._open:
            self._open[key] = _Asked()

    def answer(self, part: Stored) -> tuple[Ranges, set[int]] | None:
        """Take one part of an answer; return (ranges, gap ids) once it is whole.

        Parts come in order on one connection. A part out of order is of an answer that was cut: it is dropped, and
        the question asked again, since parts of two answers may not be mixed.
        """
        asked = self._open.get((part.thing, part.boot))
        if asked is None or asked.answered:
            return None
        if part.part == 0:
            asked.parts.clear()
        if part.part != len(asked.parts) or (asked.parts and asked.parts[0].parts != part.parts):
            asked.parts.clear()
            return None
        asked.parts.append(part)
        if len(asked.parts) < part.parts:
            return None
        asked.answered = True
        spans = [span for one in asked.parts for span in one.ranges]
        return Ranges(spans), {gap for one in asked.parts for gap in one.gaps}

    def done(self, key: Key) -> None:
        """The stream is reconciled, durably."""
        self._open.pop(key, None)

    def failed(self, key: Key) -> None:
        """What followed from the answer could not be made durable: ask again."""
        if key in self._open:
            self._open[key] = _Asked(due_us=0)
