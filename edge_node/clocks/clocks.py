"""The times of this node: what the host knows of UTC, and the clock records that go to the city. No I/O."""

from collections.abc import Callable

import numpy as np

from protocol.columns import decode, stamp_us
from service.host_clock import HostClock, Look

from ..journal.journal import Journal
from ..journal.rows import NewBatch
from .book import ClockBook
from .log import ClockLog

LOOK_US = 1_000_000
REVIEW_US = 10_000_000


class Clocks:
    """Looks at the host's clocks each second; reviews what was stored when they changed, and every ten seconds."""

    def __init__(self, host: HostClock, look: Callable[[], Look], journal: Journal) -> None:
        self.host, self._look = host, look
        host.look(look())
        self.book = ClockBook(host)
        self.log = ClockLog(journal, self.book)
        self._looked_us = self._reviewed_us = 0
        self._history = host.history

    def used(self, batch: NewBatch | None) -> None:
        """Note under which clock samples are about to be stored."""
        if batch is None:
            return
        stamps, key = stamp_us(decode(batch.records)), (batch.thing, batch.boot)
        self.log.used(key, self.book.used(key, int(np.min(stamps)), int(np.max(stamps)), batch.clock))

    def tick(self, now_us: int) -> None:
        """Look and review when it is time to. Call it with every tick."""
        if now_us - self._looked_us >= LOOK_US:
            self._looked_us = now_us
            self.host.look(self._look())
        if self._history != self.host.history or now_us - self._reviewed_us >= REVIEW_US:
            self._history, self._reviewed_us = self.host.history, now_us
            self.log.add(self.book.review())
