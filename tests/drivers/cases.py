"""What the sweep and the board test need to know of each I2C sensor: the `CASE` in its `test_<driver>.py`."""

import ast
import importlib
from pathlib import Path
from typing import Any, NamedTuple

from drivers import errors

FOLDER = Path(__file__).parent


class Case(NamedTuple):
    """How a driver is tried against its virtual chip; the defaults hold for most."""

    cfg: dict[str, Any]
    """The board file's entry."""
    shows: list[str]
    """The chip's physical attribute for each value of a reading, `name` or `name[index]`."""
    heap: int
    """Most bytes that one start and reading may allocate on a 32-bit board; 256 is the limit for all."""
    first_nack: int | None = errors.NACK
    """Code of a reading whose very first transfer is not acknowledged; None: that is no fault."""
    too_early: int | None = errors.NOT_READY
    """Code of a reading before the wait is over; None: the driver waits for the rest, or it has no wait."""
    power_dip: bool = True
    """Whether a power dip between start and reading shows as a failed reading (quality 4)."""
    settle_ms: int = 6000
    """Time that a changed quantity gets until it must show."""
    derived: int = 0
    """How many more values a reading has that the driver makes of the others; its own test looks at them."""

    @property
    def values(self) -> int:
        """How many values a reading has."""
        return len(self.shows) + self.derived


def case_in(path: Path) -> dict[str, Any] | None:
    """Return the `CASE` of a test module, None if it has none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "CASE":
            return dict(importlib.import_module(f"tests.drivers.{path.stem}").CASE)
    return None


def found() -> dict[str, Case]:
    """Return the case of each driver that has one."""
    named = {path.stem.removeprefix("test_"): case_in(path) for path in sorted(FOLDER.glob("test_*.py"))}
    return {name: Case(**case) for name, case in named.items() if case is not None}


CASES = found()


def plug(bench: Any, name: str) -> tuple[Any, Any]:
    """Return (driver, virtual chip) wired on the bench."""
    chip = importlib.import_module(f"simulator.chips.{name}").make(clock=bench.clock.ns)
    bench.virtual.chips.clear()
    bench.virtual.add(chip)
    bench.clock.advance_ms(50)
    return importlib.import_module(f"drivers.{name}").make(bench, CASES[name].cfg), chip


def set_physical(chip: Any, attribute: str, value: float) -> None:
    """Set a chip's attribute, `name` or `name[index]`."""
    name, _, rest = attribute.partition("[")
    if rest:
        getattr(chip, name)[int(rest.rstrip("]"))] = value
    else:
        setattr(chip, name, value)
