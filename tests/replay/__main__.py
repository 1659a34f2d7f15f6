"""make replaytest: a day is recorded under kill -9, then replayed. `python -m tests.replay --kills 100 --seed 1`."""

import argparse
import sys

from .kills import main

options = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__)
options.add_argument("--kills", type=int, default=100)
options.add_argument("--periods", type=int, default=2880, help="of 30 s; 2880 are a day")
options.add_argument("--seed", type=int, default=1)
asked = options.parse_args()
sys.exit(main(asked.periods, asked.kills, asked.seed))
