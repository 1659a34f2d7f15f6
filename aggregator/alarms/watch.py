"""Once a second: says what there is to say to people, looks for what is broken, keeps incidents. Shell."""

import asyncio
import sqlite3
from collections.abc import Iterable
from typing import Protocol

import structlog

from durable import DiskFullError, SyncError, exit_process

from ..city import City
from ..config import AggregatorConfig
from ..keys.desk import KeyDesk
from ..notify.desk import NoticeDesk
from ..store.store import Store
from ..tasks.dispatch import Now
from . import causes, rows
from .incidents import Cause

EVERY_S = 1.0
_log = structlog.get_logger(__name__)


class Parts(Protocol):
    """What the watch needs of a running city; a restore replaces `city` and `store`."""

    city: City
    store: Store
    config: AggregatorConfig
    desk: KeyDesk

    def now(self) -> Now:
        """Return the moment."""


def start(parts: Parts, quiet: asyncio.Lock) -> list[asyncio.Task[None]]:
    """Return the running tasks; cancel them to stop. A look holds `quiet`: a restore finds nobody at work."""

    notices = NoticeDesk(parts, lambda lines: parts.desk.store.audit.note(lines))

    async def run() -> None:
        try:
            while True:
                await asyncio.sleep(EVERY_S)
                async with quiet:
                    await once(parts, notices)
        finally:
            notices.cancel()

    return [asyncio.create_task(run())]


async def once(parts: Parts, notices: NoticeDesk) -> None:
    """Say, look and save; on a full disk it is tried again."""
    try:
        await notices.turn()
        await look_once(parts, notices.causes(parts.now()))
    except DiskFullError as error:
        _log.error("disk full: messages and incidents are not saved", detail=str(error))
    except SyncError as error:
        exit_process(error)
    except sqlite3.Error as error:
        _log.error("messages and incidents cannot be saved; tried again", error=repr(error))


async def look_once(parts: Parts, more: Iterable[Cause] = ()) -> None:
    """Look round, and make durable what changed. Raises: DiskFullError."""
    city = parts.city
    look_round(city, parts.now(), more)
    changed = city.incidents.take_changed()
    if not changed:
        return
    try:
        await parts.store.work(lambda connection: rows.put_incidents(connection, changed))
    except DiskFullError:
        city.incidents.unsaved(changed)
        raise


def look_round(city: City, now: Now, more: Iterable[Cause] = ()) -> None:
    """Let the city's incidents follow what is broken now, and `more` that is."""
    found, unseen = causes.look(city, now)
    city.incidents.look([*found, *more], unseen, now.utc_us)
