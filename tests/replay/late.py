"""Frames that come late and shuffled, beside the same frames in order: what is known in the end must be the same.

    python -m tests.replay.late --frames 1000000 --seed 1
"""

import argparse
import sys
import time
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

import numpy as np

from processes.engine import Engine
from processes.feed import Feed
from protocol import columns
from protocol.manifest import Manifest, from_map

from .recorder import CLOCK, T0_UTC_US, THING, S, flood, info, level_m

PERIOD_US = 1_500_000  # three channels: two frames a second
TICK_US = 25 * S
LATENESS_S = 3600
LATEST_US = round(0.95 * LATENESS_S * S)


class End(NamedTuple):
    """What is known in the end: the last word on each step, alarms, and how often steps were made again."""

    steps: dict[int, Any]
    alarms: list[Any]
    amended: int
    too_late: int


def frame(at: int) -> bytes:
    """The record of frame `at`: level, rain and opening take turns."""
    channel, moment = at % 3, at // 3
    value = (level_m(moment // 20), 0.02 * moment, 0.2)[channel]
    return columns.encode([channel], [1], np.array([moment * PERIOD_US + channel]), [value])


def arrivals(frames: int, seed: int | None) -> Iterator[tuple[int, int]]:
    """Yield (time of arrival in us, frame), by that time; without a seed each comes when it is measured."""
    rng = Random(seed)
    measured = ((at // 3) * PERIOD_US + at % 3 for at in range(frames))
    late = [(t + (rng.randrange(LATEST_US) if seed is not None else 0), at) for at, t in enumerate(measured)]
    yield from sorted(late)


def run(frames: int, seed: int | None) -> End:
    """Return what the engine knows once all frames have arrived and nothing is left to amend."""
    engine = Engine([flood(lateness_s=LATENESS_S)], "city")
    feed, manifest, steps = Feed(), from_map(info().manifest), dict[int, Any]()
    now_us, last_us = 0, 0
    for arrived_us, at in arrivals(frames, seed):
        while now_us + TICK_US < arrived_us:
            now_us += TICK_US
            _tick(engine, now_us, steps)
        _arrive(engine, feed, manifest, at)
        last_us = arrived_us
    end_us = (frames // 3 * PERIOD_US + LATEST_US) // TICK_US * TICK_US + 2 * 300 * S
    for now in range(now_us + TICK_US, max(end_us, last_us) + TICK_US, TICK_US):
        _tick(engine, now, steps)
    (health,) = engine.health()
    return End(steps, engine.alarms(), health["amended"], health["too_late"])


def _tick(engine: Engine, now_us: int, steps: dict[int, Any]) -> None:
    for decision in engine.advance(T0_UTC_US + now_us):
        outcome = decision.outcome
        steps[decision.step_utc_us] = outcome.estimates, outcome.alarms, outcome.proposals


def _arrive(engine: Engine, feed: Feed, manifest: Manifest, at: int) -> None:
    for series in feed.from_records(THING, manifest, CLOCK, frame(at)):
        engine.arrive(series.datastream, *series[1:5])


def main() -> int:
    """Return 0 if both ends are the same."""
    options = argparse.ArgumentParser(prog="python -m tests.replay.late", description=__doc__)
    options.add_argument("--frames", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    began = time.monotonic()
    in_order, shuffled = run(asked.frames, None), run(asked.frames, asked.seed)
    same = sum(in_order.steps[step] == shuffled.steps.get(step) for step in in_order.steps)
    fine = in_order.steps == shuffled.steps and in_order.alarms == shuffled.alarms and not shuffled.too_late
    print(f"{asked.frames} frames, up to {LATEST_US // S} s late: {same} of {len(in_order.steps)} steps end the same, "
          f"{len(in_order.alarms)} alarms {'the same' if in_order.alarms == shuffled.alarms else 'NOT THE SAME'}")
    print(f"{shuffled.amended} steps were made again, {shuffled.too_late} samples too late; "
          f"{time.monotonic() - began:.0f} s")
    print("equal" if fine else f"NOT EQUAL; again: python -m tests.replay.late --frames {asked.frames} "
          f"--seed {asked.seed}")
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main())
