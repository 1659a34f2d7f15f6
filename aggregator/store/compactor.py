"""Seals hot commits, in a thread, while commits go on."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TypeVar

import structlog

from durable import SyncError

from ..registry import Registry
from . import sealing
from .scrub import Span
from .snapshot import open_reader
from .store import Store

T = TypeVar("T")
SetAside = Callable[[list[Span]], None]
_log = structlog.get_logger(__name__)


def _no_step(_: str) -> None:
    """Do nothing between steps; tests crash here."""


def _keep(_: list[Span]) -> None:
    """Tell nobody."""


async def seal_once(
    store: Store, registry: Registry, keep: int, step: sealing.Step = _no_step, aside: SetAside = _keep
) -> int:
    """Seal what is due; return how many samples were sealed. `aside` hears of those that are quarantined instead."""
    folder = store.folder
    disk = store.committer.disk
    plan = await asyncio.to_thread(
        with_snapshot, store, lambda c: sealing.prepare(folder, c, registry, keep, step, disk)
    )
    if plan is None:
        return 0
    step("transaction")
    spans: list[Span] = []
    await store.work(lambda connection: spans.extend(sealing.finish(plan, connection)))
    aside(spans)
    step("catalogue")
    await asyncio.to_thread(renew_catalogue, store)
    step("done")
    return sum(file.samples for file in plan.files)


def renew_catalogue(store: Store) -> None:
    """Write sealed/manifest.json anew, for outsiders."""
    with_snapshot(store, lambda c: sealing.write_catalogue(store.folder, c, store.committer.disk))


def clean(store: Store) -> None:
    """At start: remove files of a sealing that was cut short, and renew the catalogue for outsiders."""
    folder, disk = store.folder, store.committer.disk
    orphans = store.committer.read(lambda c: sealing.remove_orphans(folder, c, disk))
    try:
        store.committer.read(lambda c: sealing.write_catalogue(folder, c, disk))
    except SyncError:
        raise
    except OSError as error:  # it is for others to read: with a full disk the old one serves, and the city starts
        _log.error("the catalogue for outsiders is not renewed", error=repr(error))
    if orphans:
        _log.info("removed files of an unfinished sealing", files=orphans)


def with_snapshot(store: Store, query: Callable[[sqlite3.Connection], T]) -> T:
    """Return what `query` returns on a connection of its own, in one snapshot. Any thread."""
    connection = open_reader(store.folder, store.committer.disk)
    try:
        connection.execute("BEGIN")
        return query(connection)
    finally:
        connection.close()
