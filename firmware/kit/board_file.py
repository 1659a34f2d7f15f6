"""Reads board files and says, mistake by mistake, what was found and what was meant."""

import difflib
import importlib
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from protocol import plain

from . import on_bus, on_pins, options, periods
from .errors import BoardFileError
from .schema import Actuator, BoardFile, Channel, I2cBus, I2s, Input, Interlock, Link, Output, Ring, Sensor, Uart

FOLDER = Path(__file__).parent.parent / "boards"
DRIVERS = Path(__file__).parent.parent.parent / "drivers"
_TABLES: dict[str, type[BaseModel]] = {
    "link": Link,
    "ring": Ring,
    "buses": I2cBus,
    "uarts": Uart,
    "i2s": I2s,
    "sensors": Sensor,
    "channels": Channel,
    "actuators": Actuator,
    "outputs": Output,
    "inputs": Input,
    "interlocks": Interlock,
}
Overrides = dict[str, Any]
# name, property, unit, lower, upper, sigma, resolution, bound, response in s
Declared = tuple[str, str, str, float, float, float, float, float, float]


def board_path(name: str) -> Path:
    """Return the path of a board file that comes with the firmware, by its name."""
    return FOLDER / f"{name}.toml"


def load(path: Path, overrides: Overrides | None = None) -> BoardFile:
    """Return the checked board of a file.

    `overrides`: `period_ms` for all sensors (never faster than a driver can), `polled` as in the file, tables such as
    `{"sensors": {"level": {"period_ms": 100}}, "ring": {"records": 512}}`.

    Raises:
        BoardFileError: with one line for each mistake.
        FileNotFoundError: no such file.
    """
    try:
        data = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise BoardFileError(str(path), [f"not TOML: {error}"]) from error
    return check(data, str(path), overrides or {})


def check(data: dict[str, Any], source: str, overrides: Overrides | None = None) -> BoardFile:
    """Return the checked board of parsed TOML; see `load`."""
    try:
        board = BoardFile.model_validate(_overridden(data, source, overrides or {}))
    except ValidationError as error:
        raise BoardFileError(source, [_explained(problem) for problem in error.errors()]) from error
    problems = list(_driver_problems(board))
    if problems:
        raise BoardFileError(source, problems)
    return board


def driver_names() -> list[str]:
    """Return the names of all chips and actuators that have a driver: a module that makes one."""
    return sorted(path.stem for path in DRIVERS.glob("*.py") if "\ndef make(" in path.read_text(encoding="utf-8"))


def driver_module(kind: str) -> ModuleType:
    """Return the driver of a chip or an actuator. Raises: KeyError with the names there are."""
    names = driver_names()
    if kind not in names:
        raise KeyError(f"found {kind!r}; expected a driver, {_meant(kind, names)}")
    return importlib.import_module(f"drivers.{kind}")


def driver_channels(sensor: Sensor) -> tuple[Declared, ...]:
    """Return the driver's channels in the order it fills them (drivers/README.md says what each declares)."""
    module = driver_module(sensor.chip)
    if hasattr(module, "channels"):
        return tuple(module.channels(sensor.options))
    return tuple(module.CHANNELS)


def _overridden(data: dict[str, Any], source: str, overrides: Overrides) -> dict[str, Any]:
    """Return `data` with the overrides applied."""
    changed = dict(data)
    named = overrides.get("sensors", {})
    for key in sorted(set(overrides) - {"period_ms", "polled", "sensors"}):
        value = overrides[key]
        changed[key] = {**changed.get(key, {}), **value} if isinstance(value, dict) else value
    names = [sensor.get("name") for sensor in data.get("sensors", [])]
    for name in named:
        if name not in names:
            raise BoardFileError(source, [f"override of sensor {name!r}; expected one of {names}"])
    polled = {"polled": True} if overrides.get("polled") else {}
    changed["sensors"] = [
        {**_faster({**sensor, **polled}, overrides.get("period_ms")), **named.get(sensor.get("name"), {})}
        for sensor in data.get("sensors", [])
    ]
    return changed


