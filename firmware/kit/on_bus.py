"""Checks of actuators behind a chip on a bus: does the kind fit, its address, its options, and who else is there.

A driver of such a chip says which `ADDRESSES` it can have (lowest, highest). If several actuators may share one chip,
it names the option that tells them apart (`PLACE`) and those that are the whole chip's (`SHARED`). `BESIDE` is the
sensor that may stand on the same chip, and its option with the places that it has.
"""

from collections.abc import Callable, Iterator
from itertools import combinations
from types import ModuleType
from typing import Any

from .schema import Actuator, BoardFile, Sensor


class _Io:
    """What a driver gets that is only made to see whether it takes its options: it reaches nothing."""

    def i2c(self, name: str) -> None:
        """No bus."""

    def reading(self, sensor: str, channel: str) -> tuple[float, int, int]:
        """No reading yet."""
        return float("nan"), 9, 0


def problems(where: str, actuator: Actuator, driver: ModuleType) -> Iterator[str]:
    """Yield what is wrong with one actuator: wired as its kind is not, a wrong address, options its driver refuses."""
    addresses = getattr(driver, "ADDRESSES", None)
    if actuator.bus is None and addresses is None:
        return
    if actuator.bus is None or addresses is None:
        expected = "outputs (pins)" if addresses is None else "bus and address, as it is a chip on I2C"
        yield f"{where}: {actuator.kind} needs {expected}"
        return
    lowest, highest = addresses
    if actuator.address is not None and not lowest <= actuator.address <= highest:
        yield f"{where}.address: found 0x{actuator.address:02x}; expected 0x{lowest:02x} to 0x{highest:02x}"
    try:
        driver.make(_Io(), _config(actuator))
    except (ValueError, TypeError) as error:
        yield f"{where}.options: {error}"


def _config(actuator: Actuator) -> dict[str, Any]:
    """Return what the driver is made of, as far as it looks at it."""
    keys = ("bus", "address", "lower", "upper", "safe", "travel_ms")
    feedback = {"position": ["", actuator.feedback]} if actuator.feedback else {}
    return {**{key: getattr(actuator, key) for key in keys}, **feedback, **actuator.options}


def clashes(board: BoardFile, driver_of: Callable[[str], ModuleType]) -> Iterator[str]:
    """Yield who stands at the address of an actuator and must not, or shares its chip and wants it otherwise."""
    acting = [actuator for actuator in board.actuators if actuator.bus]
    for actuator in acting:
        for sensor in board.sensors:
            if (sensor.bus, sensor.address) == (actuator.bus, actuator.address):
                yield from _beside(actuator, sensor, driver_of)
    for one, other in combinations(acting, 2):
        if (one.bus, one.address) == (other.bus, other.address):
            yield from _shared(one, other, driver_of)


def _beside(actuator: Actuator, sensor: Sensor, driver_of: Callable[[str], ModuleType]) -> Iterator[str]:
    """Yield why an actuator and a sensor cannot share a chip; they can if the driver says so and no place is shared."""
    at = f"{_place(actuator)} is that of sensors.{sensor.name}, too"
    try:
        driver = driver_of(actuator.kind)
    except KeyError:
        return
    chip, places = getattr(driver, "BESIDE", ("", ""))
    if sensor.chip != chip:
        yield f"{at}; expected one chip at an address"
    elif actuator.options.get(driver.PLACE) in sensor.options.get(places, range(16)):
        found = actuator.options.get(driver.PLACE)
        yield f"{at}, with {driver.PLACE} {found!r} among its {places}; expected each to be one or the other"


def _shared(one: Actuator, other: Actuator, driver_of: Callable[[str], ModuleType]) -> Iterator[str]:
    """Yield why two actuators cannot share a chip."""
    at = f"{_place(other)} is that of actuators.{one.name}, too"
    try:
        driver = driver_of(one.kind)
    except KeyError:
        return
    place = getattr(driver, "PLACE", None)
    if one.kind != other.kind or place is None:
        yield f"{at}; expected one actuator at an address"
        return
    if one.options.get(place) == other.options.get(place):
        yield f"{at}, with the same {place} {one.options.get(place)!r}; expected another {place} for each"
    for key in getattr(driver, "SHARED", ()):
        if one.options.get(key) != other.options.get(key):
            found = f"{one.options.get(key)!r} and {other.options.get(key)!r}"
            yield f"{at}, and {key} is the whole chip's: found {found}; expected the same"


def _place(actuator: Actuator) -> str:
    return f"actuators.{actuator.name}: 0x{actuator.address:02x} on {actuator.bus}"
