"""New process files while the node runs: changed instances begin again from the journal, the others just go on.

Whole or not at all: a file that is wrong is refused with its error in the log, and the old processes go on untouched.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import structlog

from durable import opened
from processes.feed import Arrived, Feed
from processes.instance import Instance

from .config import EdgeConfig
from .core import Core
from .journal import rows
from .recording import save_log

MAX_BATCHES = 20_000
_BATCHES = "SELECT thing, boot, clock, stored FROM (SELECT * FROM batches ORDER BY id DESC LIMIT ?) ORDER BY id"
Again = Callable[[], EdgeConfig]
"""Reads the configuration anew."""
_log = structlog.get_logger("edge_node")


async def reload(core: Core, read: Callable[[], list[Instance]], note: Callable[[list[dict[str, Any]]], None]) -> None:
    """Read the process files anew and run what they say; `note`: the audit log."""
    row: dict[str, Any]
    try:
        instances = await asyncio.to_thread(read)
        row = {"changed": apply(core, instances)}
    except Exception as error:  # process files are somebody's programs: reading one may raise anything
        row = {"error": str(error)[:500]}
    _log.info("processes reloaded" if "error" not in row else "reload refused", **row)
    note([{"event": "processes_reload", "who": "SIGHUP", **row}])


def apply(core: Core, instances: list[Instance]) -> list[str]:
    """Run these instances from now on; return the names of those that began, began again or ended."""
    engine, now_utc_us = core.host.engine, core.clock.event_utc_us(core.now())
    changed = engine.changed_by(instances)
    if not changed:
        return []
    placed = [i for i in instances if i.name in changed and i.config.runs_on in ("edge", "both")]
    found, only = list(recent(core, placed, now_utc_us)), frozenset(i.name for i in placed)
    engine.replace(instances, changed, now_utc_us)
    for series in found:
        if engine.log is not None:
            engine.log.samples(series.datastream, series[1:5], only)
        engine.arrive(series.datastream, *series[1:5], only=only)
    for name in changed:
        core.host.newest.pop(name, None)
    save_log(core)
    return changed


def recent(core: Core, instances: Iterable[Instance], now_utc_us: int) -> Iterator[Arrived]:
    """Yield what the journal has of the datastreams that instances sense, from `lateness_s` ago on."""
    since: dict[str, int] = {}
    for instance in instances:
        begin = now_utc_us - round((instance.config.lateness_s + instance.config.every_s) * 1e6)
        for name in (one for streams in instance.config.senses.values() for one in streams):
            since[name] = min(begin, since.get(name, begin))
    things = {name.split("/")[0] for name in since}
    batches = core.journal.run(lambda c: c.execute(_BATCHES, (MAX_BATCHES,)).fetchall()) if since else []
    for thing, boot, clock, stored in batches:
        manifest, records = core.infos.manifest(thing, boot), opened(stored)
        if thing not in things or manifest is None or records is None:
            continue
        local = replace(rows.unpack_clock(clock), synced=True)
        for series in Feed().from_records(thing, manifest, local, records):
            mine = series.t_utc_us > since.get(series.datastream, now_utc_us)
            if mine.any():
                yield series.only(mine)
