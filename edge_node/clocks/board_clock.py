"""The clock of a board, estimated from time-sync round trips. Sans-IO.

A round trip gives four times: edge sends t1, board receives b2 and sends b3 (stamps since its boot), edge
receives t4. The middle of (t1, t4) is taken for the middle of (b2, b3); it is wrong by at most half the round
trip, so trips near the shortest of the window count most. Trips go through a filter of offset and slope
(clock_filter.py), the whole window anew when its shortest round trip changes, for that shows which were fast ones.
What leaves the window stays as a knot of the clock's history: a stamp from hours ago, when the board was alone,
is placed between the knots around it.

Kind: empirical. Valid for: drifts below 1000 ppm, 48-bit stamps that never wrap.
Source: Mills, RFC 5905 (2010), section 8 (on-wire protocol) and section 10 (clock filter: minimum delay).
"""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from math import sqrt

from . import filter as clock_filter
from .filter import State
from .lines import Knot, Line, chord, thinned

WINDOW = 64
MIN_TRIPS = 3
STALE_US = 60_000_000
GAP_US = 30_000_000
KNOT_EVERY_US = 30_000_000
MAX_REJECTED = 8
JITTER_US = 100.0
MAX_SIGMA_US = 250_000.0
MAX_DRIFT = 1000e-6
LEAP_SIGMAS = 6.0


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

    @property
    def stamp_us(self) -> int:
        """The middle of the board's times."""
        return (self.b2_us + self.b3_us) // 2

    @property
    def edge_us(self) -> float:
        """The middle of the edge's times."""
        return (self.t1_us + self.t4_us) / 2.0


