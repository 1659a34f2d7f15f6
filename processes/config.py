"""The schema of a process file (`sites/<site>/<process>.toml`) and its errors that teach."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from processes.contract import Port
from processes.errors import ConfigError


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


M = TypeVar("M", bound=BaseModel)
Datastreams = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]


class Respond(BaseModel):
    """The actuator behind a respond port, and the datastream that must show the effect in time."""

    model_config = ConfigDict(extra="forbid")
    actuator: str
    observe: str | None = None
    within_s: float = Field(default=20.0, gt=0)


class ProcessConfig(BaseModel):
    """One process file. every_s 0: a step on every arrival. Data later than lateness_s amends nothing."""

    model_config = ConfigDict(extra="forbid")
    template: str
    runs_on: Literal["edge", "city", "both"] = "both"
    mode: Literal["act", "advise"] = "act"
    every_s: float = Field(default=10.0, ge=0)
    lateness_s: float = Field(default=600.0, ge=0)
    seed: int | None = Field(default=None, ge=0)
    senses: dict[str, Datastreams]
    responds: dict[str, Respond] = {}
    site: dict[str, Any] = {}


def parse(data: Mapping[str, Any]) -> ProcessConfig:
    """Return the checked config of a process file's data. Raises: ConfigError with the key's path."""
    return check_model(ProcessConfig, data, ())


def check_model(model: type[M], data: Mapping[str, Any], prefix: tuple[str, ...]) -> M:
    """Return `data` as `model`. Raises: ConfigError for the first thing that is wrong, with its key."""
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors()[0]
        key = prefix + tuple(str(part) for part in first["loc"])
        raise ConfigError(_teach(first["msg"], first["type"], key, model), key) from error


def _teach(message: str, kind: str, key: tuple[str, ...], model: type[BaseModel]) -> str:
    where = ".".join(key)
    if kind == "extra_forbidden":
        return f"{where} is not known here{did_you_mean(key[-1], model.model_fields)}"
    if kind == "missing":
        return f"{where} is missing"
    return f"{where}: {message}"


def did_you_mean(word: str, known: Any) -> str:
    """Return '; did you mean X?' or '; known: A, B' to end an error message with."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known)) or 'none'}"


def check_ports(config: ProcessConfig, ports: Mapping[str, Port]) -> None:
    """Raises: ConfigError unless senses and responds fit the template's PORTS."""
    senses = {name: port for name, port in ports.items() if port.role == "sense"}
    responds = {name: port for name, port in ports.items() if port.role == "respond"}
    for name, streams in config.senses.items():
        _known(name, "senses", senses, config.template)
        if len(streams) > 1 and not senses[name].many:
            raise ConfigError(
                f"senses.{name} takes one datastream, found {len(streams)}: {', '.join(streams)}",
                ("senses", name),
            )
    for name in config.responds:
        _known(name, "responds", responds, config.template)
    for name in sorted(senses.keys() - config.senses.keys()):
        port = senses[name]
        raise ConfigError(
            f"senses.{name} is missing: template {config.template!r} needs a datastream of "
            f"{port.property} in {port.unit}",
            ("senses",),
        )


def _known(name: str, section: str, ports: Mapping[str, Port], template: str) -> None:
    if name not in ports:
        raise ConfigError(
            f"{section}.{name} is no port of template {template!r}{did_you_mean(name, ports)}",
            (section, name),
        )
