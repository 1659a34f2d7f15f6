"""make crashtest: 1,000 kills of real processes. `python -m tests.crashtest --cycles 1000 --seed 1`."""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from .cycles import Cycles
from .rig import Finding, Rig


def main() -> int:
    """Return 0 if nothing was lost, declared lost, doubled or changed, else 1."""
    options = argparse.ArgumentParser(prog="python -m tests.crashtest", description=__doc__)
    options.add_argument("--cycles", type=int, default=1000, help="how many kills")
    options.add_argument("--seed", type=int, default=1, help="what is done when; times are real, so runs differ")
    options.add_argument("--keep", action="store_true", help="keep the folder of a run that found something")
    options.add_argument("--planted", choices=("eager",), default="", help="acks before commits: a finding is due")
    asked = options.parse_args()
    folder, began = Path(tempfile.mkdtemp(prefix="crashtest-")), time.monotonic()
    rig = Rig(folder, asked.planted)
    cycles = Cycles(rig, Random(asked.seed))
    found = False
    try:
        cycles.run(asked.cycles)
        made = sum(board.head for board in rig.boards)
        print(f"{made} samples made, all stored once and unchanged: 0 unexplained, 0 declared, 0 doubled, 0 conflicts")
    except Finding as finding:
        found = True
        print(f"FOUND after {rig.kills} kills: {finding}")
        print(f"again: python -m tests.crashtest --seed {asked.seed} --cycles {asked.cycles}")
    finally:
        rig.close()
        if not (found and asked.keep):
            shutil.rmtree(folder, ignore_errors=True)
    disks = "on disks of their own" if all(rig.disks) else "WITHOUT full disks (mounting takes root)"
    print(f"{rig.kills} kills, {rig.starts} starts, {time.monotonic() - began:.0f} s, {disks}: {dict(cycles.done)}")
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
