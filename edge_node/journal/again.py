"""What a full disk refused and nobody else will ask for again: asked again every second. Sans-IO."""

from collections.abc import Callable

AGAIN_US = 1_000_000


class Again:
    """Works to be handed in again."""

    def __init__(self) -> None:
        self._works: list[Callable[[], None]] = []
        self._next_us = 0

    def later(self, work: Callable[[], None]) -> None:
        """Hand this in at a later tick."""
        self._works.append(work)

    def tick(self, now_us: int) -> None:
        """Hand in what waits, if it is time."""
        if self._works and now_us >= self._next_us:
            self._next_us = now_us + AGAIN_US
            works, self._works = self._works, []
            for work in works:
                work()
