"""Motorised gate or valve: one relay opens, one closes, a position sensor and two limits say where it is.

| command  | meaning          | unit | range  |
|----------|------------------|------|--------|
| setpoint | opening of full  | 1    | 0 .. 1 |

    gate = make(io, {"open_pin": "GP10", "close_pin": "GP11",
                     "limit_open_pin": "GP12", "limit_closed_pin": "GP13",
                     "position": ["position", "opening"], "travel_ms": 4000, "safe": 0.2})
    gate.command(0.6)
    gate.step(now_ms)               # every 20 to 50 ms

Board file keys: `open_pin`, `close_pin`, `active_high` (true); `limit_open_pin`, `limit_closed_pin`,
`limit_pull` ("up"), `limit_active_high` (false); `position`: [sensor, channel] of the feedback;
`position_at_closed` (0.0) and `position_at_open` (1.0): that channel's value at both ends; `travel_ms`
(4000): a full stroke; `run_limit_ms` (1.5 strokes); `deadband` (0.01); `dead_time_ms` (200) between two runs;
`feedback_max_age_ms` (500); `safe` (0.0).

Never: both relays on, or a relay on towards an active limit switch. A run that lasts too long, a feedback
that is bad, old or at odds with a limit switch stops the gate with FAULT; the next command tries again. A
safe order waits for the feedback instead of giving up. After a start of the board the dead time passes before
anything moves.
Limits: opto- or motor-side interlocks are still needed: a welded relay is not seen until the run limit. The
gate drifts on by its own inertia; the driver stops early by what the gate moves between two readings.
"""

from . import motion

_NOT_GOOD = 3
_END_SLACK = 0.1
_MAX_RUNS = 8


