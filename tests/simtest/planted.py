"""Applies one planted bug while the product is imported: text for text, at a line that must exist exactly once."""

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .mutation import Mutation

ROOT = Path(__file__).parents[2]
VARIABLE = "SIMTEST_MUTANT"


class PlantError(Exception):
    """The text to replace is not there exactly once: the product has moved on, the mutant has not."""


def mutated(*edits: tuple[str, str, str]) -> dict[str, str]:
    """Return {path: source of a product file with the bug in it} of (path, old, new). Raises: PlantError."""
    sources: dict[str, str] = {}
    for path, old, new in edits:
        source = sources.get(path) or (ROOT / path).read_text()
        if source.count(old) != 1:
            raise PlantError(f"{path}: expected once, found {source.count(old)} times: {old!r}")
        sources[path] = source.replace(old, new)
    return sources


def chosen(table: Iterable["Mutation"], only: str) -> list["Mutation"]:
    """Return the bugs whose names hold one of the parts in `only`; ends the program if one does not fit the product."""
    found = [mutation for mutation in table if any(part in mutation.name for part in only.split(","))]
    for mutation in found:
        try:
            mutated(*mutation.edits)
        except PlantError as error:
            sys.exit(f"{mutation.name}: {error}")
    return found


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads one module from changed source, without its cached bytecode."""

    source: str

    def get_code(self, fullname: str) -> Any:
        return compile(self.source, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that have the bug; `sources` by path."""

    def __init__(self, sources: dict[str, str]) -> None:
        self._found = {path.removesuffix(".py").replace("/", "."): (path, text) for path, text in sources.items()}

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        if fullname not in self._found:
            return None
        where, text = self._found[fullname]
        loader = _Loader(fullname, str(ROOT / where))
        loader.source = text
        return importlib.machinery.ModuleSpec(fullname, loader, origin=str(ROOT / where))


def plant(name: str) -> None:
    """Plant a bug of the table by its name. Call it before the product is imported. Raises: PlantError."""
    from .mutations import MUTATIONS  # noqa: PLC0415

    mutation = next(m for m in MUTATIONS if m.name == name)
    plant_edits(*mutation.edits)


def plant_edits(*edits: tuple[str, str, str]) -> None:
    """Plant (path, old, new) before the product is imported. Raises: PlantError."""
    sys.meta_path.insert(0, _Finder(mutated(*edits)))


def plant_from_environment() -> None:
    """Plant what the environment names, if anything."""
    name = os.environ.get(VARIABLE)
    if name:
        plant(name)
