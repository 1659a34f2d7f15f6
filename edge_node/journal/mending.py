"""Opens the journal of the real process: a damaged file is replaced by what can be read of it, and that is said."""

import sqlite3
from functools import partial

import structlog

from durable import Committer
from protocol.ranges import Ranges

from ..assembly import open_journal
from ..config import EdgeConfig
from . import city as journal_city
from . import rows as journal_rows
from .journal import Hop, Journal
from .salvage import DONE, fatal, finish, is_damage, kept, needs_salvage, salvage
from .streams import Key

_log = structlog.get_logger(__name__)


def open_sound_journal(config: EdgeConfig, hop: Hop) -> Journal:
    """Return the journal, mended if it was damaged. Raises: JournalDamagedError, sqlite3.DatabaseError, OSError."""
    path = config.edge.data_dir / journal_rows.FILE
    aside = finish(path) or (salvage(path) if needs_salvage(path) else None)
    try:
        journal = _open(config, hop)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        aside = salvage(path)
        journal = _open(config, hop)
    if journal.run(lambda c: c.execute("SELECT 1 FROM meta WHERE key = ?", (DONE,)).fetchone()):
        lost = journal.run(partial(_declare, config.edge.id, journal))
        _log.error("the journal was damaged", kept=str(aside), declared_lost=lost)
        journal.close()
        journal = _open(config, hop)
    for name in kept(path):
        journal.notices.append(
            f"the journal was damaged; what could be read of it was kept, the rest is declared lost (damage). The "
            f"damaged file is {path.parent / name}: see what ails that disk, then delete it, and this notice goes"
        )
    return journal


def _open(config: EdgeConfig, hop: Hop) -> Journal:
    path = config.edge.data_dir / journal_rows.FILE
    ends = partial(fatal, path)
    return open_journal(config, hop, partial(Committer, on_fatal=ends), ends)


def _declare(edge: str, journal: Journal, c: sqlite3.Connection) -> int:
    """Declare what was lost, and note that it is done, in one transaction."""
    rings: dict[Key, Ranges] = {
        stream.key: Ranges([stream.ring]) for stream in journal.streams.by_key.values() if stream.current
    }
    lost = journal_city.declare_damage(c, edge, rings)
    c.execute("DELETE FROM meta WHERE key = ?", (DONE,))
    return lost