class GateDrive:
    """The gate. `state` IDLE, OPENING, CLOSING or FAULT; `fault` says why; `position` 0 closed to 1 open."""

    def __init__(self, relays, limits, feedback, cfg) -> None:
        """`relays` and `limits` (open, closed); `feedback` is a callable -> (position, quality, age_ms)."""
        self._open, self._close = relays
        self._at_open, self._at_closed = limits
        self._feedback = feedback
        self._travel_ms = cfg.get("travel_ms", 4000)
        self._run_limit_ms = cfg.get("run_limit_ms", self._travel_ms * 3 // 2)
        self._deadband = cfg.get("deadband", 0.01)
        self._dead_time_ms = cfg.get("dead_time_ms", 200)
        self._max_age_ms = cfg.get("feedback_max_age_ms", 500)
        self._safe = cfg.get("safe", 0.0)
        self._going_safe = False
        self._target = -1.0
        self._since_ms = -1
        self._wanted_ms = -1
        self._runs = 0
        self._direction = 0
        self._settled = False
        self.fault = motion.OK
        self.position = float("nan")
        self.setpoint = float("nan")
        self._release()

    @property
    def state(self) -> int:
        """IDLE, OPENING, CLOSING or FAULT."""
        if self.fault != motion.OK:
            return motion.FAULT
        return (motion.CLOSING, motion.IDLE, motion.OPENING)[self._direction + 1]

    @property
    def settled(self) -> bool:
        """Whether the gate has reached the last command and stands."""
        return self._settled

    def command(self, setpoint: float) -> None:
        """Want an opening from 0 to 1; clears a fault. Raises: ValueError outside 0 to 1."""
        if not 0.0 <= setpoint <= 1.0:
            raise ValueError("gate setpoint must be 0 to 1")
        self._going_safe = False
        self._aim(setpoint)

    def safe(self) -> None:
        """Go to the safe opening of the board file. Repeated calls change nothing."""
        if not self._going_safe:
            self._aim(self._safe)
            self._going_safe = True

    def stop(self) -> None:
        """Both relays off, at once; forget the target."""
        self._release()
        self._since_ms = -1
        self._target = -1.0
        self._going_safe = False

    def step(self, now_ms: int) -> None:
        """Read limits and feedback, then start, continue or stop at this elapsed time."""
        if self._since_ms < 0:
            self._since_ms = now_ms
        if self._wanted_ms < 0:
            self._wanted_ms = now_ms
        at_open, at_closed = bool(self._at_open()), bool(self._at_closed())
        usable, age_ms = self._look()
        if self._direction and self._must_stop(at_open, at_closed):
            self._halt(now_ms)
        if self._target < 0 or (self.fault != motion.OK and not self._going_safe):
            return
        if at_open and at_closed:
            self._fail(motion.INTERLOCKED, now_ms)
        elif not usable:
            self._without_feedback(now_ms)
        else:
            self._drive(at_open, at_closed, age_ms, now_ms)

    def _aim(self, setpoint: float) -> None:
        self.fault = motion.OK
        self.setpoint = setpoint
        self._target = setpoint
        self._settled = False
        self._wanted_ms = -1
        self._runs = 0

    def _look(self) -> tuple:
        """(usable, age in ms) of the feedback; keeps the position."""
        position, quality, age_ms = self._feedback()
        if quality >= _NOT_GOOD or not -0.2 <= position <= 1.2:
            return False, age_ms
        self.position = position
        return age_ms <= self._max_age_ms, age_ms

    def _must_stop(self, at_open: bool, at_closed: bool) -> bool:
        return at_open if self._direction > 0 else at_closed

    def _without_feedback(self, now_ms: int) -> None:
        """Stop; give up unless the command is so young that the sensor may not have been read yet."""
        if self._direction or now_ms - self._wanted_ms > self._max_age_ms:
            self._fail(motion.NO_FEEDBACK, now_ms)

    def _drive(self, at_open: bool, at_closed: bool, age_ms: int, now_ms: int) -> None:
        if self.fault in (motion.NO_FEEDBACK, motion.INTERLOCKED):
            self.fault = motion.OK
        if self.fault != motion.OK:
            return
        want = self._wanted_direction(at_open, at_closed, age_ms, now_ms)
        if self._direction:
            self._continue(want, now_ms)
        elif want:
            self._begin(want, age_ms, now_ms)
        elif self.fault == motion.OK and self._fresh(age_ms, now_ms):
            self._arrive()

    def _wanted_direction(self, at_open: bool, at_closed: bool, age_ms: int, now_ms: int) -> int:
        """-1, 0 or 1: where to go from the position expected now."""
        run_ms = min(age_ms, now_ms - self._since_ms) if self._direction else 0
        error = self._target - (self.position + self._direction * run_ms / self._travel_ms)
        if abs(error) <= self._deadband or (self._direction and error * self._direction < 0):
            return self._towards_end(at_open, at_closed)
        want = 1 if error > 0 else -1
        if not (at_open if want > 0 else at_closed):
            return want
        if abs(error) > _END_SLACK:
            self._fail(motion.NO_FEEDBACK, now_ms)
        return 0

    def _towards_end(self, at_open: bool, at_closed: bool) -> int:
        """Fully open and closed are where the limit switches say, so a run to an end goes on until there."""
        if self._direction > 0 and self._target >= 1.0 and not at_open:
            return 1
        if self._direction < 0 and self._target <= 0.0 and not at_closed:
            return -1
        return 0

    def _continue(self, want: int, now_ms: int) -> None:
        if want != self._direction:
            self._halt(now_ms)
        elif now_ms - self._since_ms > self._run_limit_ms:
            self._fail(motion.TIMEOUT, now_ms)

    def _begin(self, want: int, age_ms: int, now_ms: int) -> None:
        if now_ms - self._since_ms < self._dead_time_ms or not self._fresh(age_ms, now_ms):
            return
        if self._runs >= _MAX_RUNS:
            self._fail(motion.TIMEOUT, now_ms)
            return
        self._runs += 1
        self._since_ms = now_ms
        try:
            (self._open if want > 0 else self._close).on()
            self._direction = want
        except RuntimeError:  # the board's interlock: try again after the dead time, a bounded number of times
            self._release()

    def _fresh(self, age_ms: int, now_ms: int) -> bool:
        """Whether the feedback was read after the gate stopped."""
        return age_ms <= now_ms - self._since_ms

    def _arrive(self) -> None:
        self._settled = True
        self._target = -1.0

    def _halt(self, now_ms: int) -> None:
        self._release()
        self._since_ms = now_ms

    def _fail(self, code: int, now_ms: int) -> None:
        self.fault = code
        if self._direction:
            self._halt(now_ms)
        if not self._going_safe:
            self._target = -1.0

    def _release(self) -> None:
        self._open.off()
        self._close.off()
        self._direction = 0


def _limit(io, cfg, key: str):
    level = io.input(cfg[key], cfg.get("limit_pull", "up"))
    active = 1 if cfg.get("limit_active_high", False) else 0
    return lambda: level() == active


def make(io, cfg) -> GateDrive:
    """The gate that a board file's entry describes."""
    active_high = cfg.get("active_high", True)
    relays = (io.output(cfg["open_pin"], active_high), io.output(cfg["close_pin"], active_high))
    limits = (_limit(io, cfg, "limit_open_pin"), _limit(io, cfg, "limit_closed_pin"))
    return GateDrive(relays, limits, motion.scaled(io, cfg), cfg)
