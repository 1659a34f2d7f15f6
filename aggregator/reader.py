"""Query all samples, sealed and hot, with DuckDB: `samples(store folder)` gives a locked-down connection.

The catalogue and the hot rows come from one SQLite snapshot, so no sample shows twice or is missed while the
compactor works. DuckDB may read the sealed folder only, is bounded in memory and cannot be reconfigured.
"""

from pathlib import Path
from typing import Any

import duckdb

from .columns import Manifests, table
from .sealing import SEALED
from .snapshot import hot_frames, open_reader

MEMORY_LIMIT = "512MB"


def samples(folder: Path, manifests: Manifests) -> Any:
    """Return a DuckDB connection with the view `samples` (columns: columns.py). Close it after use."""
    source = open_reader(folder)
    try:
        source.execute("BEGIN")
        files = [str(folder / SEALED / row[0]) for row in source.execute("SELECT file FROM sealed")]
        hot = table(hot_frames(source), manifests)
        source.execute("COMMIT")
    finally:
        source.close()
    return _connect(folder, files, hot)


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
