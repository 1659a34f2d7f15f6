"""make simtest-mutants: plants each bug of mutations.py in a process of its own and waits for the oracle to notice."""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .mutation import Mutation
from .mutations import MUTATIONS
from .planted import ROOT, VARIABLE, chosen

LIMIT_S = 600


def main() -> None:
    """Print the table; end with 0 only if every bug was caught."""
    options = _options()
    if options.worker:
        _work(options)
        return
    bugs = chosen(MUTATIONS, options.only)
    began = time.perf_counter()
    with ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(lambda mutation: _caught(mutation, options), bugs))
    alive = [row["name"] for row in rows if row["invariant"] in ("", "crashed", "does not start")]
    print(f"\n{len(rows) - len(alive)} of {len(rows)} planted bugs caught in {time.perf_counter() - began:.0f} s")
    for name in alive:
        print(f"NOT CAUGHT BY AN INVARIANT {name}: an invariant or a fault is missing")
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(1 if alive else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simtest.mutants", description="Planted bugs, one at a time.")
    parser.add_argument("--only", default="", help="parts of names, with commas between")
    parser.add_argument("--seeds", type=int, default=60, help="seeds to try for each bug (default 60)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--minutes", type=float, default=18.0, help="virtual minutes of each seed (default 18)")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count(), help="processes (default: cores)")
    parser.add_argument("--json", default="", help="also write the table to this file")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help=f"real seconds for each bug (default {LIMIT_S})")
    parser.add_argument("--worker", action="store_true", help="run the seeds with the bug that SIMTEST_MUTANT names")
    return parser.parse_args()


def _caught(mutation: Mutation, options: argparse.Namespace) -> dict[str, Any]:
    """Return the row of one bug, and print it."""
    command = [sys.executable, "-m", "tests.simtest.mutants", "--worker", "--seeds", str(options.seeds)]
    command += ["--first", str(options.first), "--minutes", str(options.minutes)]
    env = {**os.environ, VARIABLE: mutation.name, "PYTHONPATH": str(ROOT)}
    row: dict[str, Any] = {"name": mutation.name, "invariant": "", "seeds": options.seeds, "seed": 0, "text": ""}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=options.limit_s, check=False
        )
        row.update(json.loads(done.stdout.splitlines()[-1]) if done.stdout else {"text": done.stderr[-2000:]})
        if done.returncode or not done.stdout:
            row.update(invariant=row["invariant"] or "does not start", text=done.stderr[-600:])
    except subprocess.TimeoutExpired:
        row.update(text=f"nothing within {options.limit_s:g} s")
    by = row["invariant"] or "SURVIVED"
    print(f"{mutation.name:58} {by:28} {row['seeds']:3} seeds  seed {row['seed']:3}  {row['text'][:90]}", flush=True)
    return row


def _work(options: argparse.Namespace) -> None:
    """Run seeds until one violates something: those that stress the bug's area, in their order."""
    from .planted import plant_from_environment  # noqa: PLC0415

    plant_from_environment()
    from .areas import seeds_of  # noqa: PLC0415
    from .simulation import Setup, run  # noqa: PLC0415

    area = next(m.area for m in MUTATIONS if m.name == os.environ[VARIABLE])
    for at, seed in enumerate(seeds_of(area, options.first, options.seeds)):
        result = run(Setup(seed, options.minutes))
        if result.invariant:
            text = result.violation.strip().splitlines()[0]
            print(json.dumps({"invariant": result.invariant, "seeds": at + 1, "seed": seed, "text": text}))
            return
    print(json.dumps({"invariant": ""}))


if __name__ == "__main__":
    main()
