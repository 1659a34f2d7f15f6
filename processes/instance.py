"""One process of one site: a template, its file's config and the checked Site."""

import tomllib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from processes.alarms.rules import rules_of
from processes.config import ProcessConfig, check_model, check_ports, parse
from processes.contract import AlarmRule
from processes.errors import ConfigError
from processes.people import contradictions
from processes.templates import Template, load


@dataclass(frozen=True)
class Instance:
    """What the engine needs to run one process."""

    name: str
    config: ProcessConfig
    template: Template
    site: BaseModel
    seed: int
    rules: Mapping[str, AlarmRule] = field(default_factory=dict)


def make_instance(name: str, data: Mapping[str, Any], template_dirs: Iterable[Path] = ()) -> Instance:
    """Return the instance `name` from a process file's data. Raises: ConfigError, TemplateError."""
    config = parse(data)
    template = load(config.template, template_dirs)
    check_ports(config, template.ports)
    site = check_model(template.site_model, config.site, ("site",))
    seed = zlib.crc32(name.encode()) if config.seed is None else config.seed
    known = template.alarm_rules(site) if template.alarm_rules else None
    rules = rules_of(config.alarms, known)
    if wrong := list(contradictions(config.people, config.runs_on, template.ports, known)):
        raise ConfigError(*wrong[0], wrong[1:])
    return Instance(name, config, template, site, seed, rules)


def read_instance(path: Path, template_dirs: Iterable[Path] = ()) -> Instance:
    """Return the instance of a process file, named by its stem. Raises: ConfigError (names the file)."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return make_instance(path.stem, data, template_dirs)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}", error.key) from error
