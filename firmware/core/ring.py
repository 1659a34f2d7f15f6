"""The ring of samples: 12-byte records numbered from 0, kept until the host has acked them. Runs on both VMs.

`head` is the next sequence number (= how many were acquired), `tail` the oldest one still kept. When the ring
is full the oldest record is dropped and remembered as lost; only the ring declares such a loss.
Nothing here allocates, except that numbers above 2**30 do on a 32-bit VM (after years).
"""

from protocol import record

SIZE = record.SIZE


class Ring:
    """Records [tail, head); `lost_from`, `lost_to` is the newest range that overflowed and is not yet declared.

    `lost_before` has those before it, where what is between is in flash.

    `flush`: what was pushed last is to be sent at once. What was not acked below `safe` is in the flash ring, too; of
    that, [owed_from, owed_to) is only there.
    """

    def __init__(self, capacity: int) -> None:
        """Reserve room for `capacity` records, a multiple of 8."""
        if capacity % 8 or capacity <= 0:
            raise ValueError("capacity must be a multiple of 8")
        self.capacity = capacity
        self.buf = bytearray(capacity * SIZE)
        self._acked = bytearray(capacity // 8)
        self.head = 0
        self.tail = 0
        self.dropped = 0
        self.lost_from = 0
        self.lost_to = 0
        self.lost_before = []
        self.flush = False
        self.safe = 0
        self.owed_from = 0
        self.owed_to = 0

    def push(self, channel: int, quality: int, wrap: int, ticks: int, value: float) -> None:
        """Append one record, dropping the oldest if there is no room."""
        if self.head - self.tail == self.capacity:
            self._drop()
        slot = self.head % self.capacity
        record.put(self.buf, slot * SIZE, channel, quality, wrap, ticks, value)
        self._acked[slot >> 3] &= 0xFF ^ (1 << (slot & 7))
        self.head += 1

    def _drop(self) -> None:
        """Give up the oldest record, which is never acked, and remember it."""
        tail = self.tail
        self.tail += 1
        if tail < self.safe:
            if self.owed_to == self.owed_from:
                self.owed_from = tail
            self.owed_to = self.tail
        else:
            if self.owed_to > self.lost_to > self.lost_from:  # what is between the two losses is in flash
                self.lost_before.append((self.lost_from, self.lost_to))
                self.lost_from = tail
            if self.lost_to == self.lost_from:
                self.lost_from = tail
            self.lost_to = self.tail
            self.dropped += 1
        self._skip_acked()

    def take_lost(self) -> None:
        """Start a new lost range: the present one has been declared by the caller."""
        self.lost_from = self.lost_to

    def is_acked(self, seq: int) -> bool:
        """Return whether `seq`, which must be in [tail, head), has been acked."""
        slot = seq % self.capacity
        return bool(self._acked[slot >> 3] & (1 << (slot & 7)))

    def ack(self, start: int, end: int) -> None:
        """Mark [start, end) as taken over by the host; frees the records from the tail on that are."""
        for seq in range(max(start, self.tail), min(end, self.head)):
            slot = seq % self.capacity
            self._acked[slot >> 3] |= 1 << (slot & 7)
        self._skip_acked()

    def _skip_acked(self) -> None:
        """Move the tail to the first record that is not acked."""
        while self.tail < self.head and self.is_acked(self.tail):
            self.tail += 1

    def copy(self, seq: int, n: int, dst: bytearray, at: int) -> int:
        """Return the end index after copying records [seq, seq+n) to `dst[at:]`; all must be in [tail, head)."""
        source = self.buf
        whole = self.capacity * SIZE
        place = (seq % self.capacity) * SIZE
        for _ in range(n * SIZE):
            dst[at] = source[place]
            at += 1
            place += 1
            if place == whole:
                place = 0
        return at
