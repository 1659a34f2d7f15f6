"""The virtual world: one heap of events in virtual time, random streams by name, a running hash of all that happens.

Time is whole microseconds. Events of the same time happen in the order in which they were planned, so a seed
gives one history whatever the machine, its clock and its hash seed are.
"""

import heapq
from collections.abc import Callable
from hashlib import blake2b
from random import Random
from typing import Any

SECOND = 1_000_000
MINUTE = 60 * SECOND
RUNAWAY = 600_000


class Violation(BaseException):
    """An invariant does not hold. `name` says which. No `except Exception` of the product hides it."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name, self.text = name, text


class World:
    """Virtual time `now_us`; `events` counts deliveries, `trace` is a hash of the history so far."""

    def __init__(self, seed: int) -> None:
        self.seed, self.now_us, self.events = seed, 0, 0
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._planned = 0
        self._hash = blake2b(digest_size=8)
        self.limit = RUNAWAY
        self.log: Callable[[str], None] | None = None

    def rng(self, name: str) -> Random:
        """Return a random stream of its own: what one part draws changes nothing for the others."""
        return Random(f"{self.seed}/{name}")

    def at(self, when_us: int, call: Callable[..., None], *args: Any) -> None:
        """Plan a call."""
        self._planned += 1
        heapq.heappush(self._heap, (max(when_us, self.now_us), self._planned, call, args))

    def after(self, wait_us: int, call: Callable[..., None], *args: Any) -> None:
        """Plan a call in a while."""
        self._planned += 1
        heapq.heappush(self._heap, (self.now_us + wait_us, self._planned, call, args))

    def run_until(self, end_us: int) -> None:
        """Deliver all events up to a time. Raises: Violation when there is no end to them."""
        heap = self._heap
        while heap and heap[0][0] <= end_us:
            self.now_us, _, call, args = heapq.heappop(heap)
            self.events += 1
            call(*args)
            if self.events > self.limit:
                raise Violation("runaway", f"more than {self.limit} events; the last calls {call.__qualname__}")
        self.now_us = end_us

    def note(self, what: bytes) -> None:
        """Take something that happened into the trace."""
        self._hash.update(b"%d " % self.now_us)
        self._hash.update(what)

    def say(self, text: str) -> None:
        """Take a line into the trace, and print it if somebody listens."""
        self.note(text.encode())
        if self.log is not None:
            self.log(f"{self.now_us / SECOND:11.6f}  {text}")

    @property
    def trace(self) -> str:
        """The hash of the history so far."""
        return self._hash.hexdigest()
