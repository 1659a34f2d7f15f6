"""What `make test` runs after lint, side by side. The last line says what failed. `python -m tests.gate --jobs 2`

System tests start processes and mostly wait; they have the cores when they want them. What only computes (types, unit
tests, seeds) runs in turn beside them, on what they leave: SCHED_IDLE. A session of its own would undo that where the
kernel groups processes by session (kernel.sched_autogroup_enabled): no part begins one.
"""

import argparse
import asyncio
import contextlib
import os
import resource
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parents[1]
PYTEST = ("-m", "pytest", "-n", "{jobs}")


class Part(NamedTuple):
    """A part of the gate: arguments of this Python, in which {jobs} is the number of processes."""

    name: str
    arguments: tuple[str, ...]


SYSTEM = Part(
    "system tests", (*PYTEST, "--dist", "loadfile", "--no-loadscope-reorder", "-m", "system", "tests", "hil_tests")
)
BESIDE = (
    Part("types", ("-m", "mypy")),
    Part("types of board code", ("-m", "mypy", "--config-file", "mypy-micropython.ini")),
    Part("unit tests", (*PYTEST, "-m", "not system")),
    # Four minutes of all cores, or longer until 200 seeds are done.
    Part("seeds", ("-m", "tests.simtest", "--minutes", "24", "--enough", "10200", "--seeds", "100000",
                   "--at-least", "200", "--jobs", "{jobs}", "--budget-cpu-s", "{seeds_cpu_s}")),
)  # fmt: skip


class Gate:
    """One run. `results`: exit code and seconds of each part that ended."""

    def __init__(self, jobs: int, logs: Path) -> None:
        self.values = {"jobs": jobs, "seeds_cpu_s": 240 * jobs}
        self.logs = logs
        self.results: dict[str, tuple[int, float]] = {}
        self.began = time.monotonic()
        self._running: set[Process] = set()

    async def run(self) -> int:
        """Run all to the end, whatever fails; return the exit code."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        await asyncio.gather(self._part(SYSTEM, None), self._in_turn())
        return self._tell()

    async def _in_turn(self) -> None:
        for part in BESIDE:
            path = self.logs / f"{part.name.replace(' ', '-')}.log"
            with path.open("wb") as log:
                code = await self._part(part, log)
            print(f"\n== {part.name}: {'failed' if code else 'passed'}; {path}", flush=True)
            print("\n".join(path.read_text(errors="replace").splitlines()[None if code else -8 :]), flush=True)

    async def _part(self, part: Part, log: IO[bytes] | None) -> int:
        """Run a part; what has a log stands back."""
        began = time.monotonic()
        words = [word.format(**self.values) for word in part.arguments]
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, cwd=ROOT, env=environment, stdin=DEVNULL, stdout=log, stderr=log,
            preexec_fn=stand_back if log else None,
        )  # fmt: skip
        self._running.add(process)
        code = await process.wait()
        self._running.discard(process)
        self.results[part.name] = code, time.monotonic() - began
        return code

    def _stop(self) -> None:
        for process in self._running:
            process.terminate()

    def _tell(self) -> int:
        """Print how each part ended, and at last what failed."""
        print()
        for name, (code, seconds) in self.results.items():
            print(f"{name:20} {f'FAILED ({code})' if code else 'passed':12} {seconds:5.0f} s")
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        failed = [name for name, (code, _) in self.results.items() if code]
        took = f"{time.monotonic() - self.began:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processor time"
        print(f"gate: FAILED: {', '.join(failed)} ({took})" if failed else f"gate: passed in {took}", flush=True)
        return 1 if failed else 0


def stand_back() -> None:
    """Give way to everybody else; child processes inherit it."""
    os.nice(19)
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main() -> None:
    """Run the gate; exit code 1 if a part failed."""
    parser = argparse.ArgumentParser(prog="gate", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="processes of each part (default 2)")
    parser.add_argument("--logs", type=Path, default=ROOT / ".venv" / "gate", help="where each part's output goes")
    options = parser.parse_args()
    options.logs.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(Gate(options.jobs, options.logs).run()))
    sys.exit(130)


if __name__ == "__main__":
    main()
