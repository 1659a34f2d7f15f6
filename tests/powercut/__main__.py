"""make powercut: 3,000 power cuts. `python -m tests.powercut --cuts 3000 --seed 1`; one seed is CUTS cuts in a row."""

import argparse
import logging
import sys
import time

import structlog

from .chain import CUTS, SCENES, run
from .planted import BUGS


def main() -> int:
    """Return 0 if no cut did harm, else 1."""
    options = argparse.ArgumentParser(prog="python -m tests.powercut", description=__doc__)
    options.add_argument("--cuts", type=int, default=3000, help="how many power cuts")
    options.add_argument("--seed", type=int, default=1, help="the first seed")
    options.add_argument("--planted", choices=sorted(BUGS), help="with this bug put in: harm is expected")
    asked = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    planted = BUGS.get(asked.planted)
    cuts = operations = harmful = 0
    began, seed = time.monotonic(), asked.seed
    while cuts < asked.cuts:
        result = run(seed, planted, cuts=min(CUTS, asked.cuts - cuts))
        cuts, operations = cuts + result.cuts, operations + result.operations
        if result.problems:
            harmful += 1
            print(f"seed {seed} ({SCENES[seed % len(SCENES)].__name__}), cut {result.cuts}: {result.problems}")
            print(f"  again: python -m tests.powercut --seed {seed} --cuts {result.cuts}", flush=True)
        seed += 1
    took = time.monotonic() - began
    print(
        f"{cuts} power cuts in {seed - asked.seed} seeds, {operations} disk operations, {took:.0f} s: {harmful} harmful"
    )
    return 1 if harmful else 0


if __name__ == "__main__":
    sys.exit(main())
