"""Pieces of a board clock's history: knots that are known, and straight lines between them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MAX_KNOTS = 512


class Knot(NamedTuple):
    """A board stamp whose edge boottime is known to `sigma_us`."""

    stamp_us: int
    edge_us: float
    sigma_us: float


class Line(NamedTuple):
    """Board stamps to edge boottime: edge_us = ref_edge_us + rate * (stamp - ref_us)."""

    ref_us: int
    ref_edge_us: float
    rate: float
    sigma_us: float

    def edge_us(self, stamp_us: float) -> float:
        """Return the edge boottime of a stamp."""
        return self.ref_edge_us + self.rate * (stamp_us - self.ref_us)

    def edge_times(self, stamps_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the edge boottimes (n,) of stamps, microseconds."""
        return np.asarray(np.rint(self.ref_edge_us + self.rate * (stamps_us - self.ref_us)), np.int64)


def chord(left: Knot, middle: Knot, right: Knot, rate: float) -> Line:
    """Return the line through the outer knots (through one stamp: with this rate), as good as the worst of them.

    Where the history bends, how far the line is from the knot in the middle counts too."""
    gap_us = right.stamp_us - left.stamp_us
    if gap_us > 0:
        rate = (right.edge_us - left.edge_us) / gap_us
    line = Line(right.stamp_us, right.edge_us, rate, max(left.sigma_us, middle.sigma_us, right.sigma_us))
    off_us = abs(line.edge_us(middle.stamp_us) - middle.edge_us)
    return line._replace(sigma_us=line.sigma_us + off_us)


def thinned(knots: list[Knot]) -> list[Knot]:
    """Return at most MAX_KNOTS: of the older half every second one goes."""
    if len(knots) <= MAX_KNOTS:
        return knots
    half = MAX_KNOTS // 2
    return [*knots[:half:2], *knots[half:]]
