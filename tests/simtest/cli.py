"""make simtest: many seeds on all cores. A failing one is printed with the command that repeats it, and shrunk."""

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from typing import Any

from .coverage import missing, table
from .planted import plant_from_environment
from .shrink import shrink
from .simulation import Result, Setup, run

LONG_RUN = 1000


class Tally:
    """What all seeds together gave."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.done = self.events = self.samples = 0
        self.fewest = self.fewest_kinds = 1 << 60
        self.cpu_s = 0.0
        self.taken: Counter[Any] = Counter()
        self.failed: list[Result] = []

    def add(self, result: Result) -> None:
        """Count one seed."""
        self.done += 1
        self.events += result.events
        self.cpu_s += result.seconds
        self.samples += result.counts.get("samples", 0)
        self.taken.update(result.taken)
        if result.invariant:
            self.failed.append(result)
        else:
            self.fewest = min(self.fewest, result.events)
            self.fewest_kinds = min(self.fewest_kinds, len(result.counts) - 1)

    @property
    def seconds(self) -> float:
        """Real time since the beginning."""
        return time.perf_counter() - self.began


def main() -> None:
    """Run seeds; end with 0, or with 1 if an invariant did not hold or a transition was never taken."""
    options = _options()
    if options.trace:
        _alone(options)
    tally = _many(options)
    for result in tally.failed[:1]:
        if not options.no_shrink:
            print_failure(shrink(result, lambda line: print(line, flush=True)))
    _summary(tally, options)
    never = missing(tally.taken) if tally.done >= LONG_RUN else []
    for transition in never:
        print(f"NEVER TAKEN {' '.join(transition)}: a long run has to take every transition")
    sys.exit(1 if tally.failed or never else 0)


def _many(options: argparse.Namespace) -> Tally:
    tally = Tally()
    seeds = range(options.first, options.first + options.seeds)
    spawn = multiprocessing.get_context("spawn")  # does not run __main__ again, which plants a bug before all else
    with spawn.Pool(options.jobs, plant_from_environment, maxtasksperchild=200) as pool:
        for result in pool.imap_unordered(run, (_setup(options, seed) for seed in seeds)):
            tally.add(result)
            if result.invariant:
                print_failure(result)
            if len(tally.failed) >= options.max_failures:
                break
            if options.budget_cpu_s and tally.cpu_s > options.budget_cpu_s and tally.done >= options.at_least:
                break
        pool.terminate()
    return tally


def _alone(options: argparse.Namespace) -> None:
    """Run the first seed in this process and print its trace."""
    result = run(_setup(options, options.first), print if options.trace == "full" else None)
    print(f"seed {result.setup.seed}: {result.events} events, trace {result.trace}, {result.seconds:.2f} s")
    if result.invariant:
        print_failure(result)
    elif options.enough:
        print(f"  again: {command(result.setup)}")
    sys.exit(1 if result.invariant else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simtest", description="The whole system under seeds.")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds (default 100)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--minutes", type=float, default=60.0, help="virtual minutes of each seed (default 60)")
    parser.add_argument("--edges", type=int, default=2, help="edge nodes (default 2)")
    parser.add_argument("--boards", type=int, default=3, help="boards of each edge node, 1 to 3 (default 3)")
    parser.add_argument("--keep", default=None, help="only these faults of the seed, by number: 0,3,7 (- for none)")
    parser.add_argument("--until", type=float, default=None, help="only so many virtual seconds")
    parser.add_argument("--enough", type=int, default=0, help="end the faults once so many events are in sight")
    parser.add_argument("--calm", type=float, default=None, help="end the faults at this virtual second")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count(), help="processes (default: cores)")
    parser.add_argument("--budget-cpu-s", type=float, default=0.0, help="stop after so much processor time")
    parser.add_argument("--at-least", type=int, default=0, help="seeds to run whatever the budget")
    parser.add_argument("--max-failures", type=int, default=1, help="stop after so many failing seeds (default 1)")
    parser.add_argument("--no-shrink", action="store_true", help="do not look for a smaller reproduction")
    parser.add_argument("--trace", choices=("hash", "full"), help="the first seed alone; full: print all that happens")
    parser.add_argument("--json", action="store_true", help="also print a JSON summary, with all transitions")
    return parser.parse_args()


def _setup(options: argparse.Namespace, seed: int) -> Setup:
    keep = None
    if options.keep is not None:
        keep = tuple(int(number) for number in options.keep.split(",") if number.isdigit())
    more = options.until, options.enough, options.calm
    return Setup(seed, options.minutes, options.edges, options.boards, keep, *more)


def command(setup: Setup) -> str:
    """Return the command that repeats a run."""
    words = [f"make simtest SEEDS=1 FIRST_SEED={setup.seed}"]
    words += [f"MINUTES={setup.minutes:g}"] if setup.minutes != 60 else []
    more = [] if (setup.edges, setup.boards) == (2, 3) else [f"--edges {setup.edges} --boards {setup.boards}"]
    more += [] if setup.keep is None else [f"--keep {','.join(map(str, setup.keep)) or '-'}"]
    more += [] if setup.until_s is None else [f"--until {setup.until_s!r}"]
    more += [f"--enough {setup.enough}"] if setup.enough else []
    more += [] if setup.calm_s is None else [f"--calm {setup.calm_s!r}"]
    return " ".join(words + ([f"MORE='{' '.join(more)}'"] if more else []))


def print_failure(result: Result) -> None:
    """Say what is wrong and how to see it again."""
    at_s = result.at_us / 1e6
    print(f"\nseed {result.setup.seed} VIOLATES {result.invariant} at {at_s:.3f} s (trace {result.trace})")
    print(f"  {result.violation}")
    print(f"  again: {command(result.setup)}", flush=True)


def _summary(tally: Tally, options: argparse.Namespace) -> None:
    rate = f"{tally.done / tally.seconds:.2f} seeds/s on {options.jobs} cores, {tally.cpu_s / tally.done:.2f} s a seed"
    most = "at most " if options.enough else ""
    print(f"{tally.done} seeds of {most}{options.minutes:g} virtual minutes in {tally.seconds:.0f} s: {rate}")
    if tally.done > len(tally.failed):
        print(
            f"{tally.events} events, {tally.samples} samples; in each seed at least {tally.fewest} events and "
            f"{tally.fewest_kinds} kinds of fault; {len(tally.failed)} violations"
        )
    print(table(tally.taken))
    if options.json:
        taken = [[*key, count] for key, count in sorted(tally.taken.items())]
        print(json.dumps({"seeds": tally.done, "events": tally.events, "seconds": tally.seconds, "taken": taken}))
