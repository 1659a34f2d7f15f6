"""Applies one planted bug while the product is imported: text for text, at a line that must exist exactly once."""

import importlib.abc
import importlib.machinery
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
VARIABLE = "SIMTEST_MUTANT"


class PlantError(Exception):
    """The text to replace is not there exactly once: the product has moved on, the mutant has not."""


def mutated(path: str, old: str, new: str) -> str:
    """Return the source of a product file with the bug in it. Raises: PlantError."""
    source = (ROOT / path).read_text()
    if source.count(old) != 1:
        raise PlantError(f"{path}: expected once, found {source.count(old)} times: {old!r}")
    return source.replace(old, new)


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads one module from changed source, without its cached bytecode."""

    source: str

    def get_code(self, fullname: str) -> Any:
        return compile(self.source, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the one module that has the bug."""

    def __init__(self, path: str, source: str) -> None:
        self._path, self._source = ROOT / path, source
        self._name = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        if fullname != self._name:
            return None
        loader = _Loader(fullname, str(self._path))
        loader.source = self._source
        return importlib.machinery.ModuleSpec(fullname, loader, origin=str(self._path))


def plant(name: str) -> None:
    """Plant a bug of the table by its name. Call it before the product is imported. Raises: PlantError."""
    from .mutations import MUTATIONS  # noqa: PLC0415

    mutation = next(m for m in MUTATIONS if m.name == name)
    source = mutated(mutation.path, mutation.old, mutation.new)
    sys.meta_path.insert(0, _Finder(mutation.path, source))


def plant_from_environment() -> None:
    """Plant what the environment names, if anything."""
    name = os.environ.get(VARIABLE)
    if name:
        plant(name)
