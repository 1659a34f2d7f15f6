"""Known samples that came again while our copy is sealed: to be compared with Parquet before they are acked. Sans-IO.

Comparing reads a file, so it happens beside the turns. The queue is bounded: what does not fit is not acked, and its
sender sends it again.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_BYTES = 16 << 20
OVERHEAD = 200


class Piece(NamedTuple):
    """Samples [first, first + n) of (thing, boot) that `edge` sent again."""

    edge: str
    thing: str
    boot: str
    first: int
    n: int
    records: bytes


@dataclass
class Doubts:
    """What waits to be compared; one and the same piece waits once."""

    max_bytes: int = MAX_BYTES
    turned_away: int = 0
    checked: int = 0
    _queue: deque[Piece] = field(default_factory=deque)
    _waiting: set[Piece] = field(default_factory=set)
    _bytes: int = 0

    def add(self, piece: Piece) -> None:
        """Queue a piece if there is room."""
        size = len(piece.records) + OVERHEAD
        if piece in self._waiting:
            return
        if self._bytes + size > self.max_bytes:
            self.turned_away += 1
            return
        self._queue.append(piece)
        self._waiting.add(piece)
        self._bytes += size

    def waiting(self) -> list[Piece]:
        """Return all that waits; it stays until `done`."""
        return list(self._queue)

    def done(self, pieces: Iterable[Piece]) -> None:
        """Forget pieces that were compared, or could not be."""
        gone = set(pieces)
        self._queue = deque(piece for piece in self._queue if piece not in gone)
        self._waiting -= gone
        self._bytes = sum(len(piece.records) + OVERHEAD for piece in self._queue)
        self.checked += len(gone)
