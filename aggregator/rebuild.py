"""Builds the city from its configuration and what its store knows, as after every start."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import structlog

from models.warm_up import warm_up
from processes.instance import Instance, read_instance
from processes.log import EngineLog
from protocol.ranges import Ranges
from service.host_clock import HostClock
from service.host_time import boottime_us
from service.risk import Rule, rules

from .alarms import rows as alarm_rows
from .alarms.incidents import Incidents
from .backup.reconcile import Reconcile
from .caps.caps import Caps
from .caps.limits import LimitsSection
from .caps.quota import Quota
from .city import City
from .clocks.table import ClockTable
from .config import AggregatorConfig
from .errors import PeerError
from .ingest import Ingest
from .keys.keyring import Keyring
from .latest import Latest
from .ledger.view import Accounts
from .ledger.watch import LedgerWatch
from .link.sessions import Sessions
from .notify import rows as notice_rows
from .notify.channels import check_channels
from .notify.outbox import Outbox
from .processes_host import ProcessesHost
from .registry import Registry
from .reports.desk import begin as begin_reports
from .reports.stream import ReportStream
from .signing.remote import signer_of
from .store.conflicts import Conflicts
from .store.doubts import Doubts
from .store.store import Store
from .tasks.book import MAX_RECORDS, TaskBook
from .tasks.dispatch import Dispatcher

_log = structlog.get_logger(__name__)


def read_instances(config: AggregatorConfig) -> list[Instance]:
    """Return the configured processes. Raises: processes.errors.ConfigError, TemplateError."""
    instances = [read_instance(path, config.processes.templates) for path in config.processes.files]
    check_channels(instances, config.notify)
    return instances


def restore(config: AggregatorConfig, store: Store, ring: Keyring) -> City:
    """Return the city as its store knows it. Raises: KeyFileError, ConfigError."""
    sign = signer_of(config)
    edges, instances = [edge.id for edge in config.edges] + ring.edges(), read_instances(config)
    if instances:
        warm_up()
    clock, start = _clock(config), secrets.token_hex(8)
    city = build(store, clock, edges, instances, ring, sign=sign, now_us=boottime_us(), start=start,
                 limits=config.limits, rules=rules(config.actuators))
    city.reports = ReportStream(config.reports)
    begin_reports(city, store)
    return city


def rehearse(config: AggregatorConfig, folder: Path) -> None:
    """Build a city from a copy of a store, and forget it. Raises: what a start on this copy would."""
    store = Store(folder)
    try:
        restore(config, store, Keyring())
    finally:
        store.close()


def _clock(config: AggregatorConfig) -> HostClock:
    clock = config.clock.host_clock()
    clock.look(config.clock.look())
    return clock


def build(
    store: Store,
    clock: HostClock,
    edges: list[str],
    instances: Iterable[Instance],
    ring: Keyring,
    *,
    sign: Callable[[bytes], bytes],
    now_us: int,
    start: str,
    limits: LimitsSection | None = None,
    rules: Mapping[str, Rule] | None = None,
) -> City:
    """Return the city made of these parts and the store's content, at boottime `now_us`.

    `start`: a word for this start of the city, another one each time.
    """
    now_utc_us = clock.event_utc_us(now_us)
    registry = _registry(store)
    clocks = ClockTable(store.clock_records())
    host = ProcessesHost.of(instances, registry, Latest(store.latest()), clocks)
    sessions = Sessions(edges, now_us, now_utc_us)
    book = TaskBook(store.tasks(MAX_RECORDS))
    book.lose_track(now_us, now_utc_us)
    caps = Caps.of(limits or LimitsSection())
    ingest = _ingest(store, caps.quota, clocks)
    dispatcher = Dispatcher(registry, sessions, book, sign, host.engine.instances, store.epoch, rules or {})
    reconcile = Reconcile(store.epoch, lambda key: (ingest.stored.get(key, Ranges()), store.gap_ids(*key)))
    accounts = Accounts(store.accounts())
    city = City(clock, sessions, registry, ingest, accounts, host, dispatcher, ring, reconcile, start, caps)
    city.watch = LedgerWatch.restored(store.unexplained_since())
    _count(caps.quota, ingest, city)
    _replay(store, host, now_us)
    host.act_again(store.committer.read(alarm_rows.newest))
    city.incidents = Incidents(store.committer.read(alarm_rows.incidents))
    city.outbox = Outbox(*store.committer.read(notice_rows.newest))
    return city


def _ingest(store: Store, quota: Quota, clocks: ClockTable) -> Ingest:
    received, lost, aside = store.received(), store.lost(), store.quarantined()
    gaps, doubts, unseen = store.gaps(), Doubts(), Conflicts(store.unseen_conflicts())
    return Ingest(store.overlapping, received, lost, aside, clocks, unseen, quota=quota, gaps=gaps, doubts=doubts)


def _count(quota: Quota, ingest: Ingest, city: City) -> None:
    """Count what the edges have already, so that a restart gives them nothing anew."""
    for thing, known in city.registry.things.items():
        for boot in known.by_boot:
            quota.remember(known.edge, (thing, boot))
    for key in {*ingest.stored, *ingest.gaps, *city.accounts.by_key}:
        edge = city.registry.edge_of(key[0]) or ""
        quota.remember(edge, key)
        quota.spans[edge] += ingest.stored[key].count() if key in ingest.stored else 0
        quota.gaps[edge] += len(ingest.gaps.get(key, ()))


def _registry(store: Store) -> Registry:
    registry = Registry()
    for edge, info, seen_utc_us in store.things():
        try:
            registry.introduce(edge, info, seen_utc_us)
        except PeerError as error:
            _log.warning("a stored manifest is no longer understood", thing=info.thing, detail=str(error))
    return registry


def _replay(store: Store, host: ProcessesHost, now_us: int) -> None:
    """Let the engine continue from its snapshot with what was stored since; rebuild `latest`."""
    snapshot = store.engine()
    thawed = host.thaw(snapshot[1]) if snapshot else []
    known_upto = snapshot[0] if snapshot and thawed else -1
    host.engine.log = EngineLog(store.log_day())
    host.engine.log.start(host.engine.instances.values(), thawed, snapshot[1] if snapshot else None)
    for frame in store.frames_upto(known_upto):
        host.remember(frame)
    for frame in store.frames_after(known_upto):
        host.arrived(frame, now_us)
