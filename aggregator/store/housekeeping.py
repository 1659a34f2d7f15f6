"""What goes on beside the turns: sealing, comparing with sealed files, looking for rot. Shell.

Each step holds `quiet`, so that a restore finds nobody at work on the store, and asks anew which store and city are
the present ones.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable

import pyarrow as pa
import structlog

from durable import RotError, SyncError, chained_log, exit_process
from service.host_time import boottime_us

from ..city import City
from ..config import StoreSection
from ..errors import DamagedError
from . import compactor, scrub, sealed_check
from .store import Store

COMPARE_EVERY_S = 0.25
SLICE_BYTES = 1 << 20
Present = Callable[[], tuple[Store, City]]
_log = structlog.get_logger(__name__)


def start(present: Present, section: StoreSection, quiet: asyncio.Lock) -> list[asyncio.Task[None]]:
    """Return the running tasks; cancel them to stop."""

    async def seal() -> None:
        store, city = present()
        samples = await compactor.seal_once(
            store, city.registry, section.keep_hot_commits, aside=lambda spans: set_aside(city, spans)
        )
        if not samples:  # outsiders are told of new clock records all the same
            await asyncio.to_thread(compactor.renew_catalogue, store)
        await keep_log(store, section.log_mb << 20)
        _log.info("sealed", samples=samples)

    async def compare() -> None:
        await compare_once(*present())

    jobs = [
        _for_ever("sealing", seal, section.seal_every_s, quiet),
        _for_ever("comparing", compare, COMPARE_EVERY_S, quiet),
        scrub_for_ever(present, section, quiet),
    ]
    return [asyncio.create_task(job) for job in jobs]


async def _for_ever(what: str, job: Callable[[], Awaitable[None]], every_s: float, quiet: asyncio.Lock) -> None:
    """Do a job every so often; a failure is logged and it is tried again. A failed sync ends the process."""
    while True:
        await asyncio.sleep(every_s)
        try:
            async with quiet:
                await job()
        except SyncError as error:
            exit_process(error)
        except (OSError, sqlite3.Error, pa.ArrowException, DamagedError, RotError) as error:
            _log.error("failed; tried again later", what=what, error=repr(error))


async def keep_log(store: Store, most_bytes: int) -> None:
    """Make few rows of many in the engine's log, and forget its oldest days when it is too long."""
    await store.work(lambda connection: chained_log.keep(connection, most_bytes))


async def compare_once(store: Store, city: City) -> int:
    """Compare what came again with its sealed copies; return how many pieces were compared."""
    doubts = city.ingest.doubts
    pieces = doubts.waiting() if doubts is not None else []
    if doubts is None or not pieces:
        return 0
    try:
        verdicts = await asyncio.to_thread(
            compactor.with_snapshot, store,
            lambda c: sealed_check.compare(store.folder, c, pieces, city.registry.manifest),
        )  # fmt: skip
    finally:
        doubts.done(pieces)  # what could not be compared is not acked: it comes again
    for piece, verdict in verdicts.items():
        if verdict.known or not verdict.agrees:
            city.ingest.checked(piece, verdict.agrees, boottime_us())
    return len(pieces)


async def scrub_for_ever(present: Present, section: StoreSection, quiet: asyncio.Lock) -> None:
    """Read all that is stored, slowly, round after round."""
    while True:
        try:
            await scrub_round(present, quiet, section.scrub_mb_per_s)
        except (OSError, sqlite3.Error) as error:
            _log.error("scrubbing failed; the next round begins anew", error=repr(error))
        await asyncio.sleep(section.scrub_pause_s)


async def scrub_round(present: Present, quiet: asyncio.Lock, mb_per_s: float) -> None:
    """Look at everything once; a restore in the middle ends the round."""
    store, _ = present()
    reader = scrub.Round(store.folder)
    try:
        while True:
            async with quiet:
                if present()[0] is not store:
                    return
                step = await asyncio.to_thread(reader.step, SLICE_BYTES)
                for found in step.found:
                    await put_right(*present(), found)
            if step.over:
                break
            await asyncio.sleep(step.size / (mb_per_s * (1 << 20)))
        await _check_pages(present, store, quiet, reader)
    finally:
        reader.close()


async def _check_pages(present: Present, store: Store, quiet: asyncio.Lock, reader: scrub.Round) -> None:
    """Check the pages of store.db table by table; while one is read, sealing and restores go on."""
    for table in await asyncio.to_thread(reader.tables):
        found = await asyncio.to_thread(reader.check, table)
        async with quiet:
            if present()[0] is not store:
                return
            if found is not None:
                await put_right(*present(), found)
                return


async def put_right(store: Store, city: City, found: scrub.Found) -> None:
    """Set aside what was found broken, and tell the ledger."""
    spans: list[scrub.Span] = []
    if isinstance(found, scrub.Page):
        city.rot = f"store.db has a damaged page ({found.text}): city restore the newest backup"
        _log.error("a page of store.db is damaged", detail=found.text, next="city restore")
    elif isinstance(found, scrub.Unsummed):
        await store.work(lambda connection: scrub.keep_sum(connection, found))
    elif isinstance(found, scrub.Blob):
        await store.work(lambda connection: spans.extend(scrub.set_blob_aside(connection, found.commit_no)))
    else:
        await asyncio.to_thread(scrub.keep_copy, store.folder, found)
        await store.work(lambda connection: spans.extend(scrub.set_file_aside(connection, found)))
        await asyncio.to_thread(compactor.renew_catalogue, store)
    if spans:
        _log.error("set aside: it failed its checksum", what=repr(found), samples=sum(b - a for _, a, b in spans))
    set_aside(city, spans)


def set_aside(city: City, spans: list[scrub.Span]) -> None:
    """Tell the ledger of samples that are quarantined from now on."""
    for key, first, end in spans:
        city.ingest.set_aside(key, first, end)
