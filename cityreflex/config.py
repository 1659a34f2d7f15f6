"""Loads every kind of TOML file of CityReflex and says, with file and line, what is wrong with it.

Each folder owns its schema; this module finds which one a file follows, and turns what the schema objects
to into `file:line: key: found, expected, did you mean`.
"""

import difflib
import re
import types
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import tomlkit
from pydantic import BaseModel, ValidationError
from tomlkit.exceptions import ParseError

import aggregator.config
import edge_node.config
from aggregator.config import AggregatorConfig
from cityreflex.exits import CONFIG, NOT_FOUND, PERMISSION, CityError
from cityreflex.toml_lines import key_lines, nearest_line
from edge_node.config import EdgeConfig
from firmware.kit import board_file
from firmware.kit.errors import BoardFileError
from processes.errors import ProcessError
from processes.instance import make_instance
from simulator.scenario import Scenario

M = TypeVar("M", bound=BaseModel)
Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One mistake in a file: where, and what to do about it."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        """Return `file:line: key: message`, as compilers write it."""
        return f"{self.file}:{self.line}: {self.key + ': ' if self.key else ''}{self.message}"


class ConfigFileError(CityError):
    """A configuration file is wrong; `problems` has all that was found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(CONFIG, "\n".join(map(str, problems)), "correct the file, then try `city config check`")
        self.problems = problems

    def rows(self) -> list[dict[str, Any]]:
        """Return the problems as JSON rows."""
        return [asdict(problem) for problem in self.problems]


@dataclass(frozen=True)
class Source:
    """A parsed file: its data, and the line of each key."""

    path: Path
    data: dict[str, Any]
    lines: dict[Loc, int]

    def problem(self, key: Loc, message: str) -> Problem:
        """Return the problem at `key`."""
        return Problem(str(self.path), nearest_line(self.lines, key), key_text(key), message)


