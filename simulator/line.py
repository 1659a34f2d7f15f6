"""One direction of a serial line, sans-IO: bytes go in at any speed and come out at the baud rate.

A byte is 10 bits long (8N1). The line knows only the times it is given, so a late caller gets exactly the
bytes that would have arrived meanwhile, and an early one gets none.
"""

import random

BITS_PER_BYTE = 10
STEP_MS = 2.0


class Line:
    """Paced byte queue. `cut` loses what passes, `noise` is the share of bytes that arrive damaged.

    `step_ms`: bytes are handed over together that arrive within so long, so they are late by as much at most.
    """

    def __init__(self, baud: int, seed: str = "line", step_ms: float = STEP_MS) -> None:
        self.baud = baud
        self.cut = False
        self.noise = 0.0
        self.step_ns = round(step_ms * 1e6)
        self.carried = 0
        self._queue = bytearray()
        self._free_ns = 0
        self._rng = random.Random(seed)

    @property
    def byte_ns(self) -> int:
        """Duration of one byte in ns."""
        return BITS_PER_BYTE * 1_000_000_000 // self.baud

    def __len__(self) -> int:
        return len(self._queue)

    def push(self, data: bytes, now_ns: int) -> None:
        """Queue bytes that are ready to go on the wire at `now_ns`."""
        if not self._queue:
            self._free_ns = max(self._free_ns, now_ns)
        self._queue += data

    def take(self, now_ns: int) -> bytes:
        """Bytes whose last bit has passed by `now_ns`."""
        count = min(len(self._queue), max(0, (now_ns - self._free_ns) // self.byte_ns))
        if not count:
            return b""
        data = bytes(self._queue[:count])
        del self._queue[:count]
        self._free_ns += count * self.byte_ns
        self.carried += count
        return b"" if self.cut else self._damage(data)

    def wait_ns(self, now_ns: int) -> int | None:
        """How long until taking pays: the queue's end or a step, whichever is sooner; None when empty."""
        if not self._queue:
            return None
        due = self._free_ns + max(self.byte_ns, min(len(self._queue) * self.byte_ns, self.step_ns))
        return max(0, due - now_ns)

    def clear(self) -> None:
        """Forget what is queued."""
        self._queue.clear()

    def _damage(self, data: bytes) -> bytes:
        if not self.noise:
            return data
        return bytes(
            byte ^ (1 << self._rng.randrange(8)) if self._rng.random() < self.noise else byte for byte in data
        )
