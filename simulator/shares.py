"""Runs the boards of a large scenario in several processes, as one interpreter carries only so many.

Each runs `runtime.run` with a share of the boards and a world of its own. Worlds agree as long as nothing acts on them,
so a scenario whose boards do is not shared out. Faults go to `<run>/faults.sock` as ever, from there to the share.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator import faults, runtime
from simulator.runtime import BoardSpec, boards_text, raise_descriptor_limit

BOARDS_EACH = 250
STOP_S = 60.0


class ShareError(RuntimeError):
    """A process with a share of the boards ended, or would disagree with the others."""


def processes_for(boards: int, acts: bool) -> int:
    """Return in how many processes so many boards are carried on this machine."""
    return 1 if acts else max(1, min(os.cpu_count() or 1, -(-boards // BOARDS_EACH)))


class FaultRouter:
    """Passes faults on to the share that has the board, or to all, and joins what they answer."""

    def __init__(self, sockets: dict[Path, set[str]]) -> None:
        """`sockets`: where each share listens, and its boards."""
        self._sockets = sockets

    def apply(self, fault: faults.Fault) -> faults.Fault:
        """Return the answer, as `faults.FaultBench.apply` does."""
        thing = fault.get("thing")
        asked = [path for path, things in self._sockets.items() if thing is None or thing in things]
        if not asked:
            return {"ok": False, "error": f"no board {thing!r}"}
        answers = [self._one(path, fault) for path in asked]
        joined = dict(next((answer for answer in answers if not answer["ok"]), answers[0]))
        if "boards" in joined:
            joined["boards"] = {name: row for answer in answers for name, row in answer["boards"].items()}
        return joined

    def _one(self, path: Path, fault: faults.Fault) -> faults.Fault:
        try:
            return faults.send(path, fault, timeout_s=60.0)
        except (OSError, ValueError) as error:
            return {"ok": False, "error": f"{path.parent.name} does not answer: {error}"}


async def run(
    scenario_name: str | Path, run_dir: Path, boards: Sequence[BoardSpec], processes: int, **options: Any
) -> None:
    """Run the boards in so many processes until SIGTERM or SIGINT; `options` are those of `runtime.run`.

    Raises: ShareError: a process ended by itself.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    shares = [_Share(run_dir, place, boards[place::processes]) for place in range(processes)]
    server = await faults.serve(run_dir / "faults.sock", FaultRouter({each.socket: each.things for each in shares}))
    try:
        for share in shares:
            await share.start(scenario_name, options)
        await _until_first(stop.wait(), _ready(shares, boards, stop), *(share.ended() for share in shares))
    finally:
        server.close()
        (run_dir / "faults.sock").unlink(missing_ok=True)
        await asyncio.gather(*(share.stop() for share in shares))


async def _ready(shares: Sequence["_Share"], boards: Sequence[BoardSpec], stop: asyncio.Event) -> None:
    for share in shares:
        await share.ready.wait()
    names = boards_text(spec.thing for spec in boards)
    print(f"ready simulator processes={len(shares)} boards={names}", file=sys.stderr, flush=True)
    await stop.wait()


async def _until_first(*waits: Any) -> None:
    """Wait for the first of several ends, and raise what it raised."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for task in done:
        task.result()


class _Share:
    """One process with its boards."""

    def __init__(self, run_dir: Path, place: int, boards: Sequence[BoardSpec]) -> None:
        self.ready = asyncio.Event()
        self.things = {spec.thing for spec in boards}
        self._run_dir = run_dir
        self._own_dir = run_dir / "shares" / str(place)
        self.socket = self._own_dir / "faults.sock"
        self._boards = boards
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, scenario_name: str | Path, options: dict[str, Any]) -> None:
        """Start it; it is told on its standard input what to run, and ends when that does."""
        self._own_dir.mkdir(parents=True, exist_ok=True)
        told = {
            "scenario": str(scenario_name), "run_dir": str(self._run_dir), "own_dir": str(self._own_dir),
            "boards": [[spec.thing, str(spec.fs_dir)] for spec in self._boards], "options": options,
        }  # fmt: skip
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "simulator.shares", stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            process_group=0,
        )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told, default=str).encode() + b"\n")
        await self._process.stdin.drain()

    async def ended(self) -> None:
        """Pass on what it says, until it ends. Raises: ShareError."""
        assert self._process is not None and self._process.stderr is not None
        while line := await self._process.stderr.readline():
            if line.startswith(b"ready "):
                self.ready.set()
            else:
                sys.stderr.write(line.decode(errors="replace"))
        raise ShareError(f"the process of {boards_text(self.things)} ended with code {await self._process.wait()}")

    async def stop(self) -> None:
        """End it, orderly if it can."""
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.communicate(), STOP_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


async def _serve(told: dict[str, Any]) -> None:
    """Run a share until its parent ends it or ends itself."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 1) else stop.set())
    specs = [BoardSpec(thing, Path(fs_dir)) for thing, fs_dir in told["boards"]]
    own_dir, run_dir = Path(told["own_dir"]), Path(told["run_dir"])
    options = told["options"]
    rain = options.get("rain_csv")
    options["rain_csv"] = None if rain is None else Path(rain)
    await runtime.run(told["scenario"], run_dir, specs, stop=stop, own_dir=own_dir, **options)
    loop.remove_reader(sys.stdin.fileno())


def main() -> None:
    """Run the share that the first line of the standard input describes."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(sys.stdin.fileno(), 1 << 16)
        if not byte:
            return
        line += byte
    told = json.loads(line)
    raise_descriptor_limit(len(told["boards"]))
    asyncio.run(_serve(told))


if __name__ == "__main__":
    main()
