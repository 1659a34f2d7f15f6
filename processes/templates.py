"""Find a process template by name: in processes/<name>/, or in extra folders a site brings along."""

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

from processes.config import did_you_mean
from processes.contract import AlarmRule, Outcome, Port, Series, State
from processes.errors import ConfigError, TemplateError
from processes.fingerprint import of_template

_HERE = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")

StartFunction = Callable[[BaseModel, int], State]
StepFunction = Callable[[BaseModel, State, int, Mapping[str, Series]], Outcome]

RulesFunction = Callable[[BaseModel], Mapping[str, AlarmRule]]


@dataclass(frozen=True)
class Template:
    """A loaded template: what its process.py provides, the folder it came from, and a digest of its code."""

    name: str
    folder: Path
    site_model: type[BaseModel]
    ports: Mapping[str, Port]
    start: StartFunction
    step: StepFunction
    alarm_rules: RulesFunction | None = None
    digest: str = ""


def names(extra_dirs: Iterable[Path] = ()) -> list[str]:
    """Return the names of all templates that can be loaded, sorted."""
    return sorted(_folders(extra_dirs))


def load(name: str, extra_dirs: Iterable[Path] = ()) -> Template:
    """Return the template `name`; extra folders come after the built-in ones.

    Raises: ConfigError for an unknown name (it names the known ones), TemplateError for an unfit process.py.
    """
    folders = _folders(extra_dirs)
    if name not in folders:
        hint = did_you_mean(name, folders)
        known = "" if "known:" in hint else f" Known: {', '.join(sorted(folders))}."
        raise ConfigError(f"template {name!r} does not exist{hint}{known}", ("template",))
    folder = folders[name]
    return _checked(name, folder, _module(name, folder))


def _folders(extra_dirs: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for root in (_HERE, *extra_dirs):
        for process in sorted(Path(root).glob("*/process.py")):
            if _NAME.match(process.parent.name):
                found.setdefault(process.parent.name, process.parent)
    return found


def _module(name: str, folder: Path) -> ModuleType:
    """Return the executed process.py. Raises: TemplateError with file, line and error of what it raised."""
    try:
        if folder.parent == _HERE:
            return importlib.import_module(f"processes.{name}.process")
        return _executed(f"cityreflex_site_template_{name}", folder)
    except (Exception, SystemExit) as error:  # a template is somebody's program: it may raise anything
        raise TemplateError(f"{_where(error, folder)}: {type(error).__name__}: {_reason(error)}") from error


def _executed(package: str, folder: Path) -> ModuleType:
    """Return process.py of a folder outside the repository, executed anew as a part of `package`."""
    for known in [word for word in sys.modules if word == package or word.startswith(f"{package}.")]:
        del sys.modules[known]
    for part, file in ((package, folder / "__init__.py"), (f"{package}.process", folder / "process.py")):
        if not file.exists():
            continue
        places = [str(folder)] if part == package else None
        spec = importlib.util.spec_from_file_location(part, file, submodule_search_locations=places)
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[part] = module
        spec.loader.exec_module(module)
    return sys.modules[f"{package}.process"]


def _where(error: BaseException, folder: Path) -> str:
    """Return file:line of the innermost line in `folder` that led to the error."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).resolve().parent == folder.resolve()]
    return f"{folder / Path(own[-1].filename).name}:{own[-1].lineno}" if own else str(folder / "process.py")


def _reason(error: BaseException) -> str:
    return str(error.msg) if isinstance(error, SyntaxError) else str(error)


def _checked(name: str, folder: Path, module: ModuleType) -> Template:
    file = folder / "process.py"
    missing = [word for word in ("Site", "PORTS", "start", "step") if not hasattr(module, word)]
    if missing:
        raise TemplateError(f"{file} lacks {', '.join(missing)}; see processes/contract.py")
    if not (isinstance(module.Site, type) and issubclass(module.Site, BaseModel)):
        raise TemplateError(f"{file}: Site must be a pydantic BaseModel")
    if not isinstance(module.PORTS, Mapping):
        raise TemplateError(f"{file}: PORTS must be a mapping from name to Port(property, unit, role, many)")
    bad = [p for p, port in module.PORTS.items() if not isinstance(port, Port)]
    if bad:
        raise TemplateError(f"{file}: PORTS[{bad[0]!r}] must be a Port(property, unit, role, many)")
    rules = getattr(module, "alarm_rules", None)
    made = name, folder, module.Site, dict(module.PORTS), module.start, module.step
    return Template(*made, rules, of_template(folder))
