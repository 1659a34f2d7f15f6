"""make powercut, second part: `python -m tests.powercut.flash --cuts 10000 --seed 1` cuts a board's flash ring.

A seed is one board with up to 25 cuts in a row, at any erase, program or write of state.json, mid-page too.
"""

import argparse
import sys
import time
from random import Random
from typing import NamedTuple

from .flash_planted import BUGS
from .flash_scene import FlashScene

CUTS = 25
MOODS = ("away", "away", "up", "deaf", "new")
LONELY = ("away", "away", "away", "deaf")


class Result(NamedTuple):
    """What a seed came to."""

    cuts: int
    operations: int
    acquired: int
    problems: list[str]


def run(seed: int, cuts: int = CUTS) -> Result:
    """Return what is wrong after `cuts` cuts in a row of one board."""
    rng = Random(seed)
    scene = FlashScene(rng, rng.choice((2, 3, 6)))
    moods = rng.choice((MOODS, LONELY))
    done = operations = 0
    while done < cuts:
        script = [(rng.choice(moods), rng.choice((3, 30, 90))) for _ in range(5)]
        if len(scene.acquired) % 20 == 19:  # 32 boots without a host are more than a board remembers
            scene.live([("up", 300)])
        done += scene.live(script, rng.choice((1, 2, 3, 4, 6, 9, 14, 20)))
        operations += scene.flash.operations
    if not scene.problems:
        scene.settle()
    return Result(done, operations, sum(map(len, scene.acquired.values())), scene.judge())


def main() -> int:
    """Return 0 if no cut did harm, else 1."""
    options = argparse.ArgumentParser(prog="python -m tests.powercut.flash", description=__doc__)
    options.add_argument("--cuts", type=int, default=10_000, help="how many power cuts")
    options.add_argument("--seed", type=int, default=1, help="the first seed")
    options.add_argument("--planted", choices=sorted(BUGS), help="with this bug put in: harm is expected")
    asked = options.parse_args()
    cuts = operations = acquired = harmful = 0
    began, seed = time.monotonic(), asked.seed
    while cuts < asked.cuts:
        with BUGS.get(asked.planted, BUGS[""])():
            result = run(seed, min(CUTS, asked.cuts - cuts))
        cuts, operations, acquired = cuts + result.cuts, operations + result.operations, acquired + result.acquired
        if result.problems:
            harmful += 1
            print(f"seed {seed}: {result.problems[:5]}")
            print(f"  again: python -m tests.powercut.flash --seed {seed} --cuts {result.cuts}", flush=True)
        seed += 1
    took = time.monotonic() - began
    print(
        f"{cuts} power cuts of flash rings in {seed - asked.seed} seeds, {operations} operations, {acquired} samples, "
        f"{took:.0f} s: {harmful} harmful"
    )
    return 1 if harmful else 0


if __name__ == "__main__":
    sys.exit(main())
