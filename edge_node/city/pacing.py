"""How much backlog may be under way, so that live data never queues long behind it. Sans-IO.

All that is sent and not acked stands in one queue: socket, wire, the city's commit. The time an ack takes is the
time that a live batch sent now would stand there. So the share of the backlog in flight grows while acks come fast
and is halved, at most once per round trip, when they take QUEUE_US longer than the shortest of the last minute.
The city's credit bounds everything; a quarter of it is kept for live data.

Kind: empirical. Source: Jacobson, "Congestion avoidance and control" (1988), section 3, driven by delay as in RFC 6817.
"""

QUEUE_US = 200_000
FIRST_WINDOW = 8.0
LEAST_WINDOW = 2.0
BASE_SPAN_US = 30_000_000
MAX_BASE_US = 2_000_000
RESEND_US = 4_000_000
MAX_RESEND_US = 60_000_000
DEFAULT_CREDIT = 256


class Pace:
    """`credit` is the city's word, 0 a pause; `window` what the backlog may have in flight by our own measure."""

    def __init__(self) -> None:
        self.credit = DEFAULT_CREDIT
        self.begin()

    def begin(self) -> None:
        """A new connection: nothing is known of its speed."""
        self.window = FIRST_WINDOW
        self.smoothed_us = 0
        self._slow_start = True
        self._cut_us = -1
        self._base_us = [MAX_BASE_US, MAX_BASE_US]
        self._base_since_us: int | None = None

    @property
    def backlog_limit(self) -> int:
        """How many backlog batches may be in flight."""
        return min(int(self.window), max(1, self.credit - max(1, self.credit // 4)))

    @property
    def resend_us(self) -> int:
        """How long to wait for an ack before sending again: longer on a slow link, or repeats would clog it."""
        return min(MAX_RESEND_US, max(RESEND_US, 4 * self.smoothed_us))

    def acked(self, sent_us: int, now_us: int, backlog_full: bool) -> None:
        """Learn from one ack of a batch sent once; `backlog_full`: the window was what held backlog back."""
        latency_us = max(0, now_us - sent_us)
        self.smoothed_us += (latency_us - self.smoothed_us) // 8 if self.smoothed_us else latency_us
        if latency_us - self._base(latency_us, now_us) > QUEUE_US:
            self._cut(sent_us, now_us)
        elif backlog_full:
            self.window = min(
                self.window + (1.0 if self._slow_start else 1.0 / self.window), float(max(1, self.credit))
            )

    def _cut(self, sent_us: int, now_us: int) -> None:
        self._slow_start = False
        if sent_us > self._cut_us:
            self.window, self._cut_us = max(LEAST_WINDOW, self.window / 2), now_us

    def _base(self, latency_us: int, now_us: int) -> int:
        """Return the shortest latency of the last one or two BASE_SPAN_US, without anybody's queue."""
        if self._base_since_us is None or now_us - self._base_since_us > BASE_SPAN_US:
            self._base_us = [self._base_us[1], MAX_BASE_US]
            self._base_since_us = now_us
        self._base_us[1] = min(self._base_us[1], latency_us)
        return min(self._base_us)
