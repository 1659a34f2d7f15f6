"""Data to try a process on: what a city recorded, or a CSV file; in chunks, so that memory stays small."""

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cityreflex.exits import CONFIG, NOT_FOUND, CityError
from processes.feed import Arrived
from processes.trial import by_stream

DAY_US = 86_400_000_000
CSV_ROWS = 10_000
TIME, STREAM, VALUE = "time", "datastream", "value"
Row = tuple[str, tuple[int, float, float, int]]
_SAMPLES = (
    "SELECT t_utc_us, value, quality FROM samples WHERE datastream = ? AND t_utc_us >= ? AND t_utc_us < ?"
    " ORDER BY t_utc_us, seq"
)


def recorded(folder: Path, senses: Mapping[str, list[str]], from_utc_us: int, to_utc_us: int) -> Iterator[
    list[Arrived]
]:  # fmt: skip
    """Yield what a city or a backup stored of the datastreams, a day at a time. Raises: CityError."""
    from aggregator.store import reader  # noqa: PLC0415 (not every command needs DuckDB)
    from aggregator.store.snapshot import open_reader  # noqa: PLC0415

    if not (folder / "store.db").exists():
        raise CityError(NOT_FOUND, f"{folder}: no store.db", "give --data with the data folder of a city or a backup")
    connection = open_reader(folder)
    try:
        sigmas = dict(_sigmas(reader.stored_manifests(connection), senses, connection))
    finally:
        connection.close()
    with reader.samples(folder) as query:
        names = [name for streams in senses.values() for name in streams]
        marks = ", ".join("?" * len(names))
        span = query.execute(
            f"SELECT min(t_utc_us), max(t_utc_us) FROM samples WHERE datastream IN ({marks})", names
        ).fetchone()
        if span[0] is None:
            return
        first, last = max(span[0], from_utc_us), min(span[1] + 1, to_utc_us)
        for day in range(first // DAY_US * DAY_US, last, DAY_US):
            within = max(day, first), min(day + DAY_US, last)
            yield [_day(query, name, within, sigmas.get(name, np.nan)) for name in names]


def _day(query: object, name: str, within: tuple[int, int], sigma: float) -> Arrived:
    rows = query.execute(_SAMPLES, (name, *within)).fetchnumpy()  # type: ignore[attr-defined]
    times = np.asarray(rows["t_utc_us"], np.int64)
    values = np.asarray(rows["value"], np.float64)
    quality = np.asarray(rows["quality"], np.uint8)
    return Arrived(name, times, values, np.full(times.size, sigma), quality, times)


def _sigmas(manifests: object, senses: Mapping[str, list[str]], connection: object) -> Iterator[tuple[str, float]]:
    """Yield the constant sigma of each datastream that has one."""
    boots = dict(connection.execute("SELECT thing, boot FROM things ORDER BY seen_utc_us"))  # type: ignore[attr-defined]
    for name in (one for streams in senses.values() for one in streams):
        thing, _, channel = name.partition("/")
        manifest = manifests(thing, boots.get(thing, ""))  # type: ignore[operator]
        for info in manifest.channels if manifest else ():
            if info.name == channel and info.sigma > 0:
                yield name, info.sigma


def from_csv(path: Path, senses: Mapping[str, list[str]], from_utc_us: int, to_utc_us: int) -> Iterator[list[Arrived]]:
    """Yield the rows of a CSV file in chunks. Raises: CityError with the line that is wrong.

    Columns: `time` (ISO 8601, UTC) and either `datastream`, `value` and perhaps `sigma`, `quality`, or one column per
    port or datastream. Rows are in the order of their times; values in the units of the ports.
    """
    with _opened(path) as file:
        rows: list[Row] = []
        for row in _rows(path, csv.DictReader(file), _columns(senses)):
            if from_utc_us <= row[1][0] < to_utc_us:
                rows.append(row)
            if len(rows) >= CSV_ROWS and rows[-1][1][0] != rows[-2][1][0]:
                yield list(by_stream(rows[:-1]))
                rows = rows[-1:]
        yield list(by_stream(rows))


def _opened(path: Path):  # type: ignore[no-untyped-def]
    try:
        return path.open(newline="", encoding="utf-8")
    except OSError as error:
        raise CityError(NOT_FOUND, f"{path}: {error.strerror}", "check the path") from error


def _columns(senses: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the datastream of each column there may be: its own name, or that of a port with one datastream."""
    found = {name: name for streams in senses.values() for name in streams}
    return {**found, **{port: streams[0] for port, streams in senses.items() if len(streams) == 1}}


def _rows(path: Path, reader: "csv.DictReader[str]", columns: dict[str, str]) -> Iterator[Row]:
    names = list(reader.fieldnames or ())
    long, last = STREAM in names and VALUE in names, 0
    wide = [name for name in names if name in columns]
    if TIME not in names or not (long or wide):
        raise CityError(CONFIG, f"{path}:1: found columns {', '.join(names) or 'none'}",
                        f"expected time, and datastream, value or some of {', '.join(columns)}")  # fmt: skip
    for row in reader:
        try:
            t = _utc_us(row[TIME])
            made = [_long(row, t)] if long else [(columns[n], (t, float(row[n]), np.nan, 1)) for n in wide if row[n]]
        except (ValueError, TypeError, KeyError) as error:
            raise CityError(CONFIG, f"{path}:{reader.line_num}: {error}", "correct the row") from error
        if t < last:
            raise CityError(CONFIG, f"{path}:{reader.line_num}: time goes back", "sort the rows by time")
        last = t
        yield from made


def _long(row: dict[str, str], t: int) -> Row:
    return row[STREAM], (t, float(row[VALUE]), float(row.get("sigma") or "nan"), int(row.get("quality") or 1))


def _utc_us(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"time: found {text!r}; expected ISO 8601 in UTC such as 2026-03-01T06:30:00Z") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)
