"""The keys a driver may be given: those its docstring names after `Board file keys:`."""

import re
from collections.abc import Iterable, Iterator
from types import ModuleType

_DECLARED = re.compile(r"^Board file keys:(.*?)(?=^Limits:|^\s*$|\Z)", re.M | re.S)


def declared(driver: ModuleType) -> tuple[str, ...]:
    """Return the keys a driver declares; none if it has no docstring that does."""
    found = _DECLARED.search(driver.__doc__ or "")
    return tuple(dict.fromkeys(re.findall(r"`([a-z_0-9]+)`", found[1]))) if found else ()


def unknown(driver: ModuleType, options: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield (key, keys there are) of each option that its driver does not declare."""
    able = sorted(declared(driver))
    for key in options:
        if able and key not in able:
            yield key, able
