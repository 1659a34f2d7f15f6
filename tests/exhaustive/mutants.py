"""make exhaustive-mutants: plants each bug of mutations.py in a process of its own; its world must find it."""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.simtest.mutation import Mutation
from tests.simtest.planted import ROOT, chosen

from .__main__ import VARIABLE
from .mutations import MUTATIONS
from .worlds import PLANS


def main() -> None:
    """Print the table; end with 0 only if every bug was found."""
    options = _options()
    bugs = chosen(MUTATIONS, options.only)
    began = time.perf_counter()
    print(f"{'planted bug':60}{'world':9}{'found as':22}{'trace':>6}{'states':>9}{'s':>7}")
    with ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(lambda mutation: find(mutation, options.depth), bugs))
    alive = [row["name"] for row in rows if not row["broken"]]
    print(f"\n{len(rows) - len(alive)} of {len(rows)} planted bugs found in {time.perf_counter() - began:.0f} s")
    for name in alive:
        print(f"NOT FOUND {name}: an invariant, a fault or a world is missing")
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(1 if alive else 0)


def find(mutation: Mutation, depth: int) -> dict[str, Any]:
    """Return the row of one bug, and print it."""
    command = [sys.executable, "-m", "tests.exhaustive", "--world", mutation.area, "--jobs", "1", "--json"]
    env = {**os.environ, VARIABLE: mutation.name, "PYTHONPATH": str(ROOT)}
    own = next(plan.depth for plan in PLANS if plan.name == mutation.area)
    command += ["--depth", str(max(depth, own))]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    row: dict[str, Any] = {"name": mutation.name, "world": mutation.area, "broken": "", "states": 0, "trace": []}
    if done.stdout.count("\n") > 1 and done.stdout.splitlines()[-1].startswith("["):
        row.update(json.loads(done.stdout.splitlines()[-1])[0])
    else:
        row["text"] = done.stderr[-600:]
    by = row["broken"] or "NOT FOUND " + row.get("text", "")
    took_s = row.get("seconds", 0.0)
    print(f"{row['name']:60}{row['world']:9}{by:22}{len(row['trace']):>6}{row['states']:>9}{took_s:>7.1f}", flush=True)
    return row


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="exhaustive.mutants", description="Planted bugs, one at a time.")
    parser.add_argument("--only", default="", help="parts of names, with commas between")
    parser.add_argument("--depth", type=int, default=9, help="actions, or a world's own if it has more (default 9)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: cores)")
    parser.add_argument("--json", default="", help="also write the table to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
