"""Takes reports in, slowly if somebody hurries: durable first, then a sample, then the answer. Shell."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, Protocol

from processes.contract import FAIL, GOOD
from protocol.ranges import Ranges
from service.rates import Rates

from ..city import City
from ..store.store import Store
from ..tasks.dispatch import Now
from . import rows
from .forms import Asked, FormError
from .rows import Filter, Report
from .section import ReportsSection
from .stream import Sample, float32

AT_ONCE = 6
STORE_WITHIN_S = 10.0
MAX_STAMP = (1 << 48) - 1
NOT_FOUND, CONFLICT, TOO_MANY, UNAVAILABLE = 404, 409, 429, 503
QUALITY = {"confirmed": GOOD, "refuted": FAIL}
Note = Callable[[list[dict[str, Any]]], None]


class Parts(Protocol):
    """What reports need of a running city; a restore replaces `city` and `store`."""

    city: City
    store: Store

    def now(self) -> Now:
        """Return the moment."""


def begin(city: City, store: Store) -> None:
    """Give the stream of reports its identity: that of this store, epoch and list of services; what was lost in a crash
    between report and sample goes on its way again, as it was."""
    stream, section = city.reports, city.reports.section
    if section is None:
        return
    known, ending = city.registry.things.get(section.thing), f"-{city.reconcile.epoch + 1}"
    mine = {boot for boot in store.committer.read(rows.boots) if boot.endswith(ending)}
    if known is not None:
        others = {boot for boot, manifest in known.by_boot.items() if manifest != section.manifest()}
        mine = (mine | {boot for boot in known.by_boot if boot.endswith(ending)}) - others
    boot = max(mine, default=f"{secrets.token_hex(4)}{ending}")
    stored = city.ingest.stored.get((section.thing, boot), Ranges())
    samples = store.committer.read(lambda connection: rows.samples_of(connection, boot))
    ends = [end for _, end in stored.to_list()] + [sample.seq + 1 for sample in samples]
    stream.begin(boot, max(ends, default=0))
    for sample in samples:
        if stored.missing(sample.seq, sample.seq + 1):
            stream.accept(sample, lambda _: None)


class ReportDesk:
    """One report at a time gets its number; `note` takes lines for the audit log."""

    def __init__(self, parts: Parts, section: ReportsSection | None, note: Note) -> None:
        self._parts, self.section, self._note = parts, section, note
        self._turn = asyncio.Lock()
        self._judging: set[str] = set()
        per_s = (section.per_minute / 60, section.total_per_minute / 60) if section else (1.0, 1.0)
        self._rates, self._total = Rates(per_s[0], AT_ONCE), Rates(per_s[1], 10 * AT_ONCE)

    def admit(self, peer: str) -> None:
        """Let somebody report now, or not. Raises: FormError with status 429."""
        now_us = self._parts.now().us
        wait_s = self._rates.take(peer, now_us) or self._total.take("", now_us)
        if wait_s:
            self._parts.city.refused.note("too_many_reports", peer, "reports come too fast", now_us)
            raise FormError(TOO_MANY, f"too many reports: wait {wait_s:.0f} s")

    async def take(self, asked: Asked) -> Report:
        """Return the report once its sample is stored. Raises: FormError; OSError if the disk is full."""
        assert self.section is not None
        now, value = self._parts.now(), float32(asked.value)
        place = asked.lat, asked.lon, asked.address, asked.description
        report = Report(secrets.token_hex(8), asked.service, now.utc_us, *place, value)
        await self._keep(report, self.section.services[asked.service].quality, now)
        return report

    def find(self, number: str) -> Report:
        """Return a report. Raises: FormError."""
        found = self._parts.store.committer.read(lambda connection: rows.find(connection, number))
        if found is None:
            raise FormError(NOT_FOUND, f"there is no report {number[:40]!r}")
        return found

    def newest(self, wanted: Filter, limit: int, offset: int) -> list[Report]:
        """Return the reports that are meant, newest first."""
        return self._parts.store.committer.read(lambda connection: rows.newest(connection, wanted, limit, offset))

    async def judge(self, number: str, verdict: str, who: str, reason: str) -> Report:
        """Somebody has looked: the report becomes a sample of the same event time that is good, or fails.

        Raises: FormError; OSError if the disk is full.
        """
        report, now = self.find(number), self._parts.now()
        if report.verdict:
            raise FormError(CONFLICT, f"{report.verdict_by} has {report.verdict} it already")
        if self.section is None or report.service not in self.section.services:
            raise FormError(CONFLICT, f"{report.service} is no service any more")
        if number in self._judging:
            raise FormError(CONFLICT, "somebody else is judging it right now")
        judged = report._replace(verdict=verdict, verdict_by=who, verdict_utc_us=now.utc_us)
        self._judging.add(number)
        try:
            self._note([{"event": f"report_{verdict}", "who": who, "id": number, "reason": reason}])
            await self._keep(judged, QUALITY[verdict], now)
        finally:
            self._judging.discard(number)
        return judged

    async def _keep(self, report: Report, quality: int, now: Now) -> None:
        """Make a report durable, then its sample, and wait for that."""
        assert self.section is not None
        channel = self.section.codes().index(report.service)
        finished: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        async with self._turn:
            city, store = self._parts.city, self._parts.store
            stream, synced = city.reports, city.clock.synced(now.us)
            stamp_us = min(now.us, MAX_STAMP)
            sample = Sample(stream.next_seq, channel, quality, stamp_us, report.value, report.at_utc_us, synced)
            await store.work(lambda connection: rows.put(connection, report, stream.boot, sample))
            stream.accept(sample, lambda why: None if finished.done() else finished.set_result(why))
        try:
            why = await asyncio.wait_for(finished, STORE_WITHIN_S)
        except TimeoutError:
            why = "the city is busy"
        if why:
            text = f"{why}: the report {report.id} is kept, and enters as soon as it can"
            raise FormError(UNAVAILABLE, text)
