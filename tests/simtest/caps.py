"""Bounds that hold at every moment."""

from typing import Any

from .world import Violation


def _at_most(name: str, found: int, limit: int) -> None:
    if found > limit:
        raise Violation("cap", f"{name}: {found}, at most {limit}")


class Caps:
    """Checks queues, windows and tables of all parts."""

    def board(self, node: Any) -> None:
        """A board's ring, window and logs."""
        ring = node.ring
        if not 0 <= ring.head - ring.tail <= ring.capacity:
            raise Violation("cap", f"ring holds {ring.head - ring.tail} of {ring.capacity}")

    def edge(self, core: Any) -> None:
        """A node's window, tasks, waiting frames."""
        _at_most("batches in flight", len(core.uplink.flying), 256)
        _at_most("tasks remembered", len(core.guard.entries), 2000)
        _at_most("causes remembered", len(core.host._acquired), 4096)

    def city(self, core: Any) -> None:
        """The city's book and causes."""
        _at_most("causes remembered", len(core.host._origins), 4096)
        _at_most("open tasks", len(core.dispatcher.book.by_id), 4000)
