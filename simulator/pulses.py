"""Contact closures of a counter such as a tipping bucket, with the time of every edge."""

from simulator.pins import pin_number
from simulator.scenario import PulsePlace


class PulseMaker:
    """Turns a rising quantity into contact closures, each edge with its own time."""

    def __init__(self, place: PulsePlace) -> None:
        self.place = place
        self.pin = pin_number(place.pin)
        self.made = 0
        self.broken = False
        self._base: float | None = None

    def due(self, quantity: float) -> int:
        """Pulses that the rise since the start still owes."""
        if self._base is None:
            self._base = quantity
        total = int((quantity - self._base) / self.place.per_pulse + 1e-9)
        owed, self.made = max(0, total - self.made), max(total, self.made)
        return owed

    def edges(self, quantity: float, from_us: int, to_us: int) -> list[tuple[int, int | None]]:
        """(time, level) of the edges in a stretch of real time; None lets go. A broken wire makes none."""
        count = self.due(quantity)
        if not count or self.broken:
            return []
        spacing = (to_us - from_us) // count
        low_us = min(self.place.low_us, spacing // 3)
        starts = [from_us + spacing * index for index in range(count)]
        return [edge for start in starts for edge in ((start, 0), (start + low_us, None))]
