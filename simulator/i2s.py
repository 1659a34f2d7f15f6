"""Virtual I2S wires with the controller's DMA: SCK and WS out, SD in, 64 clocks a frame, 32 a channel.

WS is low for the left channel. A chip drives its 24 bits, the highest one clock after WS has changed, and lets go of SD
then; 100 kOhm pull it down, so the bits behind hold the last one for two clocks and are 0 from then on. What a
controller has read stands in its buffer as little-endian words of 32 bits, left and right in turn.

The buffer is that of MicroPython's rp2 port: bytes arrive in pieces of 128, and a piece that has no room is lost.
Source: I2S bus specification (Philips, 1996); MicroPython, ports/rp2/machine_i2s.c.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FRAME_BYTES = 8
PIECE_FRAMES = 16
HELD_BITS = 0xC0


class Microphone(Protocol):
    """What the wires need of a chip."""

    right: bool

    def words(self, first: int, count: int, rate_hz: int) -> NDArray[np.int32] | None:
        """`count` words of 24 bits, or None if it drives nothing."""


class VirtualI2S:
    """The wires. `cut`: SD is open at the board, `shorted_high`: SD is at 3.3 V, `stopped`: no clock runs."""

    def __init__(self, chips: Iterable[Microphone] = (), clock: Callable[[], int] = lambda: 0) -> None:
        """`clock` gives the time in ns."""
        self.chips = list(chips)
        self.cut = self.shorted_high = self.stopped = False
        self.lost_frames = 0
        self.rate_hz = 0
        self._clock = clock
        self._buffer = bytearray()
        self._room = 0
        self._opened_ns = self._seen = 0

    def open(self, rate_hz: int, buffer_bytes: int) -> None:
        """Run the clocks, with an empty buffer of this size."""
        self.rate_hz, self._room = rate_hz, buffer_bytes
        self._buffer.clear()
        self._opened_ns, self._seen = self._clock(), 0

    def available(self) -> int:
        """How many frames wait in the buffer."""
        self._run()
        return len(self._buffer) // FRAME_BYTES

    def take(self, frames: int) -> bytes:
        """At most this many frames out of the buffer, 8 bytes each."""
        self._run()
        found = bytes(self._buffer[: frames * FRAME_BYTES])
        del self._buffer[: frames * FRAME_BYTES]
        return found

    def wait_ns(self, frames: int) -> int:
        """How long it takes until this many frames wait, in ns."""
        if not self.rate_hz:
            return 0
        more = frames - self.available()
        pieces = -(-more // PIECE_FRAMES)
        due_ns = self._opened_ns + (self._seen + pieces * PIECE_FRAMES) * 1_000_000_000 // self.rate_hz + 1000
        return max(0, due_ns - self._clock()) if more > 0 else 0

    def _run(self) -> None:
        """Let whole pieces arrive up to now."""
        if not self.rate_hz or self.stopped:
            return
        due = (self._clock() - self._opened_ns) * self.rate_hz // 1_000_000_000
        new = (due - self._seen) // PIECE_FRAMES * PIECE_FRAMES
        room = (self._room - len(self._buffer)) // FRAME_BYTES // PIECE_FRAMES * PIECE_FRAMES
        kept = min(new, room)
        if kept > 0:
            self._buffer += self.frames(self._seen, kept)
        self.lost_frames += new - kept
        self._seen += new

    def frames(self, first: int, count: int) -> bytes:
        """What the wires carry in frames `first` to `first + count`, 8 bytes each."""
        words = np.zeros((count, 2), dtype=np.uint32)
        for chip in self.chips if not self.cut else ():
            driven = chip.words(first, count, self.rate_hz)
            if driven is not None:
                held = np.where(driven & 1, HELD_BITS, 0).astype(np.uint32)
                words[:, int(chip.right)] = (driven.astype(np.uint32) << 8) | held
        if self.shorted_high:
            words[:] = 0xFFFFFFFF
        return words.astype("<u4").tobytes()
