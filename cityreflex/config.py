"""Loads every kind of TOML file of CityReflex and says, with file and line, what is wrong with it.

Each folder owns its schema; this module finds which one a file follows, and turns what the schema objects
to into `file:line: key: found, expected, did you mean`.
"""

import difflib
import re
import shlex
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from tomlkit.exceptions import TOMLKitError

import aggregator.config
import edge_node.config
import simulator.scenario
from aggregator.config import AggregatorConfig
from aggregator.notify.channels import check_channels
from cityreflex.exits import CONFIG, NOT_FOUND, PERMISSION, CityError
from cityreflex.toml_lines import key_lines, nearest_line
from edge_node.config import EdgeConfig
from firmware.kit import board_file
from firmware.kit.errors import BoardFileError
from firmware.kit.schema import BoardFile
from processes.config import ProcessConfig, fields_at
from processes.errors import ConfigError, ProcessError
from processes.instance import make_instance, read_instance
from protocol import plain
from service.errors import KeyFileError
from service.keys import read_board_key, read_curve_key, read_ed25519_key
from service.sections import ServiceSection
from service.tls import read_tls
from simulator import scenario_names
from simulator.scenario import Scenario

M = TypeVar("M", bound=BaseModel)
Loc: TypeAlias = tuple[str | int, ...]
KeyFile: TypeAlias = tuple[Loc, Callable[[Path], bytes], Path]

