"""The sluice gate's motor, spindle and limit switches: moved by two relays or a positioner, in real seconds."""

from dataclasses import dataclass

TRAVEL_S = 4.0
LIMIT_BAND = 0.002


@dataclass
class Gate:
    """Gate position 0..1. Both relays on at once is a short in a real starter: it stalls and is counted.

    `target`: what a positioner is told, which then moves the motor instead of relays; beyond 0..1 it means the end.
    """

    position: float = 0.2
    travel_s: float = TRAVEL_S
    opening: bool = False
    closing: bool = False
    conflicts: int = 0
    travelled: float = 0.0
    jammed: bool = False
    target: float | None = None

    def drive(self, opening: bool, closing: bool) -> None:
        """Set the two relays as the board drives them now."""
        if opening and closing and not (self.opening and self.closing):
            self.conflicts += 1
        self.opening, self.closing = opening, closing

    def advance(self, real_seconds: float) -> None:
        """Move for a stretch of real time under the present relays or setpoint; the end stops hold."""
        if self.jammed:
            return
        before = self.position
        self.position = min(1.0, max(0.0, before + self._step(real_seconds / self.travel_s)))
        self.travelled += abs(self.position - before)

    def _step(self, most: float) -> float:
        """How far it moves while it could move by `most`."""
        if self.target is not None:
            return min(most, max(-most, self.target - self.position))
        return most * (self.opening - self.closing)

    @property
    def at_open(self) -> bool:
        """Upper limit switch is pressed."""
        return self.position >= 1.0 - LIMIT_BAND

    @property
    def at_closed(self) -> bool:
        """Lower limit switch is pressed."""
        return self.position <= LIMIT_BAND
