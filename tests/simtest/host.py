"""A machine with a clock, a disk and one process that can die at any time."""

import sqlite3
from collections.abc import Callable, Generator
from pathlib import Path
from types import coroutine
from typing import Any

from .disk import Committer, Drive, PowerCut
from .world import SECOND, World

TRUE_UTC_US = 1_790_000_000_000_000
Start = Callable[[Callable[[Any], None], Callable[[Exception], None]], None]


@coroutine
def suspended(start: Start) -> Generator[Start, Any, Any]:
    """Wait until `start(done, failed)` has called one of both; City.carry looks after it."""
    return (yield start)


class Host:
    """Whatever dies with a crash is planned through `after`; `life` counts the starts of its process."""

    def __init__(self, world: World, name: str, watch: Any) -> None:
        self.world, self.name = world, name
        self.rng = world.rng(f"host {name}")
        self.drive = Drive(world.rng(f"drive {name}"), watch)
        self.life = 0
        self.alive = False
        self.committer: Committer | None = None
        self._powered_us = world.now_us - self.rng.randrange(SECOND, 1000 * SECOND)
        self._rate = 1.0 + self.rng.uniform(-20e-6, 20e-6)
        self.utc_error_us = 0

    @property
    def powered_us(self) -> int:
        """When the present power cycle began."""
        return self._powered_us

    def now(self) -> int:
        """Boottime in us."""
        return int((self.world.now_us - self._powered_us) * self._rate)

    def true_us(self, boottime_us: int) -> float:
        """The true time of a boottime of the present power cycle."""
        return self._powered_us + boottime_us / self._rate

    def utc_s(self) -> float:
        """What the wall clock says: it may be weeks off."""
        return (TRUE_UTC_US + self.world.now_us + self.utc_error_us) / 1e6

    def after(self, wait_us: int, call: Callable[..., None], *args: Any) -> None:
        """Plan a call that the process does not outlive."""
        self.world.after(wait_us, self._if_alive, self.life, call, args)

    def _if_alive(self, life: int, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        if self.alive and self.life == life:
            call(*args)

    def hop(self, call: Callable[[], None]) -> None:
        """Get a call onto the loop, as other threads do."""
        self.after(40, call)

    def open_committer(self, path: Path, **options: Any) -> Committer:
        """Return a committer on this host's disk."""
        rng = self.world.rng(f"commits {self.name} {self.life}")
        self.committer = Committer(self.world, self.drive, rng, self._fatal, path, **options)
        return self.committer

    def _fatal(self, error: Exception) -> None:
        """The disk failed. A power cut takes a moment to end the process: what was promised early gets out."""
        if isinstance(error, PowerCut):
            self.after(3000, self.kill, "power cut in COMMIT", True)
        else:
            self.after(3000, self.kill, f"fatal {type(error).__name__}", False)

    def start(self) -> None:
        """Start the process."""
        self.life += 1
        self.alive = True
        self.world.say(f"start {self.name} life {self.life}")
        try:
            self.started()
        except (PowerCut, sqlite3.Error, OSError) as error:
            self.kill(f"could not start: {type(error).__name__}", isinstance(error, PowerCut))

    def kill(self, why: str, power: bool) -> None:
        """The process is gone at once; with `power` the machine too, so its boottime begins anew."""
        if not self.alive:
            return
        self.world.say(f"kill {self.name}: {why}")
        self.alive = False
        if self.committer is not None:
            self.committer.kill()
        self.died()
        if power:
            self._powered_us = self.world.now_us
        self.world.after(self.rng.randrange(SECOND // 2, 20 * SECOND), self.revive)

    def revive(self) -> None:
        """Start again, as a supervisor does."""
        if not self.alive:
            self.start()

    def started(self) -> None:
        """Build the process."""
        raise NotImplementedError

    def died(self) -> None:
        """Tell the others."""
        raise NotImplementedError
