"""Virtual EZO-EC circuit, written from its datasheet.

Source: Atlas Scientific, EZO-EC datasheet V 6.2 (September 2020): range and resolution, 600 ms for a reading, outputs
(`O`), probes (`K`). How conductivity goes with temperature is not published: 2 % a Cel here, as is usual for water. The
physical side is `conductivity_us_cm`, that at 25 Cel, and `water_cel`.
"""

from .base import Clock, Range
from .ezo import EZO, STANDARD_CEL, Answer

OUTPUTS = ("EC", "TDS", "S", "SG")
PER_CEL = 0.02
# Below each of these values (uS/cm), so many digits behind the point; negative: tens, hundreds.
DIGITS = ((100.0, 2), (1_000.0, 1), (10_000.0, 0), (100_000.0, -1), (float("inf"), -2))
HIGHEST = 500_000.0
TDS_PER_US = 0.54


class EZOEC(EZO):
    """The circuit with its probe in water. What it is told with O and K it keeps without power."""

    kind = "EC"
    firmware = "2.16"
    reading_ns = 600_000_000

    def __init__(self, clock: Clock, address: int = 0x64) -> None:
        super().__init__(clock, address)
        self.conductivity_us_cm = 650.0
        self.outputs = {"EC"}
        self.probe_k = 1.0

    def sample_range(self) -> dict[str, Range]:
        """Up to where a digit is 10 uS/cm; finer ones have tests of their own."""
        return {"conductivity_us_cm": Range(0.07, 99_000.0, 5.01)}

    def value(self) -> str:
        """What is enabled, in the order that never changes."""
        told = 1 + PER_CEL * (self.told_cel - STANDARD_CEL)
        seen = self.conductivity_us_cm * (1 + PER_CEL * (self.water_cel - STANDARD_CEL)) / told
        seen = max(0.0, min(HIGHEST, seen))
        texts = {"EC": written(seen), "TDS": f"{seen * TDS_PER_US:.0f}", "S": f"{seen / 2000:.2f}", "SG": "1.000"}
        return ",".join(texts[name] for name in OUTPUTS if name in self.outputs) or "no output"

    def own_command(self, name: str, arguments: list[str]) -> Answer | None:
        """O and K."""
        if (name, arguments) == ("O", ["?"]):
            return lambda: ",".join(("?O", *(output for output in OUTPUTS if output in self.outputs)))
        if name == "O" and len(arguments) == 2 and arguments[0] in OUTPUTS and arguments[1] in ("0", "1"):
            (self.outputs.add if arguments[1] == "1" else self.outputs.discard)(arguments[0])
            return lambda: ""
        if (name, arguments) == ("K", ["?"]):
            return lambda: f"?K,{self.probe_k:.1f}"
        return None


def written(us_cm: float) -> str:
    """A conductivity with as many digits as the circuit gives it."""
    digits = next(digits for limit, digits in DIGITS if us_cm < limit)
    return f"{round(us_cm, digits):.{max(0, digits)}f}"


def make(clock: Clock, address: int = 0x64) -> EZOEC:
    """A circuit in tap water."""
    return EZOEC(clock, address)
