"""`city sim i2c`: a Linux program of anybody on virtual chips."""

import importlib
import sys
import time
from typing import Any

import rich_click as click

from cityreflex.exits import CONFIG, NOT_FOUND, CityError
from simulator import i2c_dev
from simulator.bus import VirtualI2C
from simulator.chip_shelf import shelves
from simulator.faces.wire import ADDRESSES

EXPECTED = "CHIP[@ADDRESS][,QUANTITY=VALUE ...] such as bme280@0x76,temperature_cel=25"


@click.command()
@click.option("--chip", "chips", multiple=True, required=True, metavar="CHIP",
              help=f"{EXPECTED}. May be given several times.")  # fmt: skip
@click.option("--device", default="/dev/i2c-1", show_default=True, help="Where the program finds the bus.")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
def i2c(chips: tuple[str, ...], device: str, program: tuple[str, ...]) -> None:
    """Run PROGRAM, which uses an I2C bus of Linux and needs no change, on virtual chips.

    Needs Debian's umockdev. Ends as the program does.

    Example: city sim i2c --chip bme280@0x76,temperature_cel=25 -- python3 my_program.py
    """
    bus = VirtualI2C(name=device)
    for text in chips:
        try:
            bus.add(chip_of(text))
        except ValueError as error:
            raise CityError(CONFIG, f"--chip {text}: {error}", f"expected {EXPECTED}") from error
    try:
        status = i2c_dev.run(bus, program, device)
    except FileNotFoundError as error:
        raise CityError(NOT_FOUND, str(error), "then call this again; nothing else is needed") from error
    sys.exit(status)


def chip_of(text: str) -> Any:
    """Return the chip that a text such as bme280@0x76,temperature_cel=25 describes. Raises: ValueError."""
    first, *settings = text.split(",")
    kind, _, address = first.partition("@")
    known = shelves()["i2c"]
    if kind not in known:
        raise ValueError(f"found {kind!r}; expected one of {', '.join(known)}")
    options = {"address": _address(address)} if address else {}
    chip = importlib.import_module(f"simulator.chips.{kind}").make(time.monotonic_ns, **options)
    for setting in settings:
        _set(chip, *setting.partition("=")[::2])
    return chip


def _address(text: str) -> int:
    """Return an address of a chip. Raises: ValueError, none or a reserved one."""
    address = int(text, 0)
    if address not in ADDRESSES:
        raise ValueError(f"found address {text}; expected 0x{ADDRESSES[0]:02x} to 0x{ADDRESSES[-1]:02x}, 7 bits")
    return address


def _set(chip: Any, attribute: str, value: str) -> None:
    """Set a physical attribute, `name` or `name[index]`. Raises: ValueError."""
    name, _, index = attribute.partition("[")
    able = [key for key, found in vars(chip).items() if key[0] != "_" and isinstance(found, float | list)]
    if name not in able:
        raise ValueError(f"found {attribute!r}; expected one of {', '.join(able)}")
    values = getattr(chip, name)
    if not isinstance(values, list):
        if index:
            raise ValueError(f"found {attribute!r}; expected {name}, which is one value: {name}={value}")
        setattr(chip, name, float(value))
        return
    place = int(index.rstrip("]")) if index else -1
    if not 0 <= place < len(values):
        raise ValueError(
            f"found {attribute!r}; expected {name}[0] to {name}[{len(values) - 1}], such as {name}[0]={value}"
        )
    values[place] = float(value)
