"""Virtual EZO-pH circuit, written from its datasheet.

Source: Atlas Scientific, EZO-pH datasheet V 5.8 (January 2021): range, resolution, 900 ms for a reading. A glass
electrode's voltage is in proportion to the absolute temperature (Nernst): told a wrong one, the circuit is wrong about
how far from 7 the water is. The physical side is `ph` and `water_cel`.
"""

from .base import Clock, Range
from .ezo import EZO, Answer

ZERO_CEL_K = 273.15
NEUTRAL = 7.0
LOWEST, HIGHEST = 0.001, 14.0


class EZOPH(EZO):
    """The circuit with its probe in water."""

    kind = "pH"
    firmware = "2.12"
    reading_ns = 900_000_000

    def __init__(self, clock: Clock, address: int = 0x63) -> None:
        super().__init__(clock, address)
        self.ph = 7.4

    def sample_range(self) -> dict[str, Range]:
        """Three decimals."""
        return {"ph": Range(LOWEST, HIGHEST, 0.00051)}

    def value(self) -> str:
        """The pH with three decimals, cut at the ends of its range."""
        steeper = (self.water_cel + ZERO_CEL_K) / (self.told_cel + ZERO_CEL_K)
        return f"{max(LOWEST, min(HIGHEST, NEUTRAL + (self.ph - NEUTRAL) * steeper)):.3f}"

    def own_command(self, name: str, arguments: list[str]) -> Answer | None:
        """The slope of a new probe, as a share of the ideal one, for acid, base and at neutral in mV."""
        return (lambda: "?SLOPE,99.7,100.3,-0.89") if name == "SLOPE" and arguments == ["?"] else None


def make(clock: Clock, address: int = 0x63) -> EZOPH:
    """A circuit in tap water."""
    return EZOPH(clock, address)
