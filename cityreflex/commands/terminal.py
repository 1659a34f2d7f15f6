"""What others said, made harmless for a terminal: an edge node chooses names and texts, and a hostile one escapes."""

import io
import textwrap
from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console

WIDTH = 80
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


def wrapped(lines: Iterable[str]) -> str:
    """Return lines as text of at most WIDTH columns; what goes on stands further in, a word longer than that is cut."""
    return "\n".join(piece for line in lines for piece in _pieces(line))


def _pieces(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2 * line.startswith("!"))
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent or "  ", break_on_hyphens=False) or [""]


def console(file: TextIO | None = None, width: int | None = None) -> Console:
    """Return a console that takes no `[markup]` out of what it prints."""
    return Console(file=file, width=width, markup=False, emoji=False)


def nowhere() -> Console:
    """Return a console that nobody sees."""
    return console(io.StringIO())
