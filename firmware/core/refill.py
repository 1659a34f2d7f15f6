"""Gives back to the host what the flash ring owes, oldest first, one frame at a time. Sans-IO, both VMs.

Loaded by `spill.py` when something is owed and the host listens; dropped after.
"""

from protocol import frames
from protocol.record import SIZE

from .outbox import MAX_RECORDS, RESEND_MS
from .spill import AT_ONCE, PER_SECTOR, Page
from .unpack import Unpacker


class Refill:
    """Records [first, first + n) of `boot` are the frame under way; the next one is made when it has been acked."""

    def __init__(self, spill, node) -> None:  # type: ignore[no-untyped-def]
        """Begin with the oldest page that is not done."""
        self._spill = spill
        self._node = node
        self._page = Page(spill.page.device)
        self._number = spill.low - spill.low % PER_SECTOR
        self._records = bytearray(MAX_RECORDS * SIZE)
        self._unpacker = Unpacker(1)
        self._left = 0
        self._open = False
        self._sound = False
        self._missed = False
        self._ready = False
        self._sent_ms = 0
        self.boot = b""
        self.first = 0
        self.n = 0

    @property
    def busy(self) -> bool:
        """Whether there is something to unpack at once."""
        return not self._ready and self._number < self._spill.head

    def step(self) -> None:
        """Unpack a little, unless a frame is ready."""
        if self._ready or not (self._open or self._next_page()):
            return
        for _ in range(min(AT_ONCE, self._left, MAX_RECORDS - self.n)):
            self._unpacker.get(self._records, self.n * SIZE)
            self.n += 1
            self._left -= 1
        if self.n == MAX_RECORDS or not self._left:
            self._ready = self._owed()
            self._sent_ms = self._node.clock.ms - RESEND_MS
            if not self._ready:
                self._taken()

    def _next_page(self) -> bool:
        """Return whether a page is open now; one that the ring in RAM still has waits until that is settled."""
        page, number = self._page, self._number
        if number >= self._spill.head:
            return False
        loaded = page.load(number)
        fresh = bool(page.flags)
        self._sound = loaded and (self._sound or fresh)
        if not self._sound:
            self._missed = True
            self._pass()
            return False
        if page.boot == self._node.boot.id and page.first + page.n > self._node.ring.tail:
            self._sound = not fresh
            page.n = 0  # it will be loaded again
            return False
        if self._missed and page.boot == self.boot and page.first > self.first:
            self._spill.lose(self.boot, self.first, page.first)
        self._missed = False
        if self._unpacker.channels != page.channels:
            self._unpacker = Unpacker(page.channels)
        elif fresh:
            self._unpacker.reset()
        self._unpacker.begin(page.buf, page.at)
        self.boot, self.first, self.n, self._left = page.boot, page.first, 0, page.n
        self._open = True
        return True

    def _owed(self) -> bool:
        """Return whether the host may still miss some of the frame."""
        ring = self._node.ring
        if self._number < self._spill.done:
            return False
        return self.boot != self._node.boot.id or (self.first < ring.owed_to and self.first + self.n > ring.owed_from)

    def _taken(self) -> None:
        """The frame is dealt with; so is the page if that was its end."""
        ring = self._node.ring
        self._ready = False
        self.first += self.n
        self.n = 0
        if self.boot == self._node.boot.id:
            ring.owed_from = min(max(ring.owed_from, self.first), ring.owed_to)
        if not self._left:
            self._pass()

    def _pass(self) -> None:
        """Go on to the next page."""
        self._open = False
        self._number += 1
        self._spill.done = max(self._spill.done, self._number)

    def acked(self, boot: bytes, ranges) -> None:  # type: ignore[no-untyped-def]
        """The host has taken over samples of a boot."""
        if self._ready and boot == self.boot:
            for start, end in ranges:
                if start <= self.first and end >= self.first + self.n:
                    self._taken()
                    return

    def due(self, now_ms: int) -> bool:
        """Return whether the frame is to be sent now, for the first time or again."""
        return self._ready and now_ms - self._sent_ms >= RESEND_MS

    def write(self, packer, now_ms: int) -> None:  # type: ignore[no-untyped-def]
        """Write the frame."""
        self._sent_ms = now_ms
        kind = frames.SAMPLES if self.boot == self._node.boot.id else frames.EARLIER
        packer.reset()
        frames.put_samples(packer, self.boot, self.first, self.n * SIZE, kind)
        end = packer.pos + self.n * SIZE
        packer.buf[packer.pos : end] = memoryview(self._records)[: self.n * SIZE]
        packer.pos = end
