"""A lease: who may command an actuator, until when. Runs on MicroPython and CPython.

Sans-IO: time comes in as milliseconds of one monotonic clock. Each change of holder
raises the fence, a number that never falls; who shows an older fence is refused. The
guard of the edge node and the board use the same class, so that a lapse means the same.
"""


class Lease:
    """State of one actuator's lease.

    Attributes: `fence` (int, the last one given), `until_ms` (when the present lease lapses).
    """

    def __init__(self, fence: int = 0) -> None:
        """Start without holder; `fence` is the last one known from durable storage."""
        self.fence = fence
        self.until_ms = 0
        self._holder = ""

    def grant(self, holder: str, now_ms: int, ms: int) -> int:
        """Return the fence if `holder` has the lease for `ms` from now, 0 if another holds it.

        The present holder keeps its fence and gets the longer of both terms.
        """
        if not self.lapsed(now_ms):
            if holder != self._holder:
                return 0
            self.until_ms = max(self.until_ms, now_ms + ms)
            return self.fence
        return self.take(holder, now_ms, ms)

    def take(self, holder: str, now_ms: int, ms: int) -> int:
        """Return a new fence, given whoever held it before (a higher rank asks: safety > operator > city)."""
        if ms <= 0 or not holder:
            return 0
        self.fence += 1
        self._holder = holder
        self.until_ms = now_ms + ms
        return self.fence

    def renew(self, fence: int, now_ms: int, ms: int) -> bool:
        """Return whether the lease with this fence now lasts until now + ms; a lapsed one never does."""
        if fence != self.fence or ms <= 0 or self.lapsed(now_ms):
            return False
        self.until_ms = now_ms + ms
        return True

    def release(self, fence: int) -> bool:
        """Return whether the lease with this fence was given up."""
        if fence != self.fence or not self._holder:
            return False
        self._holder = ""
        return True

    def holder(self, now_ms: int) -> str:
        """Return who holds the lease now, "" for nobody."""
        return "" if self.lapsed(now_ms) else self._holder

    def lapsed(self, now_ms: int) -> bool:
        """Return whether nobody holds it now; a lease of 100 ms lapses at 100 ms."""
        return not self._holder or now_ms >= self.until_ms

    def left_ms(self, now_ms: int) -> int:
        """Return how long the present lease lasts, in milliseconds, 0 if lapsed."""
        return 0 if self.lapsed(now_ms) else self.until_ms - now_ms
