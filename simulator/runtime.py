"""Runs a scenario: world, boards, ports, trace and faults, in one asyncio process.

World time follows the scaled city clock, `utc = epoch_utc + speed * (boottime - epoch_boottime)`. Before the
window the world holds its first state, after it its last; the boards run until the run is stopped.
"""

import asyncio
import contextlib
import errno
import json
import resource
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from simulator import faults, scenario
from simulator.wiring import WiredBoard
from simulator.world.make import Storm, World, fixed_window, make_world, storm

TICK_S = 0.02
TRACE_EVERY_S = 0.1
AT_ONCE = 6
START_S = 5.0  # a board that has not opened its link by then is not waited for
DESCRIPTORS = 16  # of one board, at most: wires, pages, pipes, a terminal
NAMED = 8


@dataclass(frozen=True)
class BoardSpec:
    """A board to run: its Thing and the folder with its files."""

    thing: str
    fs_dir: Path


@dataclass(frozen=True)
class WorldClock:
    """The scaled city clock, as everybody else computes it."""

    speed: float
    epoch_boottime_us: int
    epoch_utc_us: int

    def utc_us(self, boottime_us: int) -> int:
        """World time at a boot time."""
        return self.epoch_utc_us + round(self.speed * (boottime_us - self.epoch_boottime_us))


def boottime_us() -> int:
    """CLOCK_BOOTTIME in microseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def plan_window(
    plan: scenario.Scenario,
    *,
    seed: int = 1,
    rain_csv: Path | None = None,
    start: int | str | None = None,
    end: int | str | None = None,
) -> Storm:
    """The window of world time a run will play, with its rain; see `simulator.world.make.storm`."""
    if plan.window is not None:
        return fixed_window(plan.window.start, plan.window.hours)
    return storm(seed=seed, rain_csv=rain_csv, start=start, end=end)


class Run:
    """One run of a scenario. `advance()` is called every 20 ms."""

    def __init__(
        self, plan: scenario.Scenario, run_dir: Path, boards: Iterable[BoardSpec], world: World
    ) -> None:
        self.world = world
        self.quantities: dict[str, float] = world.quantities()
        self.boards = {
            spec.thing: WiredBoard(plan.board(spec.thing), spec.fs_dir, run_dir, self.quantities) for spec in boards
        }
        self._ticking = [board for board in self.boards.values() if board.ticks]
        self._acting = [board for board in self.boards.values() if board.place.acts]
        self._advanced_us = boottime_us()
        for board in self._acting:
            board.watch_outputs(self._drive)

    def _drive(self) -> None:
        """Let the world see all outputs as they are, with motors moved up to now."""
        now_us = boottime_us()
        self.world.advance((now_us - self._advanced_us) / 1e6, 0.0)
        self._advanced_us = now_us
        outputs: dict[str, float] = {}
        for board in self._acting:
            outputs |= board.outputs()
        self.world.drive(outputs)

    def advance(self, clock: WorldClock, window: Storm) -> bool:
        """Bring world and chips up to now; True once the window has been played."""
        if self._acting:
            self._drive()
        now_us = boottime_us()
        target = min(max(clock.utc_us(now_us), window.start_utc_us), window.end_utc_us)
        self.world.advance((now_us - self._advanced_us) / 1e6, max(0, target - self.world.utc_us) / 1e6)
        self._advanced_us = now_us
        self.quantities.update(self.world.quantities())
        for board in self._ticking:
            board.tick()
        return target >= window.end_utc_us

    async def power_on(self) -> None:
        """Power all boards on, AT_ONCE at a time: a board's watchdog runs while it starts, however many others do."""
        starting: list[tuple[WiredBoard, float]] = []
        for board in self.boards.values():
            while len(starting) >= AT_ONCE:
                await asyncio.sleep(TICK_S)
                now = time.monotonic()
                starting = [(each, until) for each, until in starting if not each.link.in_use and now < until]
            board.board.power_on()
            starting.append((board, time.monotonic() + START_S))

    async def stop(self) -> None:
        """Power all boards off."""
        for board in self.boards.values():
            await board.stop()


async def run(
    scenario_name: str | Path,
    run_dir: Path,
    boards: Iterable[BoardSpec],
    *,
    speed: float = 1.0,
    seed: int = 1,
    rain_csv: Path | None = None,
    start: int | str | None = None,
    end: int | str | None = None,
    epoch_boottime_us: int | None = None,
    epoch_utc_us: int | None = None,
    stop: asyncio.Event | None = None,
    own_dir: Path | None = None,
) -> None:
    """Run boards of a scenario until SIGTERM, SIGINT or `stop`. Without an epoch the window starts now.

    `own_dir`: where the trace and the socket for faults go, if not to `run_dir`.
    """
    plan = scenario.load(scenario_name)
    window = plan_window(plan, seed=seed, rain_csv=rain_csv, start=start, end=end)
    clock = WorldClock(
        speed,
        boottime_us() if epoch_boottime_us is None else epoch_boottime_us,
        window.start_utc_us if epoch_utc_us is None else epoch_utc_us,
    )
    stop = stop or asyncio.Event()
    _stop_on_signals(stop)
    own_dir = own_dir or run_dir
    own_dir.mkdir(parents=True, exist_ok=True)
    world = make_world(plan.world, window, seed, plan.world_parameters)
    specs = tuple(boards)
    raise_descriptor_limit(len(specs))
    this = Run(plan, run_dir, specs, world)
    server = await faults.serve(own_dir / "faults.sock", faults.FaultBench(this.boards, world))
    starting = asyncio.create_task(_start(this, plan.name, stop))
    try:
        with (own_dir / "world.jsonl").open("w") as trace:
            await _loop(this, clock, window, trace, stop)
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
    finally:
        starting.cancel()
        server.close()
        await this.stop()
        (own_dir / "faults.sock").unlink(missing_ok=True)


async def _start(this: Run, name: str, stop: asyncio.Event) -> None:
    """Power the boards on and say so; a failure ends the run."""
    try:
        await this.power_on()
    except Exception:
        stop.set()
        raise
    print(f"ready simulator scenario={name} boards={boards_text(this.boards)}", file=sys.stderr, flush=True)


def boards_text(things: Iterable[str]) -> str:
    """Return the names of boards for people: the first few, and how many there are."""
    names = list(things)
    return ",".join(names) if len(names) <= NAMED else f"{','.join(names[:3])},... ({len(names)})"


def raise_descriptor_limit(boards: int) -> None:
    """Make room for the descriptors of so many boards. Raises: OSError: the system does not give that many."""
    needed = 256 + DESCRIPTORS * boards
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        if needed > hard != resource.RLIM_INFINITY:
            raise OSError(
                errno.EMFILE, f"{boards} boards need {needed} open files, this system gives {hard}: see `ulimit -Hn`"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


async def _loop(this: Run, clock: WorldClock, window: Storm, trace: IO[str], stop: asyncio.Event) -> None:
    traced_at, done = 0.0, False
    while not stop.is_set():
        played = this.advance(clock, window)
        if not done and (played or time.monotonic() - traced_at >= TRACE_EVERY_S):
            traced_at = time.monotonic()
            _write(trace, {"utc_us": this.world.utc_us, **this.world.truth()})
        if played and not done:
            done = True
            _write(trace, {"done": True})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TICK_S)


def _write(trace: IO[str], line: dict[str, float]) -> None:
    trace.write(json.dumps(line) + "\n")
    trace.flush()


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
