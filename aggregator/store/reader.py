"""Query all samples, sealed and hot, with DuckDB: `samples(store folder)` gives a locked-down connection.

    with samples(Path("city")) as query:
        query.execute("SELECT datastream, count(*) FROM samples GROUP BY ALL").fetchall()

The catalogue and the hot rows come from one SQLite snapshot, so no sample shows twice or is missed while the
compactor works. DuckDB may read the sealed folder only, is bounded in memory and cannot be reconfigured.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import msgpack
import pyarrow as pa

from protocol.city_link import ThingInfo

from ..clocks import rows as clock_rows
from ..clocks.table import ClockTable
from ..errors import PeerError
from ..registry import Registry
from .columns import Manifests, table
from .schema import SEALED
from .snapshot import hot_frames, open_reader

MEMORY_LIMIT = "512MB"
_PIECES = pa.schema(
    [
        ("thing", pa.string()), ("boot", pa.string()), ("first_us", pa.int64()), ("end_us", pa.int64()),
        ("ref_us", pa.int64()), ("ref_utc_us", pa.int64()), ("rate", pa.float64()), ("synced", pa.bool_()),
    ]
)  # fmt: skip
_RETIMED = """
SELECT s.* REPLACE (CASE
    WHEN c.end_us IS NULL OR s.stamp_us >= c.end_us THEN s.t_utc_us
    WHEN c.synced THEN c.ref_utc_us + CAST(round_even(c.rate * (s.stamp_us - c.ref_us), 0) AS BIGINT)
    END AS t_utc_us)
FROM {source} s ASOF LEFT JOIN clock_pieces c
ON s.thing = c.thing AND s.boot = c.boot AND s.stamp_us >= c.first_us
"""
"""Sealed files keep the times they were sealed with; of what clock records cover the view shows the better time."""


def samples(folder: Path, manifests: Manifests | None = None) -> Any:
    """Return a DuckDB connection with the view `samples` (columns: columns.py). Close it after use.

    `manifests` names the channels of hot rows; without it the stored ones do.
    """
    source = open_reader(folder)
    try:
        source.execute("BEGIN")
        files = [str(folder / SEALED / row[0]) for row in source.execute("SELECT file FROM sealed")]
        clocks = ClockTable(clock_rows.read(source))
        hot = table(hot_frames(source), manifests or stored_manifests(source), clocks)
        source.execute("COMMIT")
    finally:
        source.close()
    return _connect(folder, files, hot, pieces_table(clocks))


def pieces_table(clocks: ClockTable) -> Any:
    """Return the pieces of a clock table as an Arrow table, one row each."""
    rows = [{"thing": thing, "boot": boot, **p._asdict(), **vars(p.clock)} for thing, boot, p in clocks.rows()]
    return pa.Table.from_pylist(rows, schema=_PIECES)


def stored_manifests(connection: sqlite3.Connection) -> Manifests:
    """Return a lookup in the manifests that Things introduced themselves with."""
    registry = Registry()
    for edge, info, seen_utc_us in connection.execute("SELECT edge, info, seen_utc_us FROM things"):
        with suppress(PeerError):
            registry.introduce(edge, ThingInfo(**msgpack.unpackb(info)), seen_utc_us)
    return registry.manifest


def _connect(folder: Path, files: list[str], hot: Any, pieces: Any) -> Any:
    connection = duckdb.connect(":memory:", config={"memory_limit": MEMORY_LIMIT, "threads": 1})
    connection.execute(f"SET allowed_directories = [{_quoted(str(folder / SEALED))}]")
    for setting in ("enable_external_access = false", "lock_configuration = true"):
        connection.execute(f"SET {setting}")
    connection.register("hot", hot)
    connection.register("clock_pieces", pieces)
    sealed = ""
    if files:
        names = ", ".join(_quoted(name) for name in files)
        source = f"read_parquet([{names}], hive_partitioning = false)"
        query = _RETIMED if pieces.num_rows else "SELECT * FROM {source}"
        sealed = "UNION ALL BY NAME " + query.format(source=source)
    connection.execute(f"CREATE TEMP VIEW samples AS SELECT * FROM hot {sealed}")
    return connection


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
