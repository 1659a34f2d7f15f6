"""Makes virtual chips and buses by the names scenario files use."""

import importlib
import time
from typing import Any

from simulator.bridge import Bus
from simulator.scenario import ChipPlace


def make_chip(place: ChipPlace) -> Any:
    """A chip of `simulator/chips/<chip>.py`. Raises: ModuleNotFoundError."""
    module = importlib.import_module(f"simulator.chips.{place.chip}")
    options: dict[str, Any] = {} if place.address is None else {"address": place.address}
    return module.make(clock=time.monotonic_ns, **options)


def make_bus(chips: list[Any]) -> Bus:
    """A bus with chips on it."""
    bus: Bus = importlib.import_module("simulator.bus").VirtualI2C(chips)
    return bus
