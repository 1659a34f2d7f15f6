"""The whole city as processes of this machine: simulator, aggregator, edge node."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cityreflex.exits import FAILED, CityError

STOP_S = 15.0


class Stack:
    """Processes over one run directory. Leaving the `with` block stops all of them."""

    def __init__(self, folder: Path, sim_options: Sequence[str], scenario: str = "riverside") -> None:
        self.folder = folder
        self._words = {
            "sim": ["sim", "up", scenario, "--dir", str(folder), *sim_options],
            **{
                name: [name, "run", "--config", str(folder / f"{name}.toml")] for name in ("aggregator", "edge")
            },
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Return this stack; nothing runs yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything, the edge first so that its last frames are stored."""
        for name in ("edge", "aggregator", "sim"):
            self.stop(name)

    def start_all(self, wait: Callable[[Callable[[], bool], str], None]) -> None:
        """Start all parts; `wait(condition, what)` waits until the simulator has written the configuration."""
        self.start("sim")
        wait(lambda: (self.folder / "faults.sock").exists(), "the simulator to come up")
        for name in ("aggregator", "edge"):
            self.start(name)

    def check(self) -> None:
        """Raise CityError if a process ended by itself, with the end of its log."""
        for name, process in self._running.items():
            if process.poll() is not None:
                log = self.log(name).read_text(errors="replace").strip().splitlines()[-8:]
                raise CityError(
                    FAILED, f"{name} ended with code {process.returncode}:\n" + "\n".join(log), f"see {self.log(name)}"
                )

    def start(self, name: str) -> None:
        """Start one part: sim, aggregator or edge."""
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "cityreflex", *self._words[name]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C reaches the demo alone, which then stops them in order
            )

    def log(self, name: str) -> Path:
        """Return the file that has what a part printed."""
        return self.folder / "logs" / f"{name}.log"

    def kill(self, name: str) -> None:
        """`kill -9` a part: no handler runs and nothing is flushed."""
        process = self._running.pop(name)
        process.kill()
        process.wait(STOP_S)

    def stop(self, name: str) -> None:
        """Ask a part to end, and make it end."""
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
