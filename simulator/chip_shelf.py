"""Makes virtual chips and buses by the names scenario files use: those of the modules in `simulator/chips`."""

import ast
import importlib
import time
from functools import cache
from pathlib import Path
from typing import Any

from simulator.bus import VirtualI2C
from simulator.scenario import ChipPlace

CHIPS = Path(__file__).parent / "chips"


@cache
def shelves() -> dict[str, tuple[str, ...]]:
    """Names of chips by wire: `i2c` have an address, `uart` talk by themselves, `onewire` hear slots, `i2s` words."""
    found: dict[str, list[str]] = {"i2c": [], "uart": [], "onewire": [], "i2s": []}
    for path in sorted(CHIPS.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        if "make" in functions and "address" in [argument.arg for argument in functions["make"].args.args]:
            found["i2c"].append(path.stem)
        elif "make" in functions and "tick" in functions:
            found["uart"].append(path.stem)
        elif "make" in functions and "hear" in functions:
            found["onewire"].append(path.stem)
        elif "make" in functions and "words" in functions:
            found["i2s"].append(path.stem)
    return {wired: tuple(names) for wired, names in found.items()}


def shelf_of(place: ChipPlace) -> tuple[str, ...]:
    """Names of the chips that can stand at such a place."""
    return shelves()["uart" if place.uart else "i2s" if place.i2s else "onewire" if place.pin else "i2c"]


def make_chip(place: ChipPlace) -> Any:
    """A chip at its address, or one on a UART, an I2S or a 1-Wire pin. Raises: KeyError naming the known chips."""
    if place.chip not in shelf_of(place):
        raise KeyError(f"chip {place.chip!r} is not on the shelf: {list(shelf_of(place))}")
    module = importlib.import_module(f"simulator.chips.{place.chip}")
    options = {} if place.address is None else {"address": place.address}
    return module.make(time.monotonic_ns, **options)


def make_bus(chips: list[Any], name: str) -> VirtualI2C:
    """A bus with chips on it."""
    return VirtualI2C(chips, name)