_read_curve_secret = partial(read_curve_key, secret=True)
_read_sign_secret = partial(read_ed25519_key, secret=True)


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

    def __init__(self, problems: list[Problem], of: Path | None = None) -> None:
        """`of`: the file to check again, if it is not the one with the problems."""
        file = shlex.quote(str(of or problems[0].file))
        super().__init__(CONFIG, "\n".join(map(str, problems)), f"correct the file, then try: city config check {file}")
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
        raise CityError(NOT_FOUND, f"{path}: no such file", "check the path, your folder and --dir") from error
    except PermissionError as error:
        raise CityError(PERMISSION, f"{path}: not readable", f"ls -l {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CityError(CONFIG, f"{path}: cannot be read: {error}", "expected a TOML file in UTF-8") from error
    try:
        data = tomllib.loads(text)
        lines = key_lines(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigFileError([_not_toml(path, text, str(error))]) from error
    except TOMLKitError as error:
        raise ConfigFileError([Problem(str(path), getattr(error, "line", 1), "", f"not TOML: {error}")]) from error
    return Source(path, data, lines)


def _not_toml(path: Path, text: str, reason: str) -> Problem:
    """Return the problem of tomllib's `Unclosed array (at end of document)` or `... (at line 3, column 7)`."""
    place = re.search(r" \(at line (\d+), column \d+\)$", reason)
    line = int(place[1]) if place else max(1, len(text.splitlines()))
    return Problem(str(path), line, "", f"not TOML: {reason[0].lower()}{reason[1:]}")


def load_edge(path: Path, *, with_keys: bool = True) -> EdgeConfig:
    """Return the checked edge.toml; its key files only `with_keys`. Raises: CityError, ConfigFileError."""
    return _checked_edge(_of_kind(path, "edge"), with_keys)


def load_aggregator(path: Path, *, with_keys: bool = True) -> AggregatorConfig:
    """Return the checked aggregator.toml; its key files only `with_keys`. Raises: CityError, ConfigFileError."""
    return _checked_aggregator(_of_kind(path, "aggregator"), with_keys)


def load_scenario(name: str | Path) -> Scenario:
    """Return the checked scenario of a file, or of a name that comes with the simulator.

    Raises: CityError, ConfigFileError.
    """
    path = simulator.scenario.path_of(name)
    if not path.exists():
        known = ", ".join(simulator.scenario.names())
        raise CityError(NOT_FOUND, f"no scenario {str(name)!r}", f"give one of {known}, or a .toml file")
    return _checked_scenario(_of_kind(path, "scenario"))


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
    """Return edge, aggregator, process, board or scenario: whose keys the file has most. Raises: ConfigFileError."""
    top = source.data.keys()
    known = {kind: len(top & model.model_fields.keys()) for kind, model in _MODELS.items()}
    marked = {kind: any(key in top for key in keys) for kind, keys in _MARKS.items()}
    kind = max(_MODELS, key=lambda kind: (known[kind], marked[kind]))
    if known[kind] and (marked[kind] or known[kind] > 1):
        return kind
    expected = "; ".join(f"{kind}: has {' or '.join(keys)}" for kind, keys in _MARKS.items())
    raise ConfigFileError([source.problem((), f"of no known kind; expected one of {expected}")])


def _of_kind(path: Path, wanted: str) -> Source:
    source = read(path)
    kind = kind_of(source)
    if kind != wanted:
        raise ConfigFileError([source.problem((), f"found a file of kind {kind}; expected {wanted}")])
    return source


def _checked_edge(source: Source, with_keys: bool = True) -> EdgeConfig:
    config = _validated(EdgeConfig, source, lambda: edge_node.config.parse(source.data, source.path.parent))
    if not with_keys:
        return config
    city = config.city
    public = [] if city.public_file is None else [(("city", "public_file"), read_curve_key, city.public_file)]
    board_keys = [(("boards", n, "key_file"), read_board_key, board.key_file) for n, board in enumerate(config.boards)]
    _check_keys(
        source,
        [
            *board_keys,
            (("city", "server_public_file"), read_curve_key, city.server_public_file),
            *public,
            (("city", "secret_file"), _read_curve_secret, city.secret_file),
            (("city", "verify_key_file"), read_ed25519_key, city.verify_key_file),
            *_tls_files("edge", config.edge),
        ],
    )
    _check_files(source, config.processes.files, config.processes.templates, "edge")
    return config


def _checked_aggregator(source: Source, with_keys: bool = True) -> AggregatorConfig:
    config = _validated(
        AggregatorConfig, source, lambda: aggregator.config.parse(source.data, source.path.parent)
    )
    if not with_keys:
        return config
    named = [(n, edge.public_file) for n, edge in enumerate(config.edges) if edge.public_file is not None]
    edge_keys = [(("edges", n, "public_file"), read_curve_key, path) for n, path in named]
    secret = [config.signing.secret_file] if config.signing else []
    signing: list[KeyFile] = [(("signing", "secret_file"), _read_sign_secret, path) for path in secret]
    _check_keys(
        source,
        [
            *edge_keys,
            (("listen", "public_file"), read_curve_key, config.listen.public_file),
            (("listen", "secret_file"), _read_curve_secret, config.listen.secret_file),
            *signing,
            *_tls_files("city", config.city),
        ],
    )
    _check_files(source, config.processes.files, config.processes.templates, "city")
    _check_channels(config)
    return config


def _check_channels(config: AggregatorConfig) -> None:
    """Check that the channels over which processes tell people are there."""
    for path in config.processes.files:
        try:
            check_channels([read_instance(path, config.processes.templates)], config.notify)
        except ConfigError as error:
            process = read(path)
            raise ConfigFileError([_process_problem(process, error.problems[0][0], error.key)]) from error


def _tls_files(name: str, section: ServiceSection) -> list[KeyFile]:
    """Return the check of certificate and key of an HTTP interface, if it has some."""
    cert, key = section.api_cert, section.api_key
    if cert is None or key is None:
        return []
    return [((name, "api_cert"), lambda path: bytes(len(read_tls(path, key))), cert)]


def _check_keys(source: Source, keys: Iterable[KeyFile]) -> None:
    """Check that every key file that is named is there, holds a key, and is nobody else's if it is a secret."""
    problems = []
    for key, read_key, path in keys:
        try:
            read_key(path)
        except KeyFileError as error:
            problems.append(source.problem(key, str(error)))
    if problems:
        raise ConfigFileError(sorted(problems, key=lambda problem: problem.line))


def _check_files(source: Source, files: Sequence[Path], templates: list[Path], here: str) -> None:
    """Check the process files that a node names, as they decide whether it can start."""
    problems: list[Problem] = []
    for index, path in enumerate(files):
        if not path.exists():
            problems.append(source.problem(("processes", "files", index), f"{path} does not exist"))
            continue
        try:
            problems += _same_name(source, files, index, here)
            _check_process(read(path), templates)
        except ConfigFileError as error:
            problems += error.problems
    if problems:
        raise ConfigFileError(problems, source.path)


def _same_name(source: Source, files: Sequence[Path], index: int, here: str) -> Iterator[Problem]:
    """Yield a problem if an earlier file has the name of this one, and both run here (edge or city)."""
    path = files[index]
    same = [one for one in files[: index + 1] if one.stem == path.stem and one.exists()]
    if len([one for one in same if read(one).data.get("runs_on") in (here, "both")]) > 1:
        text = f"{path}: a process is named by its file, and {same[0]} is named {path.stem} too: rename one"
        yield source.problem(("processes", "files", index), text)


def _check_process(source: Source, templates: Iterable[Path] = ()) -> None:
    try:
        make_instance(source.path.stem, source.data, templates)
    except ConfigError as error:
        problems = [_process_problem(source, message, key) for message, key in error.problems]
        raise ConfigFileError(sorted(problems, key=lambda problem: problem.line)) from error
    except ProcessError as error:
        raise ConfigFileError([source.problem(("template",), str(error))]) from error


def _process_problem(source: Source, message: str, key: Loc) -> Problem:
    """Return a problem whose message, as it begins with its key, does not say it twice."""
    return source.problem(key, re.sub(rf"^{re.escape('.'.join(map(str, key)))}:? ?", "", message))


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


def _checked_scenario(source: Source) -> Scenario:
    plan = _validated(Scenario, source, lambda: Scenario.model_validate(source.data))
    boards = sorted(path.stem for path in board_file.FOLDER.glob("*.toml"))
    problems = [source.problem(key, message) for key, message in _override_problems(plan, boards)]
    try:
        for key, found, known in scenario_names.unknown(plan, boards):
            problems.append(source.problem(key, f"found {found!r}; expected {meant(found, known)}"))
    except scenario_names.WorldError as error:
        problems.append(source.problem(error.key, str(error)))
    if problems:
        raise ConfigFileError(sorted(problems, key=lambda problem: problem.line))
    return plan


def _override_problems(plan: Scenario, boards: list[str]) -> Iterator[tuple[Loc, str]]:
    """Yield what does not fit the board files in what the scenario overrides."""
    for index, place in enumerate(plan.boards):
        try:
            if place.board in boards:
                board_file.load(board_file.board_path(place.board), dict(place.overrides))
        except BoardFileError as error:
            yield from ((("boards", index, "overrides"), text) for text in error.problems)


def _validated(model: type[M], source: Source, parse: Callable[[], M]) -> M:
    try:
        return parse()
    except ValidationError as error:
        problems = [_explained(model, source, row) for row in error.errors()]
        raise ConfigFileError(sorted(problems, key=lambda problem: problem.line)) from error


def _explained(model: type[BaseModel], source: Source, row: Any) -> Problem:
    loc: Loc = tuple(row["loc"])
    if row["type"] == "extra_forbidden":
        return source.problem(loc, f"unknown key; expected {meant(str(loc[-1]), fields_at(model, loc[:-1]))}")
    if row["type"] == "missing":
        return source.problem(loc, "missing; it has no default")
    if row["type"] == "value_error":
        return source.problem(loc, str(row["msg"]).removeprefix("Value error, "))
    if row["type"] == "too_short" and not row["input"]:
        return source.problem(loc, "found none; expected at least one")
    return source.problem(loc, plain.explained(row["type"], row.get("ctx", {}), row["input"]))


def meant(found: str, known: Iterable[str]) -> str:
    """Return `one of A, B; did you mean 'A'?`."""
    names = sorted(known)
    close = difflib.get_close_matches(found, names, 1)
    return f"one of {', '.join(names)}" + (f"; did you mean {close[0]!r}?" if close else "")


_MARKS: dict[str, tuple[str, ...]] = {
    "process": ("template",),
    "board": ("board",),
    "scenario": ("world",),
    "edge": ("edge", "boards"),
    "aggregator": ("listen", "edges", "signing"),
}
_MODELS: dict[str, type[BaseModel]] = {
    "process": ProcessConfig,
    "board": BoardFile,
    "scenario": Scenario,
    "edge": EdgeConfig,
    "aggregator": AggregatorConfig,
}
_CHECKS: dict[str, Callable[[Source], object]] = {
    "board": _check_board,
    "scenario": _checked_scenario,
    "edge": _checked_edge,
    "aggregator": _checked_aggregator,
}
