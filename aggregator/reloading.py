"""New process files while the city runs: changed instances begin again from recorded data, the others just go on.

A reload happens between two turns, whole or not at all: a file that is wrong is refused with its error, and the old
processes go on untouched.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from models.warm_up import warm_up
from processes.feed import Arrived, Feed
from processes.instance import Instance
from protocol import columns

from .city import City
from .clocks import retiming
from .clocks.table import I64, Key, overlaid
from .config import AggregatorConfig
from .errors import ReloadError
from .store.schema import SEALED
from .store.snapshot import hot_frames, open_reader
from .store.store import Store
from .tasks.dispatch import Now

MARGIN_US = 3_600_000_000
_COLUMNS = ["thing", "boot", "datastream", "stamp_us", "t_utc_us", "value", "quality"]
Again = Callable[[], AggregatorConfig]
"""Reads the configuration anew."""
_log = structlog.get_logger(__name__)


class Reloads:
    """What is asked, and answered between turns. `read()`: the instances of the configuration as it is now."""

    def __init__(self, read: Callable[[], list[Instance]], note: Callable[[list[dict[str, Any]]], None]) -> None:
        self._read, self._note = read, note
        self._asked: list[tuple[str, asyncio.Future[dict[str, Any]]]] = []

    def ask(self, who: str) -> "asyncio.Future[dict[str, Any]]":
        """Return what will be {"changed": [names], "running": [names]}, or raise ReloadError."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda future: future.exception())  # nobody waits for the answer to a signal
        self._asked.append((who, answer))
        return answer

    async def turn(self, city: City, store: Store, now: Now) -> None:
        """Do what was asked since the last turn."""
        asked, self._asked = self._asked, []
        for who, answer in asked:
            try:
                row = await self._reload(city, store, now)
            except Exception as error:  # process files are somebody's programs: reading one may raise anything
                self._tell(who, {"error": str(error)[:500]})
                answer.set_exception(ReloadError(str(error)))
                continue
            self._tell(who, row)
            answer.set_result(row)

    def _tell(self, who: str, row: dict[str, Any]) -> None:
        _log.info("processes reloaded" if "error" not in row else "reload refused", who=who, **row)
        self._note([{"event": "processes_reload", "who": who, **row}])

    async def _reload(self, city: City, store: Store, now: Now) -> dict[str, Any]:
        instances, engine = await asyncio.to_thread(self._instances), city.host.engine
        changed = engine.changed_by(instances)
        if changed:
            placed = [i for i in instances if i.name in changed and i.config.runs_on in ("city", "both")]
            found = await asyncio.to_thread(lambda: list(recent(store.folder, city, placed, now.utc_us)))
            engine.replace(instances, changed, now.utc_us)
            only = frozenset(i.name for i in placed)
            for series in found:
                if engine.log is not None:
                    engine.log.samples(series.datastream, series[1:5], only)
                engine.arrive(series.datastream, *series[1:5], only=only)
            for name in changed:
                city.host.newest.pop(name, None)
        return {"changed": changed, "running": sorted(engine.instances)}

    def _instances(self) -> list[Instance]:
        found = self._read()
        if found:
            warm_up()
        return found


def recent(folder: Path, city: City, instances: Iterable[Instance], now_utc_us: int) -> Iterator[Arrived]:
    """Yield what is stored of the datastreams that instances sense, from `lateness_s` ago on."""
    since: dict[str, int] = {}
    for instance in instances:
        begin = now_utc_us - round((instance.config.lateness_s + instance.config.every_s) * 1e6)
        for datastream in (one for streams in instance.config.senses.values() for one in streams):
            since[datastream] = min(begin, since.get(datastream, begin))
    if not since:
        return
    things = {datastream.split("/")[0] for datastream in since}
    first_us = min(since.values())
    source = open_reader(folder)
    try:
        source.execute("BEGIN")
        stored = *_hot(source, city, things), *_sealed(source, folder, city, things, first_us)
        for key, records, times, known in stored:
            yield from _series(city, key, records, times, known, since)
    finally:
        source.close()


def _series(
    city: City, key: Key, records: bytes, times: I64, known: Any, since: dict[str, int]
) -> Iterator[Arrived]:
    manifest = city.registry.manifest(*key)
    if manifest is None:
        return
    stamps = columns.stamp_us(columns.decode(records))
    overlaid(city.host.clocks.pieces(key), stamps, times, known)
    timed = stamps[known]
    for series in Feed().placed(key[0], manifest, times, records):
        wanted = since.get(series.datastream)
        if wanted is not None:
            mine = np.isin(series.stamp_us, timed) & (series.t_utc_us > wanted)
            if mine.any():
                yield series.only(mine)


def _hot(source: sqlite3.Connection, city: City, things: set[str]) -> Iterator[tuple[Key, bytes, I64, Any]]:
    for _, frame in hot_frames(source):
        if frame.thing in things:
            stamps = columns.stamp_us(columns.decode(frame.records))
            times = frame.clock.to_utc(stamps)
            yield (frame.thing, frame.boot), frame.records, times, np.full(stamps.size, frame.clock.synced)


def _sealed(
    source: sqlite3.Connection, folder: Path, city: City, things: set[str], first_us: int
) -> Iterator[tuple[Key, bytes, I64, Any]]:
    day = str(np.datetime64(first_us - MARGIN_US, "us").astype("datetime64[D]"))
    within = [("thing", "in", sorted(things)), ("t_utc_us", ">=", first_us - MARGIN_US)]
    for (name,) in source.execute("SELECT file FROM sealed WHERE file >= ? ORDER BY last_commit", (day,)).fetchall():
        rows = pq.read_table(folder / SEALED / name, columns=_COLUMNS, filters=within)
        for key in rows.group_by(["thing", "boot"]).aggregate([]).to_pylist():
            manifest = city.registry.manifest(key["thing"], key["boot"])
            if manifest is not None:
                mine = pc.and_(pc.equal(rows["thing"], key["thing"]), pc.equal(rows["boot"], key["boot"]))
                yield (key["thing"], key["boot"]), *retiming.part(rows.filter(mine), manifest)
