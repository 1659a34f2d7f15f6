"""What a verdict means and what to check, in words for a technician."""

from typing import NamedTuple

GAP = "gap"
_HOUR_S = 3600.0


class Seen(NamedTuple):
    """What a verdict is about: value and bounds with unit, how long the same (city s) or silent (real s), partners."""

    value: str
    bounds: str
    lasted_s: float
    partners: str


def words(test: str, seen: Seen) -> tuple[str, str]:
    """Return (what is wrong, what to check) of a verdict that this node gave itself."""
    lasted = _lasted(seen.lasted_s)
    if test == "gross_range":
        return (
            f"{seen.value} is outside {seen.bounds}, which edge.toml gives as plausible",
            "look whether it is true; if it is, widen lower and upper in [quality]",
        )
    if test == "rate_of_change":
        return (
            f"{seen.value} came faster than it can ({seen.bounds})",
            "check for a loose plug, water in a connector, a supply that dips; if it is true, raise rate_per_s",
        )
    if test == "flat_line":
        return (
            f"{seen.value} without change for {lasted}, though its noise shows in the last digit",
            "breathe on the sensor or move it: if nothing changes it is stuck, so take its power away and give it back",
        )
    if test == "neighbor":
        return (
            f"{seen.value} disagrees with {seen.partners}",
            "hold a third instrument beside both: clean, shade or calibrate the one that is wrong",
        )
    return f"no sample for {lasted}", "city console at the board: status and get say whether it reads the sensor"


def _lasted(seconds: float) -> str:
    """Return `45 s`, `12 min` or `6.2 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * _HOUR_S else f"{seconds / _HOUR_S:.1f} h"
