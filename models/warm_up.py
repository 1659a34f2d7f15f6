"""Compile every kernel now, so that no step has to wait for the compiler later.

    python -m models.warm_up

Kernels are cached on disk: the first call takes seconds (on a Pi: a minute), later ones load the cache.
"""

import numpy as np

from models import kalman, quality, river, room


def warm_up() -> None:
    """Run each kernel once on small arrays."""
    kalman.fuse(kalman.new_bank(1, 1e-9), [0], [0], [1.0], [0.1], [1])
    quality.check(quality.new_bank(2, [quality.Pair(0, 1, 1.0, 1.0, 1.0)]), [0, 1], [0, 0], [1.0, 1.0], [1, 1])
    _river()
    _room()


def _river() -> None:
    catchment = river.Catchment(1.0, 1.0, 1.0, 0.5)
    reach = river.Reach(1e4, 1.0, 1.0, 0.6, 2.0, 1.0)
    members = river.new_members(8, 1, 1, catchment, reach, 1.0, 0.1, 0.2)
    river.advance(members, 1, 1, 60.0, 1.0, 0.2, catchment, reach, river.Spread())
    river.assimilate(members, 1.0, 0.1)
    inflow = river.inflows(members, 1, 600.0, 1.0, 1.0, catchment)
    ahead = river.forecast(members, inflow, 600.0, 0.5, 0.2, 4.0, reach)
    river.moments(np.asarray(ahead.last_m))


def _room() -> None:
    belief = room.first_belief(800.0, 30.0, 20.0, 0.02)
    room.learn(room.move(belief, room.Room(100.0, 0.1, 0.2), 0.0, 1.0, 60.0), 810.0, 30.0)


if __name__ == "__main__":
    warm_up()
