"""A store's recording, opened for a replay: its log, its samples and what Things said of themselves, of one moment."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import msgpack

from durable import RotError, chained_log
from processes import log
from processes.errors import ProcessError
from processes.feed import Arrived
from processes.instance import Instance, make_instance
from processes.log import Entry

from ..backup import manifest as backup_manifest
from ..backup.taking import open_copy
from ..errors import DamagedError, NoRecordingError
from ..store.reader import stored_manifests
from ..store.schema import FILE
from ..store.snapshot import open_reader
from .frames import Frames

Progress = Callable[[int, int], None]


class Extent(NamedTuple):
    """What a log spans in event time, in rows, and whether its chain holds."""

    first_utc_us: int
    last_utc_us: int
    rows: int


class Source(Protocol):
    """Where a log's samples are: those of a `take` entry, and how it went so far."""

    missing: int
    samples: int
    manifests_changed: set[str]

    def series(self, entry: Entry) -> list[Arrived]:
        """Return the series that an entry refers to, at the times that held when they arrived."""


class Recording:
    """The log of a store, a backup or a journal, and the samples it refers to. `where` it ran."""

    def __init__(
        self, connection: sqlite3.Connection, frames: Source, where: Literal["edge", "city"] = "city"
    ) -> None:
        self._connection, self.frames, self.where = connection, frames, where

    @property
    def extent(self) -> Extent:
        """Return what there is. Raises: NoRecordingError."""
        query = "SELECT min(first_utc_us), max(last_utc_us), count(*) FROM engine_log"
        first, last, rows = self._connection.execute(query).fetchone()
        if not rows:
            raise NoRecordingError("this store has no recorded decisions: no process has run here yet")
        # until the first tick nobody knows what time it is: such rows say 0
        known = self._connection.execute("SELECT min(first_utc_us) FROM engine_log WHERE first_utc_us > 0").fetchone()
        return Extent(int(known[0] or first), int(last), int(rows))

    def wanted(self) -> set[bytes]:
        """Return the digests of the frozen states that some start came from."""
        return chained_log.thawed(self._connection)

    def entries(self, from_utc_us: int, to_utc_us: int, progress: Progress = lambda done, of: None) -> Iterator[Entry]:
        """Yield the entries from the last base before a time on, up to another. Raises: RotError, NoRecordingError."""
        begin = chained_log.base_before(self._connection, from_utc_us)
        if begin is None:
            raise NoRecordingError("the log has no place to begin with: let the city run for some seconds")
        last = int(self._connection.execute("SELECT max(number) FROM engine_log").fetchone()[0])
        chain: bytes | None = None
        for row in chained_log.read(self._connection, begin - 1):
            if row.first_utc_us >= to_utc_us:
                break
            for body in row.bodies:
                chain = None if chain is None else chained_log.chained(chain, body)
                with readable(f"row {row.number} of the engine's log"):
                    entries = log.unpack(body)
                yield from entries
            if chain is not None and chain != row.chain:
                raise RotError(f"row {row.number} of the engine's log is not what followed the one before it")
            chain = row.chain
            progress(row.number - begin, last - begin)


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Who edits a log, and its chain with it, can write anything there: say so, do not stumble. Raises: RotError."""
    try:
        yield
    except (RotError, ProcessError):
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, msgpack.UnpackException) as error:
        text = f"{what} is not what this release writes: {type(error).__name__}: {error}"
        raise RotError(text[:300]) from error


@contextmanager
def opened(folder: Path) -> Iterator[Recording]:
    """Open the data folder of a city, running or not, or a backup; nothing is written.

    Raises: NoRecordingError, DamagedError.
    """
    if not (folder / FILE).exists():
        raise NoRecordingError(f"{folder}: no {FILE}: neither the data folder of a city nor a backup")
    is_backup = (folder / backup_manifest.FILE).exists()
    connection = open_copy(folder / FILE) if is_backup else open_reader(folder)
    try:
        connection.execute("BEGIN")
        if not chained_log.exists(connection):
            raise NoRecordingError(f"{folder}: a release that recorded no decisions wrote this store")
        yield Recording(connection, Frames(folder, connection, stored_manifests(connection)))
    except RotError as error:
        raise DamagedError(f"{folder / FILE}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise DamagedError(f"{folder / FILE}: {error}") from error
    finally:
        connection.close()


def builder(
    templates: Iterable[Path] = (), instead: Instance | None = None
) -> Callable[[Mapping[str, Any]], list[Instance]]:
    """Return what makes the instances of a recorded setup; `instead` takes the place of the one with its name."""

    def build(setup: Mapping[str, Any]) -> list[Instance]:
        rows = [row for row in setup["instances"] if instead is None or row["name"] != instead.name]
        made = [_made(row, templates) for row in rows]
        return made if instead is None else [*made, instead]

    return build


def _made(row: Mapping[str, Any], templates: Iterable[Path]) -> Instance:
    return make_instance(row["name"], row["config"], [*templates, Path(row["templates"])])