def key_text(key: Loc) -> str:
    """Return a key as written: boards[0].port."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


def read(path: Path) -> Source:
    """Return the parsed file. Raises: CityError (not found, not readable), ConfigFileError (not TOML)."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise CityError(NOT_FOUND, f"{path}: no such file", "check the path") from error
    except PermissionError as error:
        raise CityError(PERMISSION, f"{path}: not readable", f"ls -l {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CityError(CONFIG, f"{path}: cannot be read: {error}", "expected a TOML file in UTF-8") from error
    try:
        data = tomlkit.parse(text).unwrap()
        lines = key_lines(text)
    except ParseError as error:
        raise ConfigFileError([Problem(str(path), error.line, "", f"not TOML: {error}")]) from error
    return Source(path, data, lines)


def load_edge(path: Path) -> EdgeConfig:
    """Return the checked edge.toml. Raises: CityError, ConfigFileError."""
    return _checked_edge(_of_kind(path, "edge"))


def load_aggregator(path: Path) -> AggregatorConfig:
    """Return the checked aggregator.toml. Raises: CityError, ConfigFileError."""
    return _checked_aggregator(_of_kind(path, "aggregator"))


def check(path: Path, templates: Iterable[Path] = ()) -> str:
    """Return the kind of a file that is right; `templates` are folders for a process's own template.

    Raises: CityError, ConfigFileError.
    """
    source = read(path)
    kind = kind_of(source)
    if kind == "process":
        _check_process(source, templates)
    else:
        _CHECKS[kind](source)
    return kind


def kind_of(source: Source) -> str:
    """Return edge, aggregator, process, board or scenario. Raises: ConfigFileError."""
    for kind, keys in _MARKS.items():
        if any(key in source.data for key in keys):
            return kind
    expected = "; ".join(f"{kind}: has {' or '.join(keys)}" for kind, keys in _MARKS.items())
    raise ConfigFileError([source.problem((), f"of no known kind; expected one of {expected}")])


def _of_kind(path: Path, wanted: str) -> Source:
    source = read(path)
    kind = kind_of(source)
    if kind != wanted:
        raise ConfigFileError([source.problem((), f"found a file of kind {kind}; expected {wanted}")])
    return source


def _checked_edge(source: Source) -> EdgeConfig:
    config = _validated(EdgeConfig, source, lambda: edge_node.config.parse(source.data, source.path.parent))
    _check_files(source, config.processes.files, config.processes.templates)
    return config


def _checked_aggregator(source: Source) -> AggregatorConfig:
    config = _validated(
        AggregatorConfig, source, lambda: aggregator.config.parse(source.data, source.path.parent)
    )
    _check_files(source, config.processes.files, config.processes.templates)
    return config


def _check_files(source: Source, files: Iterable[Path], templates: list[Path]) -> None:
    """Check the process files that a node names, as they decide whether it can start."""
    for index, path in enumerate(files):
        if not path.exists():
            raise ConfigFileError([source.problem(("processes", "files", index), f"{path} does not exist")])
        _check_process(read(path), templates)


def _check_process(source: Source, templates: Iterable[Path] = ()) -> None:
    try:
        make_instance(source.path.stem, source.data, templates)
    except ProcessError as error:
        key = tuple(getattr(error, "key", ()))
        message = re.sub(rf"^{re.escape(key_text(key))}:? ?", "", str(error)) if key else str(error)
        raise ConfigFileError([source.problem(key or _template_key(source), message)]) from error


def _template_key(source: Source) -> Loc:
    return ("template",) if "template" in source.data else ()


def _check_board(source: Source) -> None:
    try:
        board_file.check(source.data, str(source.path))
    except BoardFileError as error:
        raise ConfigFileError([_board_problem(source, line) for line in error.problems]) from error


def _board_problem(source: Source, text: str) -> Problem:
    """Return a problem from the kit's `sensors[0] (level).period_ms: message`."""
    match = re.match(r"^([a-z_0-9.\[\] ()-]+?): (.*)$", text, re.S)
    place, message = (match[1], match[2]) if match else ("", text)
    parts = re.findall(r"[a-z_0-9]+|\[\d+\]", re.sub(r" \([^)]*\)", "", place))
    key: Loc = tuple(int(part[1:-1]) if part.startswith("[") else part for part in parts)
    return source.problem(_indexed(source.data, key), message)


def _indexed(data: Any, key: Loc) -> Loc:
    """Return `key` with the name of a table in a list replaced by its place: channels.level is channels[0]."""
    found: list[str | int] = []
    for part in key:
        step = part
        if isinstance(data, list) and isinstance(part, str):
            step = next((i for i, item in enumerate(data) if item.get("name") == part), part)
        found.append(step)
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            data = None
    return tuple(found)


def _check_scenario(source: Source) -> None:
    _validated(Scenario, source, lambda: Scenario.model_validate(source.data))


def _validated(model: type[M], source: Source, parse: Callable[[], M]) -> M:
    try:
        return parse()
    except ValidationError as error:
        problems = [_explained(model, source, row) for row in error.errors()]
        raise ConfigFileError(sorted(problems, key=lambda problem: problem.line)) from error


def _explained(model: type[BaseModel], source: Source, row: Any) -> Problem:
    loc: Loc = tuple(row["loc"])
    message = str(row["msg"]).removeprefix("Value error, ")
    if row["type"] == "extra_forbidden":
        return source.problem(loc, f"unknown key; expected {meant(str(loc[-1]), _fields_at(model, loc[:-1]))}")
    if row["type"] == "missing":
        return source.problem(loc, "missing; it has no default")
    if row["type"] == "value_error":
        return source.problem(loc, message)
    found = row["input"] if not isinstance(row["input"], dict | list) else type(row["input"]).__name__
    return source.problem(loc, f"found {found!r}; expected: {message[0].lower()}{message[1:]}")


def meant(found: str, known: Iterable[str]) -> str:
    """Return `one of A, B; did you mean 'A'?`."""
    names = sorted(known)
    close = difflib.get_close_matches(found, names, 1)
    return f"one of {', '.join(names)}" + (f"; did you mean {close[0]!r}?" if close else "")


def _fields_at(model: type[BaseModel], loc: Loc) -> list[str]:
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


_MARKS: dict[str, tuple[str, ...]] = {
    "process": ("template",),
    "board": ("board",),
    "scenario": ("world",),
    "edge": ("edge", "boards"),
    "aggregator": ("listen", "edges", "signing"),
}
_CHECKS: dict[str, Callable[[Source], object]] = {
    "board": _check_board,
    "scenario": _check_scenario,
    "edge": _checked_edge,
    "aggregator": _checked_aggregator,
}
