"""make powercut, third part: `python -m tests.powercut.files --cuts 10000 --seed 1` cuts a board's flash, all of it.

Settings, `state.json` and flash ring are on one flash under real littlefs, on the MicroPython VM; a seed is CUTS cuts.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

CUTS = 250
BUGS = ("in_place", "one_file", "old_places")
REPOSITORY = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("check_files_cuts.py")


def run(seed: int, cuts: int = CUTS, bug: str = "") -> tuple[list[str], int, int]:
    """Return (harm, cuts, operations) of a seed."""
    environment = {**os.environ, "MICROPYPATH": f":{REPOSITORY}:.frozen"}
    command = [str(Path(sys.executable).parent / "micropython"), "-X", "heapsize=8M", str(SCRIPT), str(seed), str(cuts)]
    done = subprocess.run(
        [*command, *filter(None, [bug])], capture_output=True, text=True, timeout=600, check=True, env=environment
    )
    *harm, last = done.stdout.splitlines()
    return harm, int(last.split()[1]), int(last.split()[3])


def main() -> int:
    """Return 0 if no cut did harm, else 1."""
    options = argparse.ArgumentParser(prog="python -m tests.powercut.files", description=__doc__)
    options.add_argument("--cuts", type=int, default=10_000, help="how many power cuts")
    options.add_argument("--seed", type=int, default=1, help="the first seed")
    options.add_argument("--planted", choices=BUGS, default="", help="with this bug put in: harm is expected")
    asked = options.parse_args()
    cuts = operations = harmful = 0
    began, seed = time.monotonic(), asked.seed
    while cuts < asked.cuts:
        harm, done, some = run(seed, min(CUTS, asked.cuts - cuts), asked.planted)
        cuts, operations = cuts + done, operations + some
        if harm:
            harmful += 1
            print(f"seed {seed}: {harm}")
            print(f"  again: python -m tests.powercut.files --seed {seed} --cuts {done}", flush=True)
        seed += 1
    took = time.monotonic() - began
    print(
        f"{cuts} power cuts of a board's files and ring in {seed - asked.seed} seeds, {operations} operations, "
        f"{took:.0f} s: {harmful} harmful"
    )
    return 1 if harmful else 0


if __name__ == "__main__":
    sys.exit(main())
