"""COBS encoding on a board's VM: native code beside the same in Python, in one run of MicroPython's unix port."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
GOAL = 20.0


def run(_: Path) -> list[dict[str, Any]]:
    """Return a row for each frame size: us of both, their ratio, the goal for it. Raises: CalledProcessError."""
    command = [str(Path(sys.executable).parent / "micropython"), str(HERE / "cobs_on_vm.py")]
    path = f"{HERE.parents[1]}:.frozen"
    done = subprocess.run(command, env={"MICROPYPATH": path}, capture_output=True, text=True, check=True)
    return [{**row, "goal": GOAL} for row in json.loads(done.stdout)]


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the table for people."""
    return [
        f"COBS of {row['bytes']:4} bytes        native {row['native_us']:8.2f} us   Python {row['plain_us']:8.2f} us   "
        f"ratio {row['ratio']:6.1f}  goal {row['goal']:g}"
        for row in rows
    ]
