"""make latency: crosses a threshold many times, prints p50 and p99 by hop, and compares with the goals."""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .rig import Rig

GOALS_MS = {"city, idle": 60.0, "city, half of the ingest limit": 150.0, "edge, idle": 30.0}
FIND_S = 8.0


def summary(spans_ms: list[float]) -> dict[str, float]:
    """Return {n, p50_ms, p99_ms, max_ms} of spans in ms."""
    p50, p99, top = np.percentile(np.array(spans_ms), (50, 99, 100))
    found = {"p50_ms": p50, "p99_ms": p99, "max_ms": top}
    return {"n": len(spans_ms), **{name: round(float(value), 2) for name, value in found.items()}}


async def measure(rig: Rig, crossings: int) -> dict[str, Any]:
    """Return what so many crossings gave. Raises: TimeoutError when none had an effect."""
    found = [await rig.crossing() for _ in range(crossings)]
    good = [pair for pair in found if pair is not None]
    if not good:
        raise TimeoutError(f"none of {crossings} crossings had an effect; see {rig.folder}/logs")
    return {
        "sample_to_pin": summary([pair[0] for pair in good]),
        "contact_to_pin": summary([pair[1] for pair in good]),
        "without_effect": len(found) - len(good),
        "hops": rig.hops(),
    }


async def in_city(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the run through the city with nothing else to do."""
    async with Rig(folder, "city", options.seed) as rig:
        await rig.ready()
        return {"city, idle": await measure(rig, options.crossings)}


async def in_busy_city(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the run through a city that takes in half of what it can; another start, as hops count since then."""
    async with Rig(folder, "city", options.seed) as rig:
        await rig.ready()
        rig.load(0)
        await asyncio.sleep(FIND_S)
        limit = rig.loaded()
        rig.stop("loader")
        rig.load(limit / 2)
        await asyncio.sleep(FIND_S / 2)
        found = await measure(rig, options.crossings)
        return {"city, half of the ingest limit": {**found, "limit_samples_s": limit, "load_samples_s": rig.loaded()}}


async def at_edge(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the run with the process at the edge node."""
    async with Rig(folder, "edge", options.seed) as rig:
        await rig.ready()
        return {"edge, idle": await measure(rig, options.crossings)}


def print_table(runs: dict[str, Any]) -> None:
    """Print each run with its goal, and its hops."""
    print(f"{'run':34}{'n':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}   goal p99")
    for name, run in runs.items():
        row = run["sample_to_pin"]
        met = "met" if row["p99_ms"] < GOALS_MS[name] else "MISSED"
        figures = f"{row['n']:>7}{row['p50_ms']:>9}{row['p99_ms']:>9}{row['max_ms']:>9}"
        print(f"{name:34}{figures}   < {GOALS_MS[name]:g} {met}")
        for hop, values in run["hops"].items():
            print(f"   {hop:31}{values['n']:>7}{values['p50_ms']:>9}{values['p99_ms']:>9}")
        if run["without_effect"]:
            print(f"   {run['without_effect']} crossings had no effect within 5 s")


def main() -> None:
    """Measure; end with 1 if a crossing had no effect. Goals are printed, not asserted: machines differ."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="lat-") as folder:
        runs: dict[str, Any] = {}
        if options.where in ("city", "both"):
            runs |= asyncio.run(in_city(Path(folder) / "c", options))
        if options.where != "edge" and not options.no_load:
            runs |= asyncio.run(in_busy_city(Path(folder) / "l", options))
        if options.where in ("edge", "both"):
            runs |= asyncio.run(at_edge(Path(folder) / "e", options))
    print_table(runs)
    facts = {
        "python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 1), "hardware_nice": os.getpriority(os.PRIO_PROCESS, 0),
    }  # fmt: skip
    if options.json:
        told = {"facts": facts, "goals_p99_ms": GOALS_MS, "runs": runs}
        Path(options.json).write_text(json.dumps(told, indent=1) + "\n")
    sys.exit(any(run["without_effect"] for run in runs.values()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="latency", description="From a threshold crossed to a pin changed.")
    parser.add_argument("--crossings", type=int, default=10_000, help="how many in each run (default 10000)")
    where = "who decides: city (idle, then under load), load (the city under load alone), edge, or both (default)"
    parser.add_argument("--where", choices=("city", "load", "edge", "both"), default="both", help=where)
    parser.add_argument("--no-load", action="store_true", help="leave the run under load out")
    parser.add_argument("--seed", type=int, default=1, help="of the pauses between crossings (default 1)")
    parser.add_argument("--json", default="", help="also write all figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
