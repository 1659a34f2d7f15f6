"""The clock of a board, estimated from time-sync round trips. Sans-IO.

A round trip gives four times: edge sends t1, board receives b2 and sends b3 (stamps since its boot), edge
receives t4. The middle of (t1, t4) is taken for the middle of (b2, b3); it is wrong by at most half the round
trip, so trips near the shortest of the window count most. Offset and rate come from a weighted straight line
through the window, the rate held near 1 by what crystals can do.

Kind: empirical. Valid for: drifts below 1000 ppm, 48-bit stamps that never wrap.
Source: Mills, RFC 5905 (2010), section 8 (on-wire protocol) and section 10 (clock filter: minimum delay).
"""

from collections import deque
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from protocol.city_clock import CityClock
from protocol.city_link import Clock

WINDOW = 64
MIN_TRIPS = 3
STALE_US = 60_000_000
RATE_SIGMA = 300e-6
MAX_RATE = 1000e-6
JITTER_US = 100.0
MAX_SIGMA_US = 250_000.0
NEVER = Clock(0, 0, 1.0, 1e12, False)


@dataclass(frozen=True)
class Trip:
    """One round trip; edge times in boottime us, board times in stamp us."""

    t1_us: int
    b2_us: int
    b3_us: int
    t4_us: int

    @property
    def rtt_us(self) -> int:
        """Time on the way, without the board's own."""
        return (self.t4_us - self.t1_us) - (self.b3_us - self.b2_us)


class BoardClock:
    """Estimate for one boot of one board. Make a new one for another boot: its stamps start again."""

    def __init__(self, boot: str) -> None:
        self.boot = boot
        self.trips: deque[Trip] = deque(maxlen=WINDOW)
        self.rejected = 0
        self.rtt_us = 0
        self._ref_us = self._ref_edge_us = 0
        self._rate = 1.0
        self._offset_var = self._cross_var = self._slope_var = inf

    def add(self, trip: Trip) -> bool:
        """Take a round trip in; False if it is impossible (negative, or the board's clock went back)."""
        late = self.trips[-1].b2_us if self.trips else 0
        if trip.rtt_us < 0 or trip.b3_us < trip.b2_us or trip.b2_us < late:
            self.rejected += 1
            return False
        self.trips.append(trip)
        self._fit()
        return True

    def _fit(self) -> None:
        trips = np.array([(t.t1_us, t.b2_us, t.b3_us, t.t4_us) for t in self.trips], np.int64)
        rtt = (trips[:, 3] - trips[:, 0]) - (trips[:, 2] - trips[:, 1])
        self.rtt_us = int(rtt.min())
        self._ref_us = int(trips[-1, 1])
        edge0 = int(trips[-1, 0])
        board = (trips[:, 1] - self._ref_us + (trips[:, 2] - self._ref_us)) / 2.0
        edge = (trips[:, 0] - edge0 + (trips[:, 3] - edge0)) / 2.0
        weight = 1.0 / (JITTER_US + (rtt - self.rtt_us) / 2.0) ** 2
        scaled = board * 1e-6
        wanted = edge - board
        total, cross = float(weight.sum()), float(weight @ scaled)
        steep = float(weight @ scaled**2) + (RATE_SIGMA * 1e6) ** -2
        level, tilt = float(weight @ wanted), float(weight @ (scaled * wanted))
        det = total * steep - cross**2  # of the normal equations; the prior of the rate keeps it above 0
        self._offset_var, self._cross_var, self._slope_var = steep / det, -cross / det, total / det
        slope = self._cross_var * level + self._slope_var * tilt
        self._rate = 1.0 + min(max(slope * 1e-6, -MAX_RATE), MAX_RATE)
        self._ref_edge_us = edge0 + round(self._offset_var * level + self._cross_var * tilt)

    def synced(self, now_us: int) -> bool:
        """Return whether the estimate may be used for deadlines now (edge boottime us)."""
        return self._is_fresh(now_us) and self.sigma_us(now_us) <= MAX_SIGMA_US

    def _is_fresh(self, now_us: int) -> bool:
        return len(self.trips) >= MIN_TRIPS and now_us - self.trips[-1].t4_us <= STALE_US

    def sigma_us(self, now_us: int) -> float:
        """Return one standard deviation of a converted stamp of now, microseconds of real time."""
        if not self.trips:
            return NEVER.sigma_us
        ahead = max(0.0, (now_us - self._ref_edge_us) * 1e-6)
        fit = self._offset_var + 2.0 * ahead * self._cross_var + ahead**2 * self._slope_var
        return sqrt(max(fit, 0.0) + (self.rtt_us / 4.0) ** 2)

    def to_edge_us(self, stamp_us: int) -> int:
        """Return the edge boottime of a board stamp."""
        return self._ref_edge_us + round(self._rate * (stamp_us - self._ref_us))

    def to_board_us(self, edge_us: int) -> int:
        """Return the board stamp of an edge boottime."""
        return max(0, self._ref_us + round((edge_us - self._ref_edge_us) / self._rate))

    def segment(self, city: CityClock, now_us: int) -> Clock:
        """Return the clock segment to store with samples: stamps to event time."""
        if not self.trips:
            return NEVER
        return Clock(
            ref_us=self._ref_us,
            ref_utc_us=max(0, city.event_utc_us(self._ref_edge_us)),
            rate=self._rate * city.speed,
            sigma_us=self.sigma_us(now_us) * city.speed,
            synced=self.synced(now_us),
        )
