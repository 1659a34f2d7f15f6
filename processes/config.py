"""The schema of a process file (`sites/<site>/<process>.toml`) and its errors that teach."""

import re
import types
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, cast, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from processes.contract import Port
from processes.errors import ConfigError, Key
from processes.people import Notify, apart
from protocol import plain


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _path_of_two(value: str) -> str:
    if not _STREAM.match(value):
        raise ValueError(f"found {value!r}; expected THING/NAME")
    return value


_STREAM = re.compile(r"[^/\s]+/[^/\s]+\Z")
Told: TypeAlias = tuple[str, Key]
M = TypeVar("M", bound=BaseModel)
Datastream = Annotated[str, AfterValidator(_path_of_two)]
Datastreams = Annotated[list[Datastream], BeforeValidator(_as_list), Field(min_length=1)]


class Respond(BaseModel):
    """The actuator behind a respond port, and the datastream that must show the effect in time."""

    model_config = ConfigDict(extra="forbid")
    actuator: Datastream
    observe: Datastream | None = None
    within_s: float = Field(default=20.0, gt=0)


class AlarmConfig(BaseModel):
    """What a process file says otherwise of one alarm than its template; the fields of AlarmRule."""

    model_config = ConfigDict(extra="forbid")
    raise_p: float | None = Field(default=None, ge=0, le=1)
    return_p: float | None = Field(default=None, ge=0, le=1)
    on_delay_s: float | None = Field(default=None, ge=0)
    off_delay_s: float | None = Field(default=None, ge=0)
    shelve_max_s: float | None = Field(default=None, gt=0, le=7 * 86_400)
    suppressed_by: list[str] | None = None
    out_of_service: str | None = Field(default=None, min_length=1, max_length=200)
    chatter_n: int | None = Field(default=None, ge=2, le=100)
    chatter_s: float | None = Field(default=None, gt=0)
    standing_s: float | None = Field(default=None, gt=0)
    text: str | None = Field(default=None, min_length=1, max_length=160)


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
    people: dict[str, Notify] = {}
    alarms: dict[str, AlarmConfig] = {}
    site: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _people_apart(cls, data: Any) -> Any:
        return apart(data)


def parse(data: Mapping[str, Any]) -> ProcessConfig:
    """Return the checked config of a process file's data. Raises: ConfigError with the key's path."""
    return check_model(ProcessConfig, data, ())


def check_model(model: type[M], data: Mapping[str, Any], prefix: Key) -> M:
    """Return `data` as `model`. Raises: ConfigError with all that is wrong, each with its key."""
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        problems = []
        for row in error.errors():
            key = _as_written(prefix + _written(apart(data), row["loc"]))
            problems.append((_teach(row, key, fields_at(model, row["loc"][:-1])), key))
        raise ConfigError(*problems[0], problems[1:]) from error


def _as_written(key: Key) -> Key:
    """Return a key as the file has it: responders that are people stand among the others there."""
    return ("responds", *key[1:]) if key[:1] == ("people",) else key


def _written(data: object, loc: Key) -> Key:
    """Return `loc` without the place in a list that the file has as a single text."""
    inner: Any = data
    for depth, part in enumerate(loc):
        if not isinstance(inner, Mapping | list):
            return loc[:depth]
        try:
            inner = cast(Any, inner)[part]
        except (KeyError, IndexError, TypeError):
            inner = {}
    return loc


def _teach(row: Any, key: Key, known: list[str]) -> str:
    where, kind = ".".join(map(str, key)), row["type"]
    if kind == "extra_forbidden":
        return f"{where} is not known here{did_you_mean(str(key[-1]), known)}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "value_error":
        return f"{where}: {row['msg'].removeprefix('Value error, ')}"
    return f"{where}: {plain.explained(kind, row.get('ctx', {}), row['input'])}"


def fields_at(model: type[BaseModel], loc: Key) -> list[str]:
    """Return the keys that the table at `loc` of a model may have."""
    current: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, str) and current is not None and part in current.model_fields:
            current = _model_in(current.model_fields[part].annotation)
    return list(current.model_fields) if current is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, tuple, dict, Union, types.UnionType):
        for inner in get_args(annotation):
            found = _model_in(inner)
            if found is not None:
                return found
    return None


def did_you_mean(word: str, known: Any) -> str:
    """Return '; did you mean X?' or '; known: A, B' to end an error message with."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known)) or 'none'}"


def check_ports(config: ProcessConfig, ports: Mapping[str, Port]) -> None:
    """Raises: ConfigError unless senses and responds fit the template's PORTS."""
    senses = {name: port for name, port in ports.items() if port.role == "sense"}
    responds = {name: port for name, port in ports.items() if port.role == "respond"}
    problems = [
        *_strangers(config.senses, "senses", senses, config.template),
        *_strangers(config.responds, "responds", responds, config.template),
        *_crowds(config, senses),
        *_absent(config, senses),
    ]
    if problems:
        raise ConfigError(*problems[0], problems[1:])


def _strangers(names: Iterable[str], section: str, ports: Mapping[str, Port], template: str) -> Iterator[Told]:
    for name in names:
        if name not in ports:
            message = f"{section}.{name} is no port of template {template!r}{did_you_mean(name, ports)}"
            yield message, (section, name)


def _crowds(config: ProcessConfig, ports: Mapping[str, Port]) -> Iterator[Told]:
    for name, streams in config.senses.items():
        if name in ports and len(streams) > 1 and not ports[name].many:
            message = f"senses.{name} takes one datastream, found {len(streams)}: {', '.join(streams)}"
            yield message, ("senses", name)


def _absent(config: ProcessConfig, ports: Mapping[str, Port]) -> Iterator[Told]:
    for name in sorted(ports.keys() - config.senses.keys()):
        needed = f"{ports[name].property} in {ports[name].unit}"
        yield f"senses.{name} is missing: template {config.template!r} needs a datastream of {needed}", ("senses",)
