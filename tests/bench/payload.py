"""The load that ours and every peer carries: board frames of 64 samples, 12 bytes each, the same bytes for all."""

import numpy as np

from protocol import columns

SAMPLES = 64
FRAME_BYTES = SAMPLES * 12
BOARDS = 8
WAITING = 1024
"""How many frames may be on their way without an ack, for all."""


def frame(number: int) -> bytes:
    """Return the records of a board's frame `number`: four channels, 25 ms apart, values that differ."""
    at = np.arange(SAMPLES) + SAMPLES * (number % 1000)
    return columns.encode(at % 4, np.ones(SAMPLES), 25_000 * at, 1.0 + 0.01 * (at % 97))


FRAMES = [frame(number) for number in range(1000)]
