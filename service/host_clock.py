"""What this host knows of UTC: its boottime, which never steps, against its UTC clock, which may. Sans-IO.

A Pi without a battery wakes up in 1970 or where it was switched off, and jumps when a time server is found. So
event time is boottime plus an offset, and the offset counts only while the host says that it is synchronised:

* unsynchronised, or a time before this software was released: a guess, flagged.
* synchronised: the offset holds from then on, and for all of this boot before it, for boottime did not jump.
* a step of up to 2 s (a leap second, a correction) holds from the step on.
* a larger step: the clock contradicts itself. It counts as unsynchronised until the new time has stood for ten
  seconds; then the newest synchronised time is right for all of this boot. Jumping back mends it again.
* no longer synchronised (servers out of reach, somebody set the clock by hand): the last offset is held, and the
  uncertainty grows with what the oscillator may drift; above one second it is flagged.

The kernel slews UTC and boottime together, so a slew does not show in the offset; how much is still to be slewed
is part of `error_us`. Deadlines never come here: they are kept in boottime.
"""

from bisect import bisect_right
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from protocol.city_clock import CityClock

RELEASED_UTC_US = 1_795_478_400_000_000  # 2026-11-24; no sample of this software is older
PLAUSIBLE_YEARS_US = 30 * 31_557_600_000_000
LEAST_SIGMA_US = 10_000.0
MAX_SIGMA_US = 1_000_000.0
DRIFT = 50e-6
STEP_US = 2_000_000
SETTLE_US = 10_000_000
RESOLUTION_US = 2_000
MAX_PIECES = 256
UNKNOWN_US = 1e12


class Look(NamedTuple):
    """One look at the host: both clocks at one moment, whether it says it is synchronised, and how well."""

    boottime_us: int
    utc_us: int
    synced: bool
    error_us: float = 0.0


class Piece(NamedTuple):
    """Event time of boottimes from `from_us` on; `sigma_us` of real time."""

    from_us: int
    ref_us: int
    ref_utc_us: int
    rate: float
    sigma_us: float
    synced: bool

    def event_utc_us(self, boottime_us: float) -> int:
        """Return the event time of a boottime."""
        return self.ref_utc_us + round(self.rate * (boottime_us - self.ref_us))


