"""Relay, contactor or solid-state switch on one pin: fan, pump, siren, lamp.

| command | meaning | unit | range  |
|---------|---------|------|--------|
| setpoint | on from 0.5 | 1 | 0 .. 1 |

    fan = make(io, {"pin": "GP10", "active_high": True, "min_off_ms": 5000})
    fan.command(1.0)
    fan.step(now_ms)                # every 20 to 50 ms

Board file keys: `pin`; `active_high` (true); `min_off_ms` (0): rest between two runs, also after a start of
the board; `max_on_ms` (0: none): longer runs are cut and the driver faults with TRIPPED; `safe` (0): the safe
setpoint.
Limits: the pin says what was ordered, not what the load does: observe it with a sensor.
"""

from . import motion


class Relay:
    """A switched output. `state` IDLE, WAITING (for its rest) or FAULT; `position` is 1.0 while on."""

    def __init__(self, output, min_off_ms: int = 0, max_on_ms: int = 0, safe: float = 0.0) -> None:
        self._output = output
        self._min_off_ms = min_off_ms
        self._max_on_ms = max_on_ms
        self._safe = safe
        self._wanted = False
        self._on = False
        self._since_ms = -1
        self._setpoint = 0.0
        self.fault = motion.OK
        output.off()

    @property
    def position(self) -> float:
        """1.0 while the output is on, else 0.0."""
        return 1.0 if self._on else 0.0

    @property
    def setpoint(self) -> float:
        """The last command."""
        return self._setpoint

    @property
    def settled(self) -> bool:
        """Whether the output is as commanded."""
        return self._on == self._wanted and self.fault == motion.OK

    @property
    def state(self) -> int:
        """IDLE, WAITING or FAULT."""
        if self.fault != motion.OK:
            return motion.FAULT
        return motion.IDLE if self._on == self._wanted else motion.WAITING

    def command(self, setpoint: float) -> None:
        """Want on (0.5 and more) or off, from the next step; off acts at once and also clears a fault.

        Raises: ValueError for a setpoint outside 0 to 1.
        """
        if not 0.0 <= setpoint <= 1.0:
            raise ValueError("relay setpoint must be 0 to 1")
        self._setpoint = setpoint
        self._wanted = setpoint >= 0.5
        if not self._wanted:
            self.fault = motion.OK
            self._release()

    def safe(self) -> None:
        """Command the safe setpoint of the board file."""
        self.command(self._safe)

    def stop(self) -> None:
        """Off, at once."""
        self.command(0.0)

    def step(self, now_ms: int) -> None:
        """Do what is due at this elapsed time."""
        if self._since_ms < 0:
            self._since_ms = now_ms
        if self._on and self._max_on_ms and now_ms - self._since_ms >= self._max_on_ms:
            self.fault = motion.TRIPPED
            self._wanted = False
            self._release()
        elif self._wanted and not self._on and self._rested(now_ms):
            self._on = True
            self._since_ms = now_ms
            self._output.on()

    def _rested(self, now_ms: int) -> bool:
        return self.fault == motion.OK and now_ms - self._since_ms >= self._min_off_ms

    def _release(self) -> None:
        """Off; the rest counts from the next step."""
        self._output.off()
        if self._on:
            self._on = False
            self._since_ms = -1


def make(io, cfg) -> Relay:
    """The relay that a board file's entry describes."""
    output = io.output(cfg["pin"], cfg.get("active_high", True))
    return Relay(output, cfg.get("min_off_ms", 0), cfg.get("max_on_ms", 0), cfg.get("safe", 0.0))
