"""Looks round once a second for what is broken, and keeps the incidents that it leads to. Shell."""

import asyncio
from typing import Protocol

import structlog

from durable import DiskFullError, SyncError, exit_process

from ..city import City
from ..store.store import Store
from ..tasks.dispatch import Now
from . import causes, rows

EVERY_S = 1.0
_log = structlog.get_logger(__name__)


class Parts(Protocol):
    """What the watch needs of a running city; a restore replaces `city` and `store`."""

    city: City
    store: Store

    def now(self) -> Now:
        """Return the moment."""


def start(parts: Parts, quiet: asyncio.Lock) -> list[asyncio.Task[None]]:
    """Return the running tasks; cancel them to stop. A look holds `quiet`: a restore finds nobody at work."""

    async def run() -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            async with quiet:
                await look_once(parts)

    return [asyncio.create_task(run())]


async def look_once(parts: Parts) -> None:
    """Look round, and make durable what changed; on a full disk it is tried again."""
    city, now = parts.city, parts.now()
    look_round(city, now)
    changed = city.incidents.take_changed()
    if not changed:
        return
    try:
        await parts.store.work(lambda connection: rows.put_incidents(connection, changed))
    except DiskFullError as error:
        city.incidents.unsaved(changed)
        _log.error("disk full: incidents are not saved", detail=str(error))
    except SyncError as error:
        exit_process(error)


def look_round(city: City, now: Now) -> None:
    """Let the city's incidents follow what is broken now."""
    city.incidents.look(*causes.look(city, now), now.utc_us)
