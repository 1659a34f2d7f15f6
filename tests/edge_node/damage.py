"""Damages a SQLite file as a dying card does: a page of a table becomes noise."""

import sqlite3
from pathlib import Path

PAGE_SIZE = 4096


def pages_of(path: Path, name: str) -> list[int]:
    """Return the leaf pages of a table, from its own root down, as page numbers."""
    data = path.read_bytes()
    c = sqlite3.connect(path)
    root = c.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
    c.close()

    def leaves(page: int) -> list[int]:
        begin = (page - 1) * PAGE_SIZE
        header = begin + (100 if page == 1 else 0)
        if data[header] == 13:
            return [page]
        cells = int.from_bytes(data[header + 3 : header + 5], "big")
        found: list[int] = []
        for cell in range(cells):
            at = header + 12 + 2 * cell
            offset = int.from_bytes(data[at : at + 2], "big")
            found += leaves(int.from_bytes(data[begin + offset : begin + offset + 4], "big"))
        return found + leaves(int.from_bytes(data[header + 8 : header + 12], "big"))

    return leaves(root)


def wipe(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE_SIZE)
        file.write(b"\xa5" * PAGE_SIZE)
