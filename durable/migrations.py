"""Databases of earlier releases, brought up to date: ordered steps in one transaction.

    MIGRATIONS = (
        Migration("when a stream began", "ALTER TABLE streams ADD COLUMN began_us INTEGER NOT NULL DEFAULT 0"),
    )
    Committer(path, schema=SCHEMA, migrations=MIGRATIONS)

A schema script stays as it was first released; what changes later is a migration behind it, so that a new
database and an old one come to the same tables on the same way. `PRAGMA user_version` holds 1000 * least +
version: `version` migrations were made, and a program has to know `least` of them to open the file. While all
are additive (new tables, new columns with defaults) `least` stays 0 and every earlier release opens it too.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import TooNewError

Step = str | Callable[[sqlite3.Connection], object]
_LEAST = 1000


class Migration:
    """One change of a schema: what it is for, and its steps, each one SQL statement or a function.

    `additive`: the statements of earlier releases still do what they did.
    """

    def __init__(self, what: str, *steps: Step, additive: bool = True) -> None:
        self.what, self.steps, self.additive = what, steps, additive

    def run(self, connection: sqlite3.Connection) -> None:
        """Carry out the steps inside the caller's transaction."""
        for step in self.steps:
            if isinstance(step, str):
                connection.execute(step)
            else:
                step(connection)


def version(connection: sqlite3.Connection) -> int:
    """Return how many migrations a database has had."""
    return _user_version(connection) % _LEAST


def check(connection: sqlite3.Connection, path: Path, known: int) -> None:
    """Do nothing if a program that knows `known` migrations may open the database. Raises: TooNewError."""
    least = _user_version(connection) // _LEAST
    if least > known:
        raise TooNewError(
            f"{path}: a later release changed this file (schema {version(connection)}, needs a program that knows "
            f"{least}); this one knows {known}. Start the later release again; docs/upgrade.md says what else there is"
        )


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> int:
    """Run what a database lacks, all or nothing; return how many migrations that were."""
    had = version(connection)
    missing = migrations[had:]
    if not missing:
        return 0
    least = max((at for at, known in enumerate(migrations, 1) if not known.additive), default=0)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for migration in missing:
            migration.run(connection)
        connection.execute(f"PRAGMA user_version = {_LEAST * least + len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return len(missing)


def _user_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