class BoardClock:
    """Estimate for one boot of one board. Make a new one for another boot: its stamps start again."""

    def __init__(self, boot: str) -> None:
        self.boot = boot
        self.trips: deque[Trip] = deque()
        self.rejected = 0
        self.rtt_us = 0
        self._refused_in_turn = 0
        self._before: State | None = None
        self._states: deque[State] = deque()
        self._state: State | None = None
        self._kept: list[Knot] = []
        self._window: list[Knot] = []
        self._steady_us = 0

    def add(self, trip: Trip) -> bool:
        """Take a round trip in; False if it is impossible: negative, the board's clock went back or leapt."""
        late = self.trips[-1].b2_us if self.trips else 0
        if trip.rtt_us < 0 or trip.b3_us < trip.b2_us or trip.b2_us < late or self._leaps(trip):
            self._refuse()
            return False
        self._refused_in_turn = 0
        gone_us = self._let_go() if len(self.trips) == WINDOW else None
        self.trips.append(trip)
        least_us = min(self.rtt_us, trip.rtt_us) if self._state and gone_us != self.rtt_us else self._least()
        if self._state and least_us == self.rtt_us:
            self._step(trip)
        else:
            self.rtt_us = least_us
            self._fit()
        return True

    def _leaps(self, trip: Trip) -> bool:
        """Whether a trip lies where no crystal can have run since: its middle is wrong by half its way at most."""
        if self._state is None:
            return False
        ahead_us = trip.edge_us - clock_filter.moved(self._state, trip.stamp_us).edge_us
        drift_us = MAX_DRIFT * abs(trip.edge_us - self.trips[-1].edge_us)
        return abs(ahead_us) > trip.rtt_us / 2.0 + drift_us + LEAP_SIGMAS * self._sigma_at(trip.stamp_us)

    def _least(self) -> int:
        return min(trip.rtt_us for trip in self.trips)

    def _refuse(self) -> None:
        """Count it; if nothing else comes, the trips that all others contradict were the wrong ones."""
        self.rejected += 1
        self._refused_in_turn += 1
        if self._refused_in_turn >= MAX_REJECTED:
            self.trips.clear()
            self._states.clear()
            self._window, self._before, self._state, self._refused_in_turn = [], None, None, 0

    def _let_go(self) -> int:
        """The oldest trip leaves the window: the filter goes on from it, its knot may stay. Return its round trip."""
        gone, self._before, knot = self.trips.popleft(), self._states.popleft(), self._window.pop(0)
        last = self._kept[-1].stamp_us if self._kept else None
        next_us = self.trips[0].stamp_us
        if last is None or knot.stamp_us - last >= KNOT_EVERY_US or next_us - knot.stamp_us > GAP_US:
            self._kept = thinned([*self._kept, knot])
        return gone.rtt_us

    def _filtered(self, state: State | None, trip: Trip) -> State:
        noise = (JITTER_US + (trip.rtt_us - self.rtt_us) / 2.0) ** 2
        if state is None:
            return clock_filter.first(trip.stamp_us, trip.edge_us, noise)
        return clock_filter.measured(clock_filter.moved(state, trip.stamp_us), trip.edge_us, noise)

    def _fit(self) -> None:
        """Filter the whole window anew: which trips are fast ones has changed."""
        self._state, self._window = self._before, []
        self._states.clear()
        for trip in self.trips:
            self._step(trip)

    def _step(self, trip: Trip) -> None:
        """Filter one more trip."""
        if self._state is None or trip.stamp_us - self._state.stamp_us > GAP_US:
            self._steady_us = trip.stamp_us
        state = self._state = self._filtered(self._state, trip)
        self._states.append(state)
        self._window.append(Knot(state.stamp_us, state.edge_us, sqrt(state.p00 + (self.rtt_us / 4.0) ** 2)))

    def synced(self, now_us: int) -> bool:
        """Return whether the estimate may be used for deadlines now (edge boottime us)."""
        return self._is_fresh(now_us) and self.sigma_us(now_us) <= MAX_SIGMA_US

    def _is_fresh(self, now_us: int) -> bool:
        return len(self.trips) >= MIN_TRIPS and now_us - self.trips[-1].t4_us <= STALE_US

    def sigma_us(self, now_us: int) -> float:
        """Return one standard deviation of a converted stamp of now, microseconds of real time; inf: no trips."""
        return self._sigma_at(max(self._state.stamp_us, self.to_board_us(now_us))) if self._state else float("inf")

    def _sigma_at(self, stamp_us: int) -> float:
        assert self._state is not None
        return sqrt(max(0.0, clock_filter.moved(self._state, stamp_us).p00) + (self.rtt_us / 4.0) ** 2)

    def to_edge_us(self, stamp_us: int) -> int:
        """Return the edge boottime of a board stamp near now."""
        if self._state is None:
            return 0
        return round(clock_filter.moved(self._state, stamp_us).edge_us)

    def to_board_us(self, edge_us: int) -> int:
        """Return the board stamp of an edge boottime near now."""
        if self._state is None:
            return 0
        return max(0, self._state.stamp_us + round((edge_us - self._state.edge_us) / self._rate))

    @property
    def _rate(self) -> float:
        return 1.0 + self._state.slope_ppm * 1e-6 if self._state else 1.0

    def line(self, first_us: int, last_us: int) -> Line | None:
        """Return the best line for the stamps [first_us, last_us], None without trips.

        Its sigma is the worst within them, at a place that knots and filter know."""
        if self._state is None:
            return None
        if first_us >= self._steady_us:
            sigma = max(self._sigma_at(first_us), self._sigma_at(last_us))
            return Line(self._state.stamp_us, self._state.edge_us, self._rate, sigma)
        middle = self._at((first_us + last_us) // 2)
        return chord(self._at(first_us), middle, self._at(last_us), self._rate)

    def lines(self, first_us: int, last_us: int) -> list[tuple[int, int, Line]]:
        """Return (first stamp, end stamp, line) that cover the stamps [first_us, last_us] without a hole.

        A line ends where the clock's history bends away from it by more than its sigma."""
        cuts = [first_us, *(k.stamp_us for k in self.knots() if first_us < k.stamp_us < last_us), last_us + 1]
        found: list[tuple[int, int, Line]] = []
        at = 0
        while at < len(cuts) - 1:
            to = at + 1
            while to + 1 < len(cuts) and self._is_straight(cuts[at : to + 2]):
                to += 1
            line = self.line(cuts[at], cuts[to] - 1)
            if line is not None:
                found.append((cuts[at], cuts[to], line))
            at = to
        return found

    def _is_straight(self, cuts: list[int]) -> bool:
        line = self.line(cuts[0], cuts[-1])
        middle = self._at(cuts[len(cuts) // 2])
        return line is not None and abs(line.edge_us(middle.stamp_us) - middle.edge_us) <= middle.sigma_us / 2.0

    def knots(self) -> list[Knot]:
        """Return the history, oldest first: what was kept, and the window."""
        return [*self._kept, *self._window]

    def _at(self, stamp_us: int) -> Knot:
        """Return where a stamp lies: between two knots or drawn out from the first, or from now, whichever is surer."""
        assert self._state is not None
        drawn = Knot(stamp_us, clock_filter.moved(self._state, stamp_us).edge_us, self._sigma_at(stamp_us))
        if stamp_us >= self._state.stamp_us:
            return drawn
        knots = self.knots()
        right = bisect_left(knots, stamp_us, key=lambda knot: knot.stamp_us)
        if right == 0:
            found = self._before_all(knots[0], stamp_us)
        else:
            found = _between(knots[right - 1], knots[right], stamp_us)
        return min(drawn, found, key=lambda knot: knot.sigma_us)

    def _before_all(self, knot: Knot, stamp_us: int) -> Knot:
        """Return a stamp from before the first trip: today's slope, less certain by what it wandered since."""
        assert self._state is not None
        since = abs(self._state.stamp_us - knot.stamp_us) * 1e-6
        slope_var = self._state.p11 + clock_filter.WANDER_PPM2_PER_S * since
        start = State(knot.stamp_us, knot.edge_us, self._state.slope_ppm, knot.sigma_us**2, 0.0, slope_var)
        back = clock_filter.moved(start, stamp_us)
        return Knot(stamp_us, back.edge_us, sqrt(back.p00))


def _between(left: Knot, right: Knot, stamp_us: int) -> Knot:
    gap_us = right.stamp_us - left.stamp_us
    part = (stamp_us - left.stamp_us) / gap_us
    edge_us = left.edge_us + part * (right.edge_us - left.edge_us)
    wander = clock_filter.bridge_var(gap_us) * (4.0 * part * (1.0 - part)) ** 2
    return Knot(stamp_us, edge_us, sqrt(max(left.sigma_us, right.sigma_us) ** 2 + wander))
