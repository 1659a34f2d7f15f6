"""On which line of a TOML file each key stands."""

from typing import Any

import tomlkit
from tomlkit.container import Container
from tomlkit.items import AoT, Item, Table

Path = tuple[str | int, ...]


def key_lines(text: str) -> dict[Path, int]:
    """Line numbers, from 1, of every key and table: ("boards", 0, "port") -> 12.

    Raises: tomlkit.exceptions.ParseError, which carries `line` and `col`.
    """
    lines: dict[Path, int] = {}
    _walk(tomlkit.parse(text), 1, (), lines)
    return lines


def nearest_line(lines: dict[Path, int], key: Path) -> int:
    """The line of `key`, or of the innermost table around it that is in the file; 1 if none is."""
    while key:
        if key in lines:
            return lines[key]
        key = key[:-1]
    return 1


def _walk(container: Container, line: int, path: Path, lines: dict[Path, int]) -> int:
    for key, item in container.body:
        if key is None:
            line += item.as_string().count("\n")
            continue
        line = _place(path + (key.key,), key.is_dotted(), item, line, lines)
    return line


def _place(path: Path, dotted: bool, item: Item, line: int, lines: dict[Path, int]) -> int:
    if isinstance(item, AoT):
        for index, table in enumerate(item.body):
            line = _table(path + (index,), table, line, lines)
            lines.setdefault(path, lines[path + (index,)])
        return line
    if isinstance(item, Table):
        if item.is_super_table() or dotted:
            lines.setdefault(path, line)
            return _walk(item.value, line, path, lines)
        return _table(path, item, line, lines)
    line += item.trivia.indent.count("\n")
    lines[path] = line
    _inside(path, item.unwrap() if hasattr(item, "unwrap") else None, line, lines)
    return line + item.as_string().count("\n") + item.trivia.trail.count("\n")


def _table(path: Path, table: Table, line: int, lines: dict[Path, int]) -> int:
    line += table.trivia.indent.count("\n")
    lines[path] = line
    return _walk(table.value, line + table.trivia.trail.count("\n"), path, lines)


def _inside(path: Path, value: Any, line: int, lines: dict[Path, int]) -> None:
    """Keys of inline tables and arrays stand on the line of their key."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        lines[path + (key,)] = line
        _inside(path + (key,), inner, line, lines)
