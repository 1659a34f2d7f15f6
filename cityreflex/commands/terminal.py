"""What others said, made harmless for a terminal: an edge node chooses names and texts, and a hostile one escapes."""

import io
import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, TextIO, TypeAlias

import rich_click as click
from rich.console import Console
from rich.table import Table

WIDTH = 80
Lines: TypeAlias = Callable[[Any], Iterable[str]]
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


def wrapped(lines: Iterable[str], width: int = WIDTH) -> str:
    """Return lines as text of at most `width` columns; what goes on stands further in, a longer word is cut."""
    return "\n".join(piece for line in lines for piece in _pieces(line, width))


def fitted(line: str) -> str:
    """Return a line as it is for a file or a pipe, and wrapped between words for a terminal."""
    return wrapped([line], shutil.get_terminal_size().columns) if sys.stdout.isatty() else line


def tabled(heads: Iterable[str], rows: Iterable[Iterable[str]], width: int = WIDTH) -> str:
    """Return a table as text of at most `width` columns; the first two give way, and are folded, not cut."""
    found, told = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0)), io.StringIO()
    for at, head in enumerate(heads):
        found.add_column(head, overflow="fold", no_wrap=at > 1)
    for row in rows:
        found.add_row(*row)
    console(told, width).print(found)
    return "\n".join(line.rstrip() for line in told.getvalue().splitlines())


def tell(found: Any, as_json: bool, lines: Lines) -> None:
    """Print one thing: as JSON, or as its lines for people."""
    click.echo(json.dumps(found) if as_json else wrapped(lines(harmless(found))))


def tell_each(rows: list[Any], as_json: bool, lines: Lines, none: str) -> None:
    """Print rows: as JSON, or each as its lines for people; `none` is said, beside the data, if there are none."""
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in harmless(rows):
        click.echo(wrapped(lines(row)))
    if not rows:
        click.echo(none, err=True)


def say(console: Console, line: str, style: str | None = None) -> None:
    """Print a line, wrapped at the width of the console."""
    console.print(wrapped([line], console.width), style=style, soft_wrap=True, highlight=False)


def table(*heads: str) -> Table:
    """Return an empty table without lines; a cell too long for its column goes on below, nothing is left out."""
    found = Table(box=None, pad_edge=False)
    for head in heads:
        found.add_column(head, overflow="fold")
    return found


def _pieces(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2 * line.startswith("!"))
    return textwrap.wrap(line, width, subsequent_indent=indent or "  ", break_on_hyphens=False) or [""]


def console(file: TextIO | None = None, width: int | None = None) -> Console:
    """Return a console that takes no `[markup]` out of what it prints."""
    return Console(file=file, width=width, markup=False, emoji=False)


def nowhere() -> Console:
    """Return a console that nobody sees."""
    return console(io.StringIO())
