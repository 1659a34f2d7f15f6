"""Makes virtual chips and buses by the names scenario files use."""

import time
from collections.abc import Callable
from typing import Any

from simulator.bus import VirtualI2C
from simulator.chips.a02yyuw import A02YYUW
from simulator.chips.ads1115 import ADS1115
from simulator.chips.bme280 import BME280
from simulator.chips.scd41 import SCD41
from simulator.scenario import ChipPlace

I2C_CHIPS: dict[str, Callable[..., Any]] = {"ads1115": ADS1115, "bme280": BME280, "scd41": SCD41}
UART_CHIPS: dict[str, Callable[..., Any]] = {"a02yyuw": A02YYUW}


def make_chip(place: ChipPlace) -> Any:
    """A chip at its address, or one that talks on a UART. Raises: KeyError naming the known chips."""
    shelf = UART_CHIPS if place.uart else I2C_CHIPS
    if place.chip not in shelf:
        raise KeyError(f"chip {place.chip!r} is not on the shelf: {sorted(shelf)}")
    if place.uart:
        return shelf[place.chip](first_ns=time.monotonic_ns())
    options = {} if place.address is None else {"address": place.address}
    return shelf[place.chip](time.monotonic_ns, **options)


def make_bus(chips: list[Any], name: str) -> VirtualI2C:
    """A bus with chips on it."""
    return VirtualI2C(chips, name)
