"""The audit log of a run directory: where it lies, who keeps its heads, and what `city audit` does with it."""

import select
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from cityreflex import config
from cityreflex.exits import CONFIG, NOT_FOUND, PERMISSION, CityError
from service import audit_export
from service.audit_files import FILE, Verdict, files, raw_lines, read, rows_after, verify
from service.audit_heads import PRIVATE, Book, Head, Signer
from service.errors import KeyFileError

POLL_S = 0.3
EDGES = "edges"
AS_USER = "run it as the user of the service"
Row = dict[str, Any]
Kept = list[tuple[str, Head]]


@dataclass(frozen=True)
class Log:
    """A log: its folder, its name, the folders where its heads are kept."""

    folder: Path
    name: str
    books: tuple[Path, ...]

    @classmethod
    def of(cls, run_dir: Path, part: str) -> Self:
        """Return the log of a city or an edge node. Raises: CityError."""
        if part == "city":
            city = config.load_aggregator(run_dir / "aggregator.toml", with_keys=False)
            log = cls._with(city.city.data_dir, city.city.id, city.audit.witness)
        else:
            edge = config.load_edge(run_dir / "edge.toml", with_keys=False)
            log = cls._with(edge.edge.data_dir, edge.edge.id, edge.audit.witness, run_dir / "city" / PRIVATE / EDGES)
        if not any(path.exists() for path in files(log.folder)):
            raise CityError(NOT_FOUND, f"{log.folder}: there is no audit log", "did it ever run? is --dir right?")
        return log

    @classmethod
    def _with(cls, folder: Path, name: str, *more: Path | None) -> Self:
        return cls(folder, name, (folder / PRIVATE, *(path for path in more if path)))

    def heads(self, more: Iterable[Path] = ()) -> Kept:
        """Return all heads that are kept: (file, head). Raises: CityError."""
        books = [Book(folder, self.name) for folder in self.books]
        books += [Book(path, self.name) if path.is_dir() else Book(path.parent, path.stem) for path in more]
        try:
            return [(str(book.path), head) for book in books for head in book.heads()]
        except OSError as error:
            raise CityError(PERMISSION, f"heads cannot be read: {error}", AS_USER) from error


def check(log: Log, more: Iterable[Path]) -> Row:
    """Return what is wrong with a log, which may grow and be renamed meanwhile. Raises: CityError."""
    for _ in range(2):
        heads = log.heads(more)
        found = verify(raw_lines(files(log.folder)), heads)
        if not found.problems:
            break
    local = str(log.books[0])
    elsewhere = [head for where, head in heads if not where.startswith(local)]
    return {**_row(found, log.name, heads), "witnessed": bool(elsewhere)}


def check_export(path: Path, key: str) -> Row:
    """Return what is wrong with an export. Raises: CityError."""
    try:
        found, first = audit_export.check(path, key)
    except (OSError, ValueError) as error:
        text = f"{path}: no export of an audit log: {error}"
        raise CityError(CONFIG, text, "city audit export makes one; for a log give --dir") from error
    row = _row(found, str(first.get("name")), [])
    return {**row, "heads": found.heads, "key": str(first.get("key")), "witnessed": True}


def _row(found: Verdict, name: str, heads: Kept) -> Row:
    chain = found.chain
    newest = max(heads, key=lambda item: item[1].n, default=None)
    return {
        "name": name,
        "ok": not found.problems,
        "problems": [problem._asdict() for problem in found.problems],
        "lines": chain.lines,
        "first": chain.first.n if chain.first else 0,
        "last": chain.last.n if chain.last else 0,
        "unchained": chain.unchained,
        "torn": chain.torn,
        "heads": found.heads,
        "key": newest[1].key if newest else "",
        "newest_head": asdict(newest[1]) if newest else None,
        "newest_in": newest[0] if newest else "",
    }


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
