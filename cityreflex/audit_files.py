"""The audit log of a run directory: where it lies, who keeps its heads, and what `city audit` does with it."""

import select
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from aggregator.audit.heads import EDGES
from cityreflex import config
from cityreflex.client import Client, UnreachableError
from cityreflex.exits import CONFIG, NOT_FOUND, PERMISSION, CityError
from edge_node.audit.city_heads import BOOK, CITY
from service import audit_check, audit_export
from service.audit_check import Heads
from service.audit_files import FILE, files, raw_lines, read, rows_after
from service.audit_heads import PRIVATE, Book, Kept, Signer, from_map
from service.errors import KeyFileError

POLL_S = 0.3
AS_USER = "run it as the user of the service"
Row = dict[str, Any]


@dataclass(frozen=True)
class Log:
    """A log: its folder, its name, the books that have its heads."""

    folder: Path
    name: str
    books: tuple[Book, ...]

    @classmethod
    def of(cls, run_dir: Path, part: str) -> Self:
        """Return the log of a city or an edge node. Raises: CityError."""
        folder, name, witness = _section(run_dir, part)
        books = [Book(path, name) for path in (folder / PRIVATE, witness) if path is not None]
        if part == "edge":
            books.append(Book(run_dir / "city" / PRIVATE / EDGES, name))
        elif (run_dir / "edge.toml").exists():
            books.append(Book(_section(run_dir, "edge")[0] / PRIVATE / CITY, BOOK))
        if not any(path.exists() for path in files(folder)):
            raise CityError(NOT_FOUND, f"{folder}: there is no audit log", "did it ever run? is --dir right?")
        return cls(folder, name, tuple(books))

    @classmethod
    def of_copy(cls, folder: Path) -> Self:
        """Return the log in a data folder, or in a copy of `audit*.jsonl` and the folder `audit`. Raises: CityError."""
        if not any(path.exists() for path in files(folder)):
            raise CityError(NOT_FOUND, f"{folder}: there is no audit log", "expected audit.jsonl in it")
        names = sorted(path.stem for path in (folder / PRIVATE).glob("*.jsonl"))
        name = names[0] if names else folder.name
        return cls(folder, name, (Book(folder / PRIVATE, name),))


def _section(run_dir: Path, part: str) -> tuple[Path, str, Path | None]:
    """Return data folder, name and witness folder of a city or an edge node. Raises: CityError."""
    if part == "city":
        city = config.load_aggregator(run_dir / "aggregator.toml", with_keys=False)
        return city.city.data_dir, city.city.id, city.audit.witness
    edge = config.load_edge(run_dir / "edge.toml", with_keys=False)
    return edge.edge.data_dir, edge.edge.id, edge.audit.witness


def check(log: Log, more: Iterable[Path], told: Heads | None) -> Row:
    """Return what is wrong with a log; `told`: heads that nodes tell now, None if nobody could be asked.

    Raises: CityError.
    """
    books = [*log.books, *(Book(path, log.name) if path.is_dir() else Book(path.parent, path.stem) for path in more)]
    try:
        found = audit_check.check(log.folder, log.name, lambda: [*audit_check.in_books(books), *(told or [])])
    except OSError as error:
        raise CityError(PERMISSION, f"log or heads cannot be read: {error}", AS_USER) from error
    return {**found, "asked": told is not None}


def told_by_nodes(folder: Path) -> Heads | None:
    """Return the heads that nodes keep of the log of the city of a run directory, None if it does not answer."""
    try:
        with Client.of_run(folder) as city:
            rows = city.get("audit/heads")
    except (UnreachableError, httpx.HTTPError, CityError):
        return None
    found = ((str(row.pop("kept_by", "")), from_map(row)) for row in rows)
    return [(f"told by {edge}", head) for edge, head in found if head is not None]


def kept(folder: Path, part: str, name: str) -> list[tuple[str, Kept]]:
    """Return the heads that a city keeps of its nodes' logs (of the node `name`, if given), or a node of its city's.

    Each with the name of its book. Raises: CityError.
    """
    data_dir = _section(folder, part)[0]
    where = data_dir / PRIVATE / (EDGES if part == "city" else CITY)
    names = sorted({path.name.removesuffix(".jsonl").removesuffix(".old") for path in where.glob("*.jsonl")})
    try:
        return [(one, head) for one in names if name in ("", one) for head in Book(where, one).kept()]
    except OSError as error:
        raise CityError(PERMISSION, f"heads cannot be read: {error}", AS_USER) from error


def check_export(path: Path, key: str) -> Row:
    """Return what is wrong with an export. Raises: CityError."""
    try:
        found, first = audit_export.check(path, key)
    except (OSError, ValueError) as error:
        text = f"{path}: no export of an audit log: {error}"
        raise CityError(CONFIG, text, "city audit export makes one; for a log give --dir") from error
    row = audit_check.row(found, str(first.get("name")), [])
    return {**row, "asked": True, "heads": found.heads, "key": str(first.get("key")), "witnessed": True}


def rows(log: Log, wanted: Callable[[Row], bool], last: int | None, *, follow: bool) -> Iterator[Row]:
    """Yield the rows of a log that are wanted; with `follow` also those to come, over renamed files."""
    n = 0
    shown: deque[Row] = deque(maxlen=last)
    for row in read(log.folder):
        n = row["n"]
        if wanted(row):
            shown.append(row)
    yield from shown
    before = None
    while follow:
        select.select([], [], [], POLL_S)
        now = _look(log.folder)
        for row in rows_after(log.folder, n) if now != before else []:
            n = row["n"]
            if wanted(row):
                yield row
        before = now


def _look(folder: Path) -> tuple[int, int]:
    """Return what changes when the log grows or a file is renamed."""
    try:
        found = (folder / FILE).stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_size


def export(log: Log, now_us: int, since_us: int, until_us: int) -> list[bytes]:
    """Return the lines of an export. Raises: CityError."""
    try:
        signer = Signer(log.folder / PRIVATE)
    except (KeyFileError, OSError) as error:
        raise CityError(PERMISSION, f"the key of the log: {error}", AS_USER) from error
    return audit_export.make(raw_lines(files(log.folder)), log.name, signer, now_us, since_us, until_us)
