"""How often a sensor may be read: below 500 ms only what a FIFO or an interrupt keeps, or what somebody accepts.

A loop reads when its turn comes. Between two turns a chip without a FIFO forgets, and a contact without an interrupt
closes unseen; the shorter the period, the more a late turn weighs. A driver that has either says so in its docstring,
`Below 500 ms: ...`. For the others a board file that knows better says `polled = true`.
"""

import re
from collections.abc import Iterable, Iterator
from types import ModuleType

from .schema import Sensor

POLLED_MIN_MS = 500
_KEPT = re.compile(r"^Below 500 ms: (.+)$", re.M)


def kept_by(driver: ModuleType) -> str:
    """Return what keeps measurements between two turns of the loop, as its docstring says; "" if nothing does."""
    found = _KEPT.search(driver.__doc__ or "")
    return found[1] if found else ""


def shortest_ms(driver: ModuleType, polled: bool) -> int:
    """Return the shortest period in ms. `polled`: late turns, and what is not seen between them, are accepted."""
    able = int(driver.PERIOD_MIN_MS)
    return able if polled or kept_by(driver) else max(able, POLLED_MIN_MS)


def problems(where: str, sensor: Sensor, driver: ModuleType, all_drivers: Iterable[ModuleType]) -> Iterator[str]:
    """Yield why a sensor cannot have its period; `all_drivers`: to name those that could."""
    able, shortest = int(driver.PERIOD_MIN_MS), shortest_ms(driver, sensor.polled)
    if sensor.period_ms >= shortest:
        return
    found = f"{where}.period_ms: found {sensor.period_ms}; expected at least {shortest}"
    if shortest == able:
        yield f"{found}, the chip's shortest"
        return
    keeping = ", ".join(other.__name__.rpartition(".")[2] for other in all_drivers if kept_by(other))
    yield (
        f"{found}: {sensor.chip} has neither a FIFO nor an interrupt, so what happens between two turns of the loop is "
        f"not seen; write period_ms = {shortest} or more, take a chip that has ({keeping}), or add polled = true (at "
        f"least {able}) where a reading may be late by a turn"
    )
