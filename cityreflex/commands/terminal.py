"""What others said, made harmless for a terminal: an edge node chooses names and texts, and a hostile one escapes."""

import io
from typing import Any, TextIO

from rich.console import Console

SHOWN_AS = "\N{REPLACEMENT CHARACTER}"


def harmless(value: Any) -> Any:
    """Return text, or lists and maps of it, with controls, line ends and overrides of direction replaced."""
    if isinstance(value, str):
        return value if value.isprintable() else "".join(c if c.isprintable() else SHOWN_AS for c in value)
    if isinstance(value, list):
        return [harmless(item) for item in value]
    if isinstance(value, dict):
        return {harmless(name): harmless(item) for name, item in value.items()}
    return value


def console(file: TextIO | None = None, width: int | None = None) -> Console:
    """Return a console that takes no `[markup]` out of what it prints."""
    return Console(file=file, width=width, markup=False, emoji=False)


def nowhere() -> Console:
    """Return a console that nobody sees."""
    return console(io.StringIO())
