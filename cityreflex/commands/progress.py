"""A progress bar on stderr, where there is somebody to see it."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Bar:
    """Counts bytes, or steps; draws on a terminal only, so that logs and pipes stay clean."""

    def __init__(self, what: str, total: int | None, *, quiet: bool = False, steps: bool = False) -> None:
        console = Console(stderr=True)
        count = TaskProgressColumn() if steps else DownloadColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)
        self._task = self._progress.add_task(what, total=total)

    def advance(self, what: str, count: int) -> None:
        """Note that `count` bytes more of `what` are done."""
        self._progress.update(self._task, advance=count, description=what)

    def reach(self, what: str, done: int, total: int) -> None:
        """Note that `done` of `total` bytes or steps are done."""
        self._progress.update(self._task, completed=done, total=total or None, description=what)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._progress.stop()
