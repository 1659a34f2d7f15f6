"""Check of actuators on pins: has the driver all the wires, and the channel, that it cannot do without?"""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from .driver_config import actuator_config
from .schema import Actuator

_NAMES = {"pin": "outputs.on", "position": "feedback (a channel that shows where it is)"}


class _Wire:
    """A pin that reaches nothing."""

    def __getattr__(self, name: str) -> Callable[..., int]:
        return lambda *given: 0


class _Io:
    """What a driver gets that is only made to see what it looks for."""

    def output(self, pin: str, active_high: bool) -> _Wire:
        """No pin."""
        return _Wire()

    def input(self, pin: str, pull: str) -> _Wire:
        """No pin."""
        return _Wire()

    def reading(self, sensor: str, channel: str) -> tuple[float, int, int]:
        """No reading yet."""
        return float("nan"), 9, 0


def problems(where: str, actuator: Actuator, driver: ModuleType) -> Iterator[str]:
    """Yield what an actuator on pins lacks, and options that its driver refuses."""
    if actuator.bus is not None or hasattr(driver, "ADDRESSES"):
        return
    position = ["", actuator.feedback] if actuator.feedback else []
    try:
        driver.make(_Io(), actuator_config(actuator, position))
    except KeyError as error:
        yield f"{where}: {actuator.kind} needs {_named(str(error.args[0]))}; found none"
    except (ValueError, TypeError) as error:
        yield f"{where}.options: {error}"


def _named(key: Any) -> str:
    """Return what a board file calls a driver's key."""
    return _NAMES.get(key) or (f"outputs.{key[: -len('_pin')]}" if key.endswith("_pin") else key)
