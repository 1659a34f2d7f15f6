"""make exhaustive: search the worlds, print what was covered, and the shortest trace to what is wrong."""

import argparse
import json
import multiprocessing
import os
import resource
import sys
from dataclasses import asdict
from typing import Any

from tests.simtest.planted import plant_edits

VARIABLE = "EXHAUSTIVE_MUTANT"


def plant_from_environment() -> None:
    """Plant the bug that the environment names, if any; before the product is imported."""
    from .mutations import MUTATIONS  # noqa: PLC0415

    name = os.environ.get(VARIABLE)
    if name:
        plant_edits(*next(m for m in MUTATIONS if m.name == name).edits)


def search(job: tuple[str, int, bool]) -> dict[str, Any]:
    """Return what the search of one world found (a Found as a dict), and its memory in MB."""
    name, depth, settle = job
    from .search import Search  # noqa: PLC0415
    from .worlds import PLANS, world  # noqa: PLC0415

    plan = next(plan for plan in PLANS if plan.name == name)
    chosen = world(plan)
    found = Search(chosen, settle).run(depth or plan.depth)
    parts = {"edge": len(chosen.edges), "board": len(chosen.boards), "text_of_world": plan.text}
    return {**asdict(found), **parts, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def main() -> None:
    """Search; end with 0 if nothing is wrong."""
    options = _options()
    plant_from_environment()
    from .worlds import PLANS  # noqa: PLC0415

    names = [plan.name for plan in PLANS if not options.world or plan.name in options.world.split(",")]
    if not names:
        sys.exit(f"no world is named {options.world}; there are {', '.join(plan.name for plan in PLANS)}")
    rows = []
    print(f"{'world':9}{'depth':>6}{'states':>10}{'transitions':>13}{'local':>8}{'s':>8}{'MB':>6}")
    with multiprocessing.get_context("fork").Pool(options.jobs, maxtasksperchild=1) as pool:
        for row in pool.imap(search, [(name, options.depth, not options.no_settle) for name in names], 1):
            rows.append(row)
            print(line(row), flush=True)
            if row["broken"]:
                print(story(row, options.depth), flush=True)
    total = [sum(row[key] for row in rows) for key in ("states", "transitions")]
    print(f"{total[0]} states, {total[1]} transitions; {sum(bool(row['broken']) for row in rows)} violations")
    if options.json:
        print(json.dumps(rows))
    sys.exit(any(row["broken"] for row in rows))


def line(row: dict[str, Any]) -> str:
    """Return one world as a line of the table."""
    depth = f"{row['depth']}{'*' if row['complete'] else ''}"
    local = row["edge"] + row["board"]
    numbers = f"{row['states']:>10}{row['transitions']:>13}{local:>8}{row['seconds']:>8.1f}{row['mb']:>6}"
    return f"{row['world']:9}{depth:>6}{numbers}  {row['text_of_world']}"


def story(row: dict[str, Any], depth: int) -> str:
    """Return a violation: what is wrong, the shortest way to it, the command that finds it again."""
    steps = [f"  {at:2}  {text}" for at, text in enumerate(row["trace"], 1)]
    again = f"make exhaustive WORLD={row['world']} DEPTH={max(depth, row['depth'])}"
    return "\n".join([f"\n{row['world']} VIOLATES {row['broken']}: {row['text']}", *steps, f"  again: {again}\n"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="exhaustive", description="All interleavings, up to a depth.")
    parser.add_argument("--depth", type=int, default=0, help="actions from the start (default: each world's own)")
    parser.add_argument("--world", default="", help="only these worlds, with commas between")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count(), help="processes (default: cores)")
    parser.add_argument("--no-settle", action="store_true", help="do not look whether all comes to rest")
    parser.add_argument("--json", action="store_true", help="also print a JSON summary")
    return parser.parse_args()


if __name__ == "__main__":
    main()
