"""Boards whose true time is known: crystals that drift and wander, and lines that delay, jitter and lose."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from edge_node.clocks.board_clock import Trip

START_US = 50_000_000
WRAP_US = 1 << 30


@dataclass
class Crystal:
    """A board clock: off by `ppm`, and by a swing of `swing_ppm` with a period of `period_s`."""

    ppm: float = 0.0
    swing_ppm: float = 0.0
    period_s: float = 3600.0
    phase: float = 0.0
    first_stamp_us: int = 0

    def stamp(self, edge_us: float) -> int:
        """Return the stamp at an edge boottime: the integral of its rate."""
        t = (edge_us - START_US) * 1e-6
        turn = 2 * math.pi / self.period_s
        swing = self.swing_ppm / turn * (math.cos(self.phase) - math.cos(turn * t + self.phase))
        return round(self.first_stamp_us + t * 1e6 + self.ppm * t + swing)


@dataclass
class Way:
    """The line: least delay there and back (us), jitter (mean of what comes on top of every second one), loss."""

    there_us: float = 2000.0
    back_us: float = 2000.0
    jitter_us: float = 4000.0
    lost: float = 0.0

    def trip(self, crystal: Crystal, t1_us: int, chance: random.Random) -> Trip | None:
        """Return the round trip that begins now, None if its reply is lost."""
        there, back = (
            least + (chance.expovariate(1 / self.jitter_us) if self.jitter_us and chance.random() < 0.5 else 0)
            for least in (self.there_us, self.back_us)
        )
        if chance.random() < self.lost:
            return None
        held = chance.uniform(50, 500)
        answered = t1_us + there + held
        return Trip(t1_us, crystal.stamp(t1_us + there), crystal.stamp(answered), round(answered + back))


def trips(crystal: Crystal, way: Way, seed: int, n: int = 60, start_us: int = START_US) -> Iterator[Trip]:
    """Yield the trips of `n` seconds, the first ones faster, as a session asks for them."""
    chance = random.Random(seed)
    for at in range(n + 5):
        t1 = start_us + (at * 100_000 if at < 6 else (at - 5) * 1_000_000)
        made = way.trip(crystal, t1, chance)
        if made is not None:
            yield made


def drawn(seed: int) -> tuple[Crystal, Way]:
    """Return a crystal and a line with everything drawn from the seed."""
    chance = random.Random(f"drawn {seed}")
    first = chance.choice([0, WRAP_US - 5_000_000, 7 * WRAP_US - 100])
    crystal = Crystal(
        chance.uniform(-500, 500), chance.uniform(0, 15), chance.uniform(2400, 86400), chance.uniform(0, 6.3), first
    )
    way = Way(chance.uniform(50, 8000), chance.uniform(50, 8000), chance.choice([0, 500, 8000, 40000]),
              chance.choice([0, 0.1, 0.5]))  # fmt: skip
    return crystal, way
