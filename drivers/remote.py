"""What actuators behind a chip on I2C share: tell it, read it back, notice that it forgot, say what is not sure.

A chip on a bus keeps its output when the board restarts, and loses it when only the chip does. So an order counts once
the chip was read back; it is read back again every `VERIFY_MS`, and a chip that says something else is told again, or
sent to the safe setpoint and left there (`after_loss`). An order that the bus does not carry is tried twice at once,
then again in growing pauses; meanwhile `state` is FAULT, `fault` NO_FEEDBACK and `position` NaN.

A driver of such a chip has `_tell(level)`, which writes and returns whether that was all (False: call it again at the
next step), and `_holds(level)`, which reads back; both raise DriverError. `level` is from 0 to 1.
"""

from math import isnan

from . import motion
from .errors import DriverError

VERIFY_MS = 500
_PAUSE_MS = 20
_DOUBLINGS = 5
_NAN = float("nan")
_NOT_GOOD = 3
_FEEDBACK_MAX_AGE_MS = 500
_PATIENCE_MS = 500


class Remote:
    """An output at the far end of `bus`. `state` IDLE, WAITING, OPENING, CLOSING or FAULT; `losses` counts."""

    def __init__(self, bus, cfg, feedback=None) -> None:
        """`feedback` is None or a callable -> (position, quality, age_ms). Raises: ValueError for a wrong option."""
        if cfg.get("after_loss", "setpoint") not in ("setpoint", "safe"):
            raise ValueError('after_loss: found "%s"; expected "setpoint" or "safe"' % cfg["after_loss"])
        if not 0.0 <= cfg.get("lower", 0.0) <= cfg.get("upper", 1.0) <= 1.0:
            raise ValueError("lower and upper: expected 0 to 1")
        self.bus = bus
        self._address = cfg["address"]
        self._safe = cfg.get("safe", 0.0)
        self._travel_ms = cfg.get("travel_ms", 0)
        self._deadband = cfg.get("deadband", 0.02)
        self._stay_safe = cfg.get("after_loss") == "safe"
        self._feedback = feedback
        self.setpoint = self._safe
        self.losses = 0
        self._from = self._safe  # the feedback may not be there yet
        self._want(self._safe)

    def _tell(self, level: float) -> bool:
        """Write what this level needs; whether that was all. Raises: DriverError."""
        raise NotImplementedError

    def _holds(self, level: float) -> bool:
        """Read back whether the chip has this level. Raises: DriverError."""
        raise NotImplementedError

    def _order(self, level: float) -> None:
        """Want another level than before; the chip is told at the next look."""
        self._from = self.position
        self._want(level)

    def _want(self, level: float) -> None:
        self._level = level
        self._tripped = motion.OK
        self._unsure = motion.OK
        self._failures = 0
        self._due_ms = -1
        self._tell_again()

    def _tell_again(self) -> None:
        self._told = False
        self._arrived = False
        self._told_ms = -1

    @property
    def fault(self) -> int:
        """OK, NO_FEEDBACK (chip or feedback give no sound answer), TIMEOUT (of the load) or TRIPPED (chip forgot)."""
        return self._tripped or self._unsure

    @property
    def settled(self) -> bool:
        """Whether the chip holds the last order, and the load has had its time or is where it should be."""
        return self._told and self._arrived and self.fault == motion.OK

    @property
    def state(self) -> int:
        """IDLE, WAITING (for the bus), OPENING, CLOSING or FAULT."""
        if self.fault != motion.OK:
            return motion.FAULT
        if not self._told:
            return motion.WAITING
        if self._arrived:
            return motion.IDLE
        return motion.CLOSING if self._level < self._from else motion.OPENING

    @property
    def position(self) -> float:
        """What the feedback says; without one, what the chip holds. NaN while that is not known."""
        if self._feedback is not None:
            found, quality, age_ms = self._feedback()
            return found if quality < _NOT_GOOD and age_ms <= _FEEDBACK_MAX_AGE_MS else _NAN
        return self._level if self._told and not self._unsure else _NAN

    def command(self, setpoint: float) -> None:
        """Want a setpoint from 0 to 1 from the next step; clears a fault. Raises: ValueError outside 0 to 1."""
        if not 0.0 <= setpoint <= 1.0:
            raise ValueError("setpoint must be 0 to 1")
        self.setpoint = setpoint
        self._order(setpoint)

    def safe(self) -> None:
        """Tell the chip the safe setpoint at once; steps go on trying if the bus does not carry it."""
        if self._level != self._safe:
            self._order(self._safe)
        self.setpoint = self._safe
        self._look()

    def stop(self) -> None:
        """The same as `safe`: what is off for one load moves another."""
        self.safe()

    def step(self, now_ms: int) -> None:
        """Tell, read back or tell again what is due at this elapsed time."""
        if now_ms >= self._due_ms:
            self._look()
            pause_ms = _PAUSE_MS << min(self._failures, _DOUBLINGS)
            self._due_ms = now_ms + (VERIFY_MS if self._told and not self._failures else pause_ms)
        if self._told and not self._arrived and not self._tripped:
            self._follow(now_ms)

    def _look(self) -> None:
        """One exchange with the chip, and a second one if the first failed."""
        if not self._exchanged() and not self._exchanged():
            self._failures += 1
            self._unsure = motion.NO_FEEDBACK

    def _exchanged(self) -> bool:
        """Whether the chip answered and, if it was told all, holds it."""
        try:
            if self._told and not self._holds(self._level):
                self._forgotten()
            if not self._told:
                if not self._tell(self._level):
                    return True
                self._told = self._holds(self._level)
        except DriverError:
            return False
        if self._told:
            self._failures = 0
            self._unsure = motion.OK
        return self._told

    def _forgotten(self) -> None:
        """The chip lost its power, or somebody else told it something."""
        self.losses += 1
        self._tell_again()
        if self._stay_safe:
            self._level = self._safe
            self._tripped = motion.TRIPPED

    def _follow(self, now_ms: int) -> None:
        """Wait for the load: for its time, or until the feedback says that it is there."""
        if self._told_ms < 0:
            self._told_ms = now_ms
        passed_ms = now_ms - self._told_ms
        if self._feedback is None:
            self._arrived = passed_ms >= self._travel_ms
            return
        position = self.position
        if abs(position - self._level) <= self._deadband:
            self._arrived = True
        elif passed_ms > self._travel_ms * 3 // 2 + _PATIENCE_MS:
            self._tripped = motion.NO_FEEDBACK if isnan(position) else motion.TIMEOUT
