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

from protocol.city_link import ThingInfo

from .columns import Manifests, table
from .errors import PeerError
from .registry import Registry
from .schema import SEALED
from .snapshot import hot_frames, open_reader

MEMORY_LIMIT = "512MB"


def samples(folder: Path, manifests: Manifests | None = None) -> Any:
    """Return a DuckDB connection with the view `samples` (columns: columns.py). Close it after use.

    `manifests` names the channels of hot rows; without it the stored ones do.
    """
    source = open_reader(folder)
    try:
        source.execute("BEGIN")
        files = [str(folder / SEALED / row[0]) for row in source.execute("SELECT file FROM sealed")]
        hot = table(hot_frames(source), manifests or stored_manifests(source))
        source.execute("COMMIT")
    finally:
        source.close()
    return _connect(folder, files, hot)


def stored_manifests(connection: sqlite3.Connection) -> Manifests:
    """Return a lookup in the manifests that Things introduced themselves with."""
    registry = Registry()
    for edge, info, seen_utc_us in connection.execute("SELECT edge, info, seen_utc_us FROM things"):
        with suppress(PeerError):
            registry.introduce(edge, ThingInfo(**msgpack.unpackb(info)), seen_utc_us)
    return registry.manifest


def _connect(folder: Path, files: list[str], hot: Any) -> Any:
    connection = duckdb.connect(":memory:", config={"memory_limit": MEMORY_LIMIT, "threads": 1})
    connection.execute(f"SET allowed_directories = [{_quoted(str(folder / SEALED))}]")
    for setting in ("enable_external_access = false", "lock_configuration = true"):
        connection.execute(f"SET {setting}")
    connection.register("hot", hot)
    if files:
        names = ", ".join(_quoted(name) for name in files)
        sealed = f"UNION ALL BY NAME SELECT * FROM read_parquet([{names}], hive_partitioning = false)"
    else:
        sealed = ""
    connection.execute(f"CREATE TEMP VIEW samples AS SELECT * FROM hot {sealed}")
    return connection


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
