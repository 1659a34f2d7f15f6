"""The scaled city clock: real boottime to event time. CPython.

event_utc_us = epoch_utc_us + speed * (boottime_us - epoch_boottime_us)

World and analysis live in event time; leases, debounce and travel times stay in boottime.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class CityClock:
    """Maps CLOCK_BOOTTIME microseconds to event UTC microseconds; `speed` 1.0 is real time."""

    speed: float = 1.0
    epoch_boottime_us: int = 0
    epoch_utc_us: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.speed < 1e6:
            raise ValueError(f"clock speed must be above 0 and below 1e6, found {self.speed}")

    def event_utc_us(self, boottime_us: int) -> int:
        """Return the event time of a boottime, in UTC microseconds."""
        return self.epoch_utc_us + round(self.speed * (boottime_us - self.epoch_boottime_us))

    def boottime_us(self, event_utc_us: int) -> int:
        """Return the boottime at which an event time is reached, in microseconds."""
        return self.epoch_boottime_us + round((event_utc_us - self.epoch_utc_us) / self.speed)
