"""What the serial sweep needs to know of each sensor on a UART: the `SERIAL` in its `test_<driver>.py`."""

import importlib
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent


class SerialCase(NamedTuple):
    """How a driver is tried against its virtual chip."""

    cfg: dict[str, Any]
    """The board file's entry; `bus` is uart1."""
    shows: dict[int, str]
    """The chip's physical attribute for a place among the values of a reading, `name` or `name[index]`."""
    width: int
    """How many values a reading has."""
    heap: int
    """Most bytes that one start and reading may allocate on a 32-bit board; 256 is the limit for all."""
    settle_ms: int = 1000
    """Time that a changed quantity gets until it must show."""


def found() -> dict[str, SerialCase]:
    """Return the case of each driver that has one."""
    cases = {}
    for path in sorted(FOLDER.glob("test_*.py")):
        if "\nSERIAL = " in path.read_text(encoding="utf-8"):
            module = importlib.import_module(f"tests.drivers.{path.stem}")
            cases[path.stem.removeprefix("test_")] = SerialCase(**module.SERIAL)
    return cases


SERIAL_CASES = found()


def plug_serial(bench: Any, name: str) -> tuple[Any, Any, Any]:
    """Return (driver, virtual chip, UART) wired on the bench."""
    chip = importlib.import_module(f"simulator.chips.{name}").make(bench.clock.ns)
    cfg = SERIAL_CASES[name].cfg
    uart = bench.uart(cfg["bus"], chip.baud)
    uart.plug(chip)
    return importlib.import_module(f"drivers.{name}").make(bench, cfg), chip, uart
