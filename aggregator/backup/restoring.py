"""A restore while the city runs: checked and copied beside the data, then changed over between two turns.

Edges stay connected throughout; they hear of a new epoch, ask what is still here and send again what is not.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from durable import DurableError

from ..errors import AggregatorError, BackupError, RoomError
from . import swap

_log = structlog.get_logger(__name__)


@dataclass
class Restoring:
    """The one restore that may go on at a time, and how far it is. `change_over` returns where the old data is."""

    folder: Path
    change_over: Callable[[], Awaitable[Path | None]]
    quiet: asyncio.Lock
    state: str = "idle"
    source: str = ""
    done_bytes: int = 0
    total_bytes: int = 0
    epoch: int = 0
    aside: str = ""
    error: str = ""
    kind: str = ""
    _task: asyncio.Task[None] | None = None

    def begin(self, source: Path) -> bool:
        """Start restoring from `source`; False: another restore is going on."""
        if self._task is not None and not self._task.done():
            return False
        self.source, self.done_bytes, self.total_bytes = str(source), 0, 0
        self.aside = self.error = self.kind = ""
        self.state = "checking"
        self._task = asyncio.create_task(self._run(source))
        return True

    def row(self) -> dict[str, Any]:
        """Return the answer of /restore."""
        names = ("state", "source", "done_bytes", "total_bytes", "epoch", "aside", "error", "kind")
        return {name: getattr(self, name) for name in names}

    async def _run(self, source: Path) -> None:
        try:
            await self._restore(source)
        except (AggregatorError, DurableError, OSError) as error:
            self.state, self.error, self.kind = "failed", str(error), kind_of(error)
            _log.error("restore failed; the data is as it was", source=self.source, error=str(error))

    async def _restore(self, source: Path) -> None:
        manifest = await asyncio.to_thread(swap.read, source, self._progress)
        self.state, self.total_bytes = "copying", 2 * manifest.total_bytes
        await asyncio.to_thread(swap.stage, source, manifest, self.folder, self._progress)
        async with self.quiet:
            self.state = "changing over"
            self.epoch = await asyncio.to_thread(swap.arm, self.folder, int(time.time()))
            aside = await self.change_over()
            self.aside = str(aside.resolve()) if aside else ""
        self.state = "done"
        _log.warning("restored", source=self.source, epoch=self.epoch, replaced_data=self.aside)

    def _progress(self, _: str, count: int) -> None:
        self.done_bytes += count


def kind_of(error: Exception) -> str:
    """Return the word by which the command line chooses its exit code."""
    if isinstance(error, BackupError):
        return "not_found" if error.missing else "unverified"
    if isinstance(error, PermissionError):
        return "permission"
    return "room" if isinstance(error, RoomError) else "failed"
