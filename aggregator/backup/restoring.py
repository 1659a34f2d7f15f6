"""A restore while the city runs: checked and copied beside the data, then changed over between two turns.

Edges stay connected throughout; they hear of a new epoch, ask what is still here and send again what is not.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from ..errors import BackupError, DamagedError, RoomError
from . import swap

ENDING = "ending"
_EXPLAIN_THEMSELVES = (BackupError, DamagedError, RoomError)
_log = structlog.get_logger(__name__)


@dataclass
class Restoring:
    """The one restore that may go on at a time, and how far it is. `change_over` returns where the old data is.

    `rehearse(folder)` opens the copy as a start would, so that what cannot be opened never takes the data's place;
    `later()` is the highest epoch that an edge node has told of.
    """

    folder: Path
    change_over: Callable[[], Awaitable[Path | None]]
    quiet: asyncio.Lock
    rehearse: Callable[[Path], None]
    later: Callable[[], int] = lambda: 0
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
        """Whatever goes wrong ends in the state "failed": who waits for the end may not wait for ever."""
        try:
            await self._prepare(source)
            async with self.quiet:
                await self._change_over()
        except Exception as error:
            self._failed(error)
            return
        self.state = "done"
        _log.warning("restored", source=self.source, epoch=self.epoch, replaced_data=self.aside)

    async def _prepare(self, source: Path) -> None:
        manifest = await asyncio.to_thread(swap.read, source, self._progress)
        self.state, self.total_bytes = "copying", 2 * manifest.total_bytes
        await asyncio.to_thread(swap.stage, source, manifest, self.folder, self._progress)
        self.state = "trying out"
        await asyncio.to_thread(self.rehearse, self.folder / swap.STAGED)

    async def _change_over(self) -> None:
        self.state = "changing over"
        self.epoch = await asyncio.to_thread(swap.arm, self.folder, max(int(time.time()), self.later() + 1))
        self.kind = ENDING
        aside = await self.change_over()
        self.kind, self.aside = "", str(aside.resolve()) if aside else ""

    def _failed(self, error: Exception) -> None:
        """Say why; before the change-over the old store goes on, and what was copied is forgotten."""
        self.error = str(error) if type(error) in _EXPLAIN_THEMSELVES else f"{type(error).__name__}: {error}"
        if self.kind == ENDING:
            _log.error("the change-over failed; the next start completes it", source=self.source, exc_info=error)
        else:
            self.kind = kind_of(error)
            swap.forget(self.folder)
            _log.error("restore failed; the data is as it was", source=self.source, error=self.error)
        self.state = "failed"

    def _progress(self, _: str, count: int) -> None:
        self.done_bytes += count


@contextlib.contextmanager
def telling(changed: "asyncio.Future[Path | None]") -> Iterator[None]:
    """Let who waits for a change-over hear of what ends it, and everybody else too."""
    try:
        yield
    except Exception as error:
        changed.set_exception(error)
        raise


def kind_of(error: Exception) -> str:
    """Return the word by which the command line chooses its exit code."""
    if isinstance(error, BackupError):
        return "not_found" if error.missing else "unverified"
    if isinstance(error, PermissionError):
        return "permission"
    return "room" if isinstance(error, RoomError) else "failed"
