"""What a virtual board and its simulator see in the same memory, as a program sees a chip's registers.

Bytes 0 to 127 are the levels of the pins, kept by the simulator: a board that looks at one waits for nobody. ASK stands
for a level that only the simulator can tell in the moment it is asked. At byte FED the board puts the time of the last
feeding of its watchdog (u64, us of the monotonic clock), which the simulator looks at when the time has run out.
"""

import mmap
import os
import struct

PINS = 128
ASK = 2
FED = 128
SIZE = 4096


class Registers:
    """The page of one board, in memory that a descriptor names; it lives through resets."""

    def __init__(self) -> None:
        """Make it, all levels low."""
        self.descriptor = os.memfd_create("board")
        os.ftruncate(self.descriptor, SIZE)
        self._page = mmap.mmap(self.descriptor, SIZE)

    def show(self, pin: int, level: int) -> None:
        """Let the board see 0, 1 or ASK at a pin."""
        self._page[pin] = level

    def fed_s(self) -> float:
        """Return when the watchdog was fed last, in seconds of the monotonic clock; 0.0: never in this start."""
        return float(struct.unpack_from("<Q", self._page, FED)[0]) / 1e6

    def start(self) -> None:
        """Nothing was fed in this start yet."""
        struct.pack_into("<Q", self._page, FED, 0)

    def close(self) -> None:
        """Give the memory back."""
        if self.descriptor >= 0:
            self._page.close()
            os.close(self.descriptor)
            self.descriptor = -1