class HostClock:
    """Boottime to event time. `history` rises when what is known of earlier moments changed, `jumps` when now did."""

    def __init__(self, fixed: CityClock | None = None) -> None:
        """Without looks nothing is known; a `fixed` clock is the city's own, right by definition."""
        self.history = self.jumps = self.implausible = 0
        self.speed = fixed.speed if fixed else 1.0
        self._fixed = _of_fixed(fixed) if fixed else None
        self._pieces: list[Piece] = []
        self._guess = Piece(0, 0, 0, 1.0, UNKNOWN_US, False)
        self._agreed_us = 0
        self._new: tuple[int, int] | None = None  # offset that contradicts, since when it stands
        self._seen = False

    def look(self, look: Look) -> None:
        """Take in how both clocks stand now. Call it every second or so, also when nothing changed."""
        if self._fixed is not None:
            return
        offset_us = look.utc_us - look.boottime_us
        plausible = 0 <= look.utc_us - RELEASED_UTC_US < PLAUSIBLE_YEARS_US
        self.implausible += look.synced and not plausible
        if look.synced and plausible:
            self._take(offset_us, look)
        else:
            self._new = None
        if not self._pieces:
            self._guess_at(offset_us)

    def _guess_at(self, offset_us: int) -> None:
        self.jumps += self._seen and abs(offset_us - self._guess.ref_utc_us) > STEP_US
        self._seen = True
        self._guess = self._guess._replace(ref_utc_us=offset_us)

    def _take(self, offset_us: int, look: Look) -> None:
        """The host is synchronised: believe it, unless it contradicts what it said before."""
        sigma_us = max(LEAST_SIGMA_US, look.error_us)
        now_us = look.boottime_us
        if not self._pieces:
            self._begin(offset_us, now_us, sigma_us)
            return
        last = self._pieces[-1]
        moved_us = abs(offset_us - last.ref_utc_us)
        if moved_us > STEP_US and not self._has_settled(offset_us, now_us):
            return
        self._new, self._agreed_us = None, now_us
        if moved_us > STEP_US:
            self._begin(offset_us, now_us, sigma_us)
        elif moved_us > RESOLUTION_US or not last.sigma_us / 2 <= sigma_us <= last.sigma_us * 2:
            self._pieces.append(Piece(now_us, 0, offset_us, 1.0, sigma_us, True))
            del self._pieces[:-MAX_PIECES]

    def _has_settled(self, offset_us: int, now_us: int) -> bool:
        if self._new is None or abs(offset_us - self._new[0]) > RESOLUTION_US:
            self._new = offset_us, now_us
        return now_us - self._new[1] >= SETTLE_US

    def _begin(self, offset_us: int, now_us: int, sigma_us: float) -> None:
        """This offset is right for all of this boot."""
        self.jumps += self._seen and abs(offset_us - self._piece_now().ref_utc_us) > STEP_US
        self._seen = True
        self._pieces = [Piece(now_us, 0, offset_us, 1.0, sigma_us, True)]
        self._agreed_us = now_us
        self.history += 1

    def _piece_now(self) -> Piece:
        return self._fixed or (self._pieces[-1] if self._pieces else self._guess)

    def at(self, boottime_us: int) -> Piece:
        """Return the best that is known of this moment, with the uncertainty it has there."""
        if self._fixed is not None or not self._pieces:
            return self._piece_now()
        found = self._pieces[max(0, bisect_right(self._pieces, boottime_us, key=lambda p: p.from_us) - 1)]
        away_us = max(self._pieces[0].from_us - boottime_us, boottime_us - self._agreed_us, 0)
        sigma_us = found.sigma_us + DRIFT * away_us
        disputed = self._new is not None and boottime_us >= self._agreed_us
        return found._replace(sigma_us=sigma_us, synced=sigma_us <= MAX_SIGMA_US and not disputed)

    def synced(self, now_us: int) -> bool:
        """Return whether event time is known now."""
        return self.at(now_us).synced

    def event_utc_us(self, boottime_us: int) -> int:
        """Return the event time of a boottime on the time line of now, which has no steps; perhaps a guess."""
        return self._piece_now().event_utc_us(boottime_us)

    def event_times(self, boottimes_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the event times (n,) of boottimes on the time line of now, microseconds."""
        now = self._piece_now()
        elapsed = np.rint(now.rate * (boottimes_us - now.ref_us)).astype(np.int64)
        return np.asarray(now.ref_utc_us + elapsed, np.int64)

    def boottime_us(self, event_utc_us: int) -> int:
        """Return the boottime at which an event time is reached on the time line of now."""
        now = self._piece_now()
        return now.ref_us + round((event_utc_us - now.ref_utc_us) / now.rate)

    def boottimes(self, event_utc_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the boottimes (n,) of event times on the time line of now, microseconds."""
        now = self._piece_now()
        elapsed = np.rint((event_utc_us - now.ref_utc_us) / now.rate).astype(np.int64)
        return np.asarray(now.ref_us + elapsed, np.int64)

    def health(self, now_us: int) -> dict[str, object]:
        """Return for people: whether event time is known, how well, and how often the clock jumped."""
        now = self.at(now_us)
        return {
            "synced": now.synced, "sigma_us": round(now.sigma_us) if now.synced else None,
            "jumps": self.jumps, "implausible": self.implausible, "fixed": self._fixed is not None,
        }  # fmt: skip


def _of_fixed(clock: CityClock) -> Piece:
    return Piece(0, clock.epoch_boottime_us, clock.epoch_utc_us, clock.speed, 1.0, True)
