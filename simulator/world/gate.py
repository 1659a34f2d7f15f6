"""The sluice gate's motor, spindle and limit switches: moved by two relays, in real seconds."""

from dataclasses import dataclass

TRAVEL_S = 4.0
LIMIT_BAND = 0.002


@dataclass
class Gate:
    """Gate position 0..1. Both relays on at once is a short in a real starter: it stalls and is counted."""

    position: float = 0.2
    travel_s: float = TRAVEL_S
    opening: bool = False
    closing: bool = False
    conflicts: int = 0
    travelled: float = 0.0
    jammed: bool = False

    def drive(self, opening: bool, closing: bool) -> None:
        """Set the two relays as the board drives them now."""
        if opening and closing and not (self.opening and self.closing):
            self.conflicts += 1
        self.opening, self.closing = opening, closing

    def advance(self, real_seconds: float) -> None:
        """Move for a stretch of real time under the present relays; the end stops hold."""
        if self.opening == self.closing or self.jammed:
            return
        step = real_seconds / self.travel_s * (1 if self.opening else -1)
        before = self.position
        self.position = min(1.0, max(0.0, before + step))
        self.travelled += abs(self.position - before)

    @property
    def at_open(self) -> bool:
        """Upper limit switch is pressed."""
        return self.position >= 1.0 - LIMIT_BAND

    @property
    def at_closed(self) -> bool:
        """Lower limit switch is pressed."""
        return self.position <= LIMIT_BAND
