"""Which samples to send next: live ones first, then backlog, again what was not acked. Sans-IO, both VMs.

A window of preallocated slots holds the batches under way. Backlog leaves some slots to live data, so a long
backlog never delays what is measured now. A new session forgets the window and sends everything unacked again.
"""

from .ring import Ring

SLOTS = 16
LIVE_ONLY = 4
MAX_RECORDS = 64
RESEND_MS = 2000
FLUSH_MS = 20
FLUSH_RECORDS = 16


class Outbox:
    """After `choose()` returned True, `.first` and `.n` name the records to send."""

    def __init__(self, ring: Ring) -> None:
        """Send from `ring`; nothing is under way."""
        self._ring = ring
        self._first = [0] * SLOTS
        self._n = [0] * SLOTS
        self._sent_ms = [0] * SLOTS
        self._live = 0
        self._backlog = 0
        self._backlog_end = 0
        self._waiting_ms = -1
        self.first = 0
        self.n = 0
        self.resent = 0

    def new_session(self) -> None:
        """Forget what was under way: everything the ring still has is backlog, what comes is live."""
        for slot in range(SLOTS):
            self._n[slot] = 0
        self._backlog = self._ring.tail
        self._backlog_end = self._live = self._ring.head

    def acked(self) -> None:
        """Free the slots whose records the ring no longer has or knows as acked."""
        for slot in range(SLOTS):
            if self._n[slot] and not self._needed(slot):
                self._n[slot] = 0

    def choose(self, now_ms: int) -> bool:
        """Return whether a batch is due now."""
        free = self._free_slots()
        if free and self._choose_live(now_ms):
            return self._occupy(now_ms)
        if self._choose_resend(now_ms):
            return True
        if free > LIVE_ONLY and self._choose_backlog():
            return self._occupy(now_ms)
        return False

    def unsent(self) -> bool:
        """Return whether live records wait to be sent."""
        return self._live < self._ring.head

    def _choose_live(self, now_ms: int) -> bool:
        """Take up to a frame of live records once the oldest has waited FLUSH_MS, many wait, or one is urgent."""
        ring = self._ring
        self._live = max(self._live, ring.tail)
        n = ring.head - self._live
        if n <= 0:
            self._waiting_ms = -1
            return False
        if self._waiting_ms < 0:
            self._waiting_ms = now_ms
        if n < FLUSH_RECORDS and not ring.flush and now_ms - self._waiting_ms < FLUSH_MS:
            return False
        ring.flush = False
        self._waiting_ms = -1
        self.first = self._live
        self.n = min(n, MAX_RECORDS)
        self._live += self.n
        return True

    def _choose_resend(self, now_ms: int) -> bool:
        """Take a batch that was not acked for RESEND_MS; its slot stays."""
        for slot in range(SLOTS):
            if self._n[slot] and now_ms - self._sent_ms[slot] >= RESEND_MS:
                if not self._needed(slot):
                    self._n[slot] = 0
                    continue
                self._clip(slot)
                self._sent_ms[slot] = now_ms
                self.resent += 1
                return True
        return False

    def _choose_backlog(self) -> bool:
        """Take the next run of unacked records of the backlog."""
        ring = self._ring
        at = max(self._backlog, ring.tail)
        while at < self._backlog_end and ring.is_acked(at):
            at += 1
        self.first = at
        while at < self._backlog_end and at - self.first < MAX_RECORDS and not ring.is_acked(at):
            at += 1
        self._backlog = at
        self.n = at - self.first
        return self.n > 0

    def _occupy(self, now_ms: int) -> bool:
        """Remember the chosen batch in a free slot."""
        for slot in range(SLOTS):
            if not self._n[slot]:
                self._first[slot] = self.first
                self._n[slot] = self.n
                self._sent_ms[slot] = now_ms
                return True
        return False

    def _clip(self, slot: int) -> None:
        """Choose the slot's batch without what has been acked or dropped at its start."""
        first = max(self._first[slot], self._ring.tail)
        end = self._first[slot] + self._n[slot]
        while first < end and self._ring.is_acked(first):
            first += 1
        self.first = self._first[slot] = first
        self.n = self._n[slot] = end - first

    def _needed(self, slot: int) -> bool:
        """Return whether any record of the slot still waits for its ack."""
        end = self._first[slot] + self._n[slot]
        for seq in range(max(self._first[slot], self._ring.tail), end):
            if not self._ring.is_acked(seq):
                return True
        return False

    def _free_slots(self) -> int:
        """Return how many slots are free."""
        free = 0
        for n in self._n:
            if not n:
                free += 1
        return free