def _faster(sensor: dict[str, Any], period_ms: int | None) -> dict[str, Any]:
    """Return the sensor with the wanted period, or with its driver's shortest if that is longer."""
    if period_ms is None:
        return sensor
    try:
        shortest = periods.shortest_ms(driver_module(str(sensor.get("chip"))), bool(sensor.get("polled")))
    except (KeyError, AttributeError):
        return sensor
    return {**sensor, "period_ms": max(period_ms, shortest)}


def _driver_problems(board: BoardFile) -> Iterator[str]:
    """Yield what does not fit the drivers: unknown chips, channels, too short periods, mixed polarity."""
    for place, sensor in enumerate(board.sensors):
        where = f"sensors[{place}] ({sensor.name})"
        try:
            driver = driver_module(sensor.chip)
            able = [channel[0] for channel in driver_channels(sensor)]
        except (KeyError, AttributeError) as error:
            yield f"{where}.chip: {error.args[0]}"
            continue
        except (ValueError, TypeError) as error:
            hint = "" if "expected" in str(error) else f"; expected what docs/chips/{sensor.chip}.md lists"
            yield f"{where}.options: {error}{hint}"
            continue
        yield from periods.problems(where, sensor, driver, map(driver_module, driver_names()))
        yield from _option_problems(where, sensor.chip, sensor.options)
        for channel in sensor.channels:
            if channel.reads not in able:
                found = f"found {channel.reads!r}; expected {_meant(channel.reads, able)}"
                yield f"{where}.channels.{channel.name}.reads: {found}"
        yield from _fine_problems(where, sensor)
    for place, actuator in enumerate(board.actuators):
        where = f"actuators[{place}] ({actuator.name})"
        try:
            yield from _option_problems(where, actuator.kind, actuator.options)
            yield from on_bus.problems(where, actuator, driver_module(actuator.kind))
            yield from on_pins.problems(where, actuator, driver_module(actuator.kind))
        except KeyError as error:
            yield f"{where}.kind: {error.args[0]}"
        for wires in (actuator.outputs, actuator.inputs):
            if len({wire.active for wire in wires.values()}) > 1:
                yield f"{where}: all outputs need the same polarity, and so do all inputs"
    yield from on_bus.clashes(board, driver_module)


def _fine_problems(where: str, sensor: Sensor) -> Iterator[str]:
    """Yield the channels whose sigma is less than what the chip's resolution alone makes (GUM, F.2.2.1)."""
    steps = {channel[0]: channel[6] for channel in driver_channels(sensor) if channel[5]}
    for channel in sensor.channels:
        least = abs(channel.scale) * steps.get(channel.reads, 0.0) / math.sqrt(12.0)
        if channel.sigma is not None and channel.sigma < least:
            found = f"found {channel.sigma:g}; expected at least {least:.3g}, the chip's resolution / sqrt(12)"
            yield f"{where}.channels.{channel.name}.sigma: {found}"


def _option_problems(where: str, driver: str, given: dict[str, Any]) -> Iterator[str]:
    """Yield the options that a driver does not have. Raises: KeyError without such a driver."""
    for key, able in options.unknown(driver_module(driver), given):
        yield f"{where}.options.{key}: unknown key; expected {_meant(key, able)}"


def _explained(problem: Any) -> str:
    """Return one line for a problem pydantic found: place, found, expected."""
    place = _place(problem["loc"])
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"{place}: unknown key; expected {_meant(str(problem['loc'][-1]), _siblings(problem['loc']))}"
    if kind == "missing":
        return f"{place}: missing; expected a value"
    if kind == "value_error":
        message = problem["msg"].removeprefix("Value error, ")
        return f"{place}: {message}" if place else str(message)
    return f"{place}: {plain.explained(kind, problem.get('ctx', {}), problem['input'])}"


def _place(loc: tuple[int | str, ...]) -> str:
    """Return a pydantic location as it is written in the file: sensors[0].channels[1].unit."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".").replace(".[key]", "")


def _siblings(loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the table at `loc` may have."""
    for part in reversed(loc[:-1]):
        if part in _TABLES:
            return sorted(_TABLES[str(part)].model_fields)
    return sorted(BoardFile.model_fields)


def _meant(found: str, able: list[str]) -> str:
    """Return "one of ..., did you mean ...?"."""
    close = difflib.get_close_matches(found, able, 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"one of {', '.join(able)}{hint}"
