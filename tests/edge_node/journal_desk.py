"""A journal on a real database whose callbacks wait until `settle` runs them, as an event loop would."""

import contextlib
from collections.abc import Callable, Collection
from pathlib import Path
from queue import Empty, Queue

from durable import Committer, DiskFullError
from edge_node.city.uplink import Ask
from edge_node.journal import rows as journal_rows
from edge_node.journal.group import Pending, Stored
from edge_node.journal.journal import Journal
from edge_node.journal.quota import Limits
from edge_node.journal.rows import NewBatch
from protocol.city_link import Clock

CLOCK = Clock(5, 6, 1.0, 2.0, True)
BOOT = "0badcafe-1"


class Desk:
    """`journal` and what it called back with; time passes by `tick`."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.calls: Queue[Callable[[], None]] = Queue()
        self.committer = Committer(path, schema=journal_rows.SCHEMA, migrations=journal_rows.MIGRATIONS)
        self.journal = Journal(self.committer, self.calls.put, "edge-1", limits)
        self.stored: list[Stored] = []

    def pending(self) -> list[Pending]:
        """What is on disk and the city has not acked."""
        return self.journal.page(Ask(0, self.journal.next_row, 100_000)).items

    def settle(self) -> None:
        self._commit()
        while True:
            try:
                self.calls.get_nowait()()
            except Empty:
                if self.committer.backlog == 0 and not self.journal.writing:
                    return
                self._commit()

    def _commit(self) -> None:
        """Wait until what is queued is on disk, or found it full."""
        with contextlib.suppress(DiskFullError):
            self.committer.run(lambda c: None)

    def tick(self, now_s: float, flying: Collection[int] = ()) -> None:
        """Let the journal keep its limits once, and see that through."""
        self.journal.tick(round(now_s * 1e6), lambda: flying)
        self.settle()

    def take(self, first: int, n: int, own: int = 0, marker: int = 0, boot: str = BOOT, alone: bool = True) -> None:
        """Store a frame; not `alone`: it may become one batch with what comes next."""
        batch = new_batch("river-1", boot, first, n, marker)
        if self.journal.is_new(batch):
            made = new_batch("edge-1", "own-1", 0, own) if own else None
            self.journal.store(batch, made, self.stored.append)
            if alone:
                self.settle()
        else:
            self.journal.repeated(batch)


def new_batch(thing: str, boot: str, first: int, n: int, marker: int = 0) -> NewBatch:
    packed = b"".join((first + i + marker).to_bytes(12, "little") for i in range(n))
    return NewBatch(thing, boot, first, n, CLOCK, 77, packed)


def reopened(desk: Desk, limits: Limits | None = None) -> Desk:
    desk.settle()
    desk.committer.close()
    return Desk(desk.committer.path, limits)
