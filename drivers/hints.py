"""What a fault code means at a given chip and pin, and what a technician should check (CPython only)."""

from typing import NamedTuple

from . import errors


class Hint(NamedTuple):
    """One line each: what is wrong, and what to check."""

    what: str
    check: str


ADDRESS_STRAPS = {
    "bme280": "SDO selects the address (to ground 0x76, to VDDIO 0x77)",
    "ads1115": "ADDR selects the address (GND 0x48, VDD 0x49, SDA 0x4A, SCL 0x4B)",
    "scd41": "its address is always 0x62",
}
FULL_NAMES = {
    "a02yyuw": "A02YYUW",
    "ads1115": "ADS1115",
    "bme280": "BME280",
    "scd41": "SCD41",
    "tipping_bucket": "rain gauge",
    "contact": "contact",
}
RANGES = {
    "a02yyuw": "the target is nearer than 30 mm, beyond 4.5 m or gives no echo: look for water "
    "at the sensor's face, "
    "spider webs, or a beam that hits the wall",
    "ads1115": "the input is beyond its full scale: check the sensor's supply and the divider at the input",
    "bme280": "the value is physically impossible: look for water in the housing, then replace the sensor",
    "scd41": "the value is impossible: let it run 3 minutes, then replace the sensor",
}


def explain(code: int, chip: str, bus: str = "", address: int | str | None = None, pins: str = "") -> Hint:
    """What the code means and what to check, one line each.

    `bus` is the board file's name ("i2c0"); `address` an I2C address or a pin name; `pins` names the bus's
    pins as printed on the board, e.g. "GP4 SDA, GP5 SCL".
    """
    name = FULL_NAMES.get(chip, chip)
    place = _place(bus, address, pins)
    maker = _MAKERS.get(code, _internal)
    return maker(name, chip, place, _lines(bus, pins))


def _place(bus: str, address: int | str | None, pins: str) -> str:
    """Text such as "0x76 on i2c0 (GP4 SDA, GP5 SCL)", "uart1" or "GP15"."""
    wires = f"{bus} ({pins})" if bus and pins else bus or pins
    if address is None or address == "":
        return wires or "its pins"
    shown = f"0x{address:02x}" if isinstance(address, int) else address
    return f"{shown} on {wires}" if wires else shown


def _lines(bus: str, pins: str) -> str:
    return pins or f"the pins of {bus}" if bus else "its pins"


def _ok(name: str, chip: str, place: str, lines: str) -> Hint:
    return Hint(f"{name} at {place} works", "nothing")


def _nack(name: str, chip: str, place: str, lines: str) -> Hint:
    strap = f", that {ADDRESS_STRAPS[chip]}" if chip in ADDRESS_STRAPS else ""
    return Hint(
        f"{name}: no answer at {place}",
        f"check that the {name} has 3.3 V between its VCC and GND pins{strap}, and that SDA and SCL "
        "are not swapped "
        f"({lines})",
    )


def _sda_low(name: str, chip: str, place: str, lines: str) -> Hint:
    return Hint(
        f"{name}: SDA is held low at {place}; nine clocks did not free it",
        "unplug the chips of this bus one by one until SDA reads 3.3 V; then check the cable for a "
        "short from SDA to "
        f"ground ({lines})",
    )


def _scl_low(name: str, chip: str, place: str, lines: str) -> Hint:
    return Hint(
        f"{name}: SCL is held low at {place}",
        "check the cable for a short from SCL to ground, and that SCL has a pull-up (4.7 kOhm to "
        f"3.3 V) ({lines})",
    )


def _timeout(name: str, chip: str, place: str, lines: str) -> Hint:
    return Hint(
        f"{name}: transfer timed out at {place}",
        "check pull-ups (4.7 kOhm to 3.3 V) on SDA and SCL, cable length under 1 m, and a common "
        f"ground ({lines})",
    )


def _bad_id(name: str, chip: str, place: str, lines: str) -> Hint:
    strap = f"; {ADDRESS_STRAPS[chip]}" if chip in ADDRESS_STRAPS else ""
    return Hint(
        f"{name}: a chip answers at {place}, but not as a {name} does",
        f"check that the chip is a {name} and that no other chip has this address{strap}",
    )


def _bad_checksum(name: str, chip: str, place: str, lines: str) -> Hint:
    if chip == "a02yyuw":
        return Hint(
            f"{name}: bytes arrive at {place}, but no valid frame",
            "check that the sensor's TX goes to the board's RX, that the baud rate is 9600, and the "
            "common ground "
            f"({lines})",
        )
    return Hint(
        f"{name}: checksum wrong at {place}",
        "check for a loose plug, a cable over 1 m or beside mains or motor cables, and the chip's "
        f"supply ({lines})",
    )


def _silent(name: str, chip: str, place: str, lines: str) -> Hint:
    return Hint(
        f"{name}: nothing received at {place}",
        f"check that the {name} has power (3.3 to 5 V) and that its TX wire reaches the board's RX ({lines})",
    )


def _out_of_range(name: str, chip: str, place: str, lines: str) -> Hint:
    return Hint(
        f"{name}: value at {place} is outside what it can measure",
        RANGES.get(chip, "check the sensor, its scale and its limits in the board file"),
    )


def _not_ready(name: str, chip: str, place: str, lines: str) -> Hint:
    return Hint(
        f"{name}: answers at {place}, but has no measurement",
        f"the supply probably dips: measure 3.3 V at the {name} while the board runs; a new start "
        "follows by itself",
    )


def _internal(name: str, chip: str, place: str, lines: str) -> Hint:
    return Hint(
        f"{name}: the driver or its configuration failed at {place}",
        "read the board's log, then check this sensor's entry in the board file",
    )


_MAKERS = {
    errors.NONE: _ok,
    errors.NACK: _nack,
    errors.SDA_LOW: _sda_low,
    errors.SCL_LOW: _scl_low,
    errors.TIMEOUT: _timeout,
    errors.BAD_ID: _bad_id,
    errors.BAD_CHECKSUM: _bad_checksum,
    errors.SILENT: _silent,
    errors.OUT_OF_RANGE: _out_of_range,
    errors.NOT_READY: _not_ready,
}
