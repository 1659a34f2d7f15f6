"""durable.Committer without its thread, so that a cut comes at the same operation each time; and planted bugs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from durable import Disk
from durable.group import GroupCommit, Item


class Eager(GroupCommit):
    """A planted bug: tells that work is done before the commit."""

    def _isolated(self, item: Item) -> None:
        super()._isolated(item)
        item.tell()
        item.done = item.failed = None


class Stepped:
    """The interface of a Committer. Work is committed in `flush`, or at once if `at_once`."""

    def __init__(
        self, path: Path, *, disk: Disk, group: type[GroupCommit] = GroupCommit, at_once: bool = False, **options: Any
    ) -> None:
        self.path, self.disk = path, disk
        self._group, self._at_once = group(path, disk=disk, **options), at_once
        self._queue: list[Item] = []

    def submit(self, work: Any, done: Any = None, failed: Any = None) -> None:
        self._queue.append(Item(work, done, failed))
        if self._at_once:
            self.flush()

    def flush(self) -> None:
        """Commit all that is queued as one group."""
        items, self._queue = self._queue, []
        if items:
            self._group.commit(items)
            for item in items:
                item.tell()

    def run(self, work: Any, timeout_s: float = 60.0) -> Any:
        self.flush()
        item = Item(work)
        self._group.commit([item])
        if item.error is not None:
            raise item.error
        return item.result

    def read(self, query: Callable[[Any], Any]) -> Any:
        return self._group.read(query)

    @property
    def backlog(self) -> int:
        return len(self._queue)

    def health(self) -> dict[str, Any]:
        return {**self._group.health(), "backlog": self.backlog}

    def close(self) -> None:
        self.flush()
        self._group.close()
