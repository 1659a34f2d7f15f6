"""Seals hot commits from time to time, in a thread, while commits go on."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TypeVar

import structlog

from . import sealing
from .config import StoreSection
from .registry import Registry
from .snapshot import open_reader
from .store import Store

T = TypeVar("T")
_log = structlog.get_logger(__name__)


def _no_step(_: str) -> None:
    """Do nothing between steps; tests crash here."""


async def seal_once(store: Store, registry: Registry, keep: int, step: sealing.Step = _no_step) -> int:
    """Seal what is due; return how many samples were sealed."""
    folder = store.folder
    disk = store.committer.disk
    plan = await asyncio.to_thread(
        _with_snapshot, store, lambda c: sealing.prepare(folder, c, registry, keep, step, disk)
    )
    if plan is None:
        return 0
    step("transaction")
    await store.work(lambda connection: sealing.finish(plan, connection))
    step("catalogue")
    await asyncio.to_thread(_with_snapshot, store, lambda c: sealing.write_catalogue(folder, c, disk))
    step("done")
    return sum(file.samples for file in plan.files)


async def seal_for_ever(
    what: Callable[[], tuple[Store, Registry]], section: StoreSection, quiet: asyncio.Lock
) -> None:
    """Seal every `seal_every_s` seconds, holding `quiet`; a failure is logged and tried again.

    `what` is asked anew each time: a restore puts another store in the place of the old one.
    """
    while True:
        await asyncio.sleep(section.seal_every_s)
        try:
            async with quiet:
                samples = await seal_once(*what(), section.keep_hot_commits)
        except (OSError, sqlite3.Error) as error:
            _log.error("sealing failed; hot rows stay", error=repr(error))
        else:
            _log.info("sealed", samples=samples)


def clean(store: Store) -> None:
    """At start: remove files of a sealing that was cut short, and renew the catalogue for outsiders."""
    folder, disk = store.folder, store.committer.disk
    orphans = store.committer.read(lambda c: sealing.remove_orphans(folder, c, disk))
    store.committer.read(lambda c: sealing.write_catalogue(folder, c, disk))
    if orphans:
        _log.info("removed files of an unfinished sealing", files=orphans)


def _with_snapshot(store: Store, query: Callable[[sqlite3.Connection], T]) -> T:
    connection = open_reader(store.folder, store.committer.disk)
    try:
        connection.execute("BEGIN")
        return query(connection)
    finally:
        connection.close()
