"""Kills a recorder at random instants, and looks whether what it recorded is what a replay decides."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aggregator.replay.recording import opened
from aggregator.replay.run import Run

REPOSITORY = Path(__file__).parents[2]
EARLY = 0.15  # share of kills during the start
AT_END = 60  # periods that are recorded after the last kill, so that none comes too late


class Zygote:
    """Starts recorders, one at a time, and tells how they end."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-m", "tests.replay.recorder"]
        self.process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)  # fmt: skip
        self.pid = 0

    def start(self, folder: Path, periods: int) -> None:
        """Start a recorder."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{folder} {periods}\n")
        self.process.stdin.flush()
        self.pid = int(self._until("pid"))

    def wait_for(self, place: int) -> None:
        """Return once the recorder has come to a place."""
        for line in self._lines():
            assert not line.startswith("ended"), f"the recorder {line} before it came to {place}"
            if int(line) >= place:
                return

    def ended(self) -> int:
        """Return the exit code of the recorder, once it has ended."""
        return int(self._until("ended"))

    def kill(self) -> int:
        """Kill the recorder; return its exit code."""
        os.kill(self.pid, signal.SIGKILL)
        return self.ended()

    def close(self) -> None:
        """End."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(90)

    def _lines(self) -> Iterator[str]:
        assert self.process.stdout is not None
        return iter(self.process.stdout.readline, "")  # a generator over the file would close it with itself

    def _until(self, word: str) -> str:
        for line in self._lines():
            if line.startswith(word):
                return line.split()[1]
        raise AssertionError(f"the zygote ended before it said {word}")


def record(folder: Path, periods: int, kills: int, seed: int) -> int:
    """Record `periods` with so many kills; return how many there were."""
    rng, done, zygote = random.Random(seed), 0, Zygote()
    places = sorted(rng.randrange(periods - AT_END) for _ in range(kills))
    try:
        while places:
            zygote.start(folder, periods)
            if rng.random() < EARLY:
                places.pop(rng.randrange(len(places)))
                _let_go_on(rng.uniform(0.0, 0.3))
            else:
                zygote.wait_for(places.pop(0))
                _let_go_on(rng.uniform(0.0, 0.02))
            done += zygote.kill() == -signal.SIGKILL
        zygote.start(folder, periods)
        assert zygote.ended() == 0
        return done
    finally:
        zygote.close()


def _let_go_on(seconds: float) -> None:
    threading.Event().wait(seconds)


def replay(folder: Path) -> dict[str, Any]:
    """Return the report of a replay of all that a city recorded."""
    with opened(folder) as recording:
        return Run(recording, 0, 2**62).run()


def main(periods: int, kills: int, seed: int) -> int:
    """Return 0 if the replay's hash is the recorded one."""
    with tempfile.TemporaryDirectory(prefix="replaytest-") as name:
        began = time.monotonic()
        done = record(Path(name) / "city", periods, kills, seed)
        took_s, began = time.monotonic() - began, time.monotonic()
        found = replay(Path(name) / "city")
        replayed_s = time.monotonic() - began
        print(f"{periods * 30 / 3600:g} h recorded in {took_s:.0f} s with {done} kills")
        print(f"{found['steps']} steps, {found['samples']} samples, replayed in {replayed_s:.1f} s")
        print(f"recorded {found['recorded']}\nreplayed {found['replayed']}")
        for difference in found["differences"][:3]:
            print(difference)
    fine = found["equal"] and not found["missing_samples"] and done == kills
    print("equal" if fine else f"NOT EQUAL; again: python -m tests.replay --kills {kills} --seed {seed}")
    return int(not fine)
