"""Kills a recorder at random instants, and looks whether what it recorded is what a replay decides."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aggregator.replay.recording import opened
from aggregator.replay.run import Run

REPOSITORY = Path(__file__).parents[2]
EARLY = 0.15  # share of kills during the start


def record(folder: Path, periods: int, kills: int, seed: int) -> int:
    """Record `periods` with so many kills; return how many there were."""
    rng, done = random.Random(seed), 0
    places = sorted(rng.randrange(periods) for _ in range(kills))
    while True:
        command = [sys.executable, "-m", "tests.replay.recorder", str(folder), str(periods)]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        recorder = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)
        if not places:
            recorder.communicate()
            assert recorder.returncode == 0, f"the recorder ended with {recorder.returncode}"
            return done
        if rng.random() < EARLY:
            _let_run(recorder, rng.uniform(0.0, 2.0))
            places.pop(rng.randrange(len(places)))
        else:
            place = places.pop(0)
            _wait_for(recorder, place)
            _let_run(recorder, rng.uniform(0.0, 0.02))
        recorder.send_signal(signal.SIGKILL)
        recorder.wait()
        done += recorder.returncode == -signal.SIGKILL


def _let_run(recorder: "subprocess.Popen[str]", seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        recorder.wait(seconds)


def _wait_for(recorder: "subprocess.Popen[str]", place: int) -> None:
    assert recorder.stdout is not None
    for line in recorder.stdout:
        if int(line) >= place:
            return


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
