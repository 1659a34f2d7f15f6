"""Wires the aggregator: socket, core, store, compactor, HTTP; `run` is what `city aggregator run` calls."""

import asyncio
import signal
import sys
from collections.abc import Iterable

import structlog
import zmq

from durable import DiskFullError
from protocol import city_link
from service.http import listen, make_server
from service.keys import read_curve_key
from service.sections import boottime_us

from . import compactor
from .api import make_api
from .city import City, Send
from .config import AggregatorConfig
from .dispatch import Now
from .ingest import Group
from .restore import restore
from .router_socket import RouterSocket
from .store import Store, Writes
from .zap import Gatekeeper

TICK_S = 0.05
MAX_DRAIN = 512
FREEZE_US = 5_000_000
_log = structlog.get_logger(__name__)


class Aggregator:
    """The running parts of one city, and the loop that moves data through them."""

    def __init__(self, config: AggregatorConfig) -> None:
        self.config = config
        self.store = Store(config.city.data_dir)
        compactor.clean(self.store)
        self.city: City = restore(config, self.store)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        keys = {read_curve_key(edge.public_file): edge.id for edge in config.edges}
        self.gate = Gatekeeper(self.context, keys)
        public = read_curve_key(config.listen.public_file)
        secret = read_curve_key(config.listen.secret_file, secret=True)
        self.router = RouterSocket(self.context, public, secret)
        self.stopping = False
        self._frozen_us = boottime_us()

    def now(self) -> Now:
        """Return the moment."""
        return self.city.now(boottime_us())

    async def serve(self) -> None:
        """Move data until `stopping`: drain, commit, ack, think, save, send."""
        self.city.host.advance(self.now().utc_us)
        while not self.stopping:
            await self.router.wait(TICK_S)
            group = self.city.take(self.router.drain(MAX_DRAIN), self.now())
            if await self._commit(group):
                self._send(self.city.committed(group, self.now()))
            await self._think()
        await self.store.commit(Writes(frozen=self.city.host.engine.freeze()))

    async def _commit(self, group: Group) -> bool:
        """Return whether the group is durable; on a full disk it is not, and nothing is acknowledged."""
        city = self.city
        introduced, city.introduced = city.introduced, []
        writes = Writes(group, introduced, city.accounts.take_changed())
        if not writes:
            return True
        try:
            await self.store.commit(writes)
        except DiskFullError as error:
            city.ingest.abandoned(group)
            city.introduced = introduced
            _log.error("disk full: no acks", detail=str(error))
            return False
        return True

    async def _think(self) -> None:
        """Decide, save what was decided, then send it."""
        now = self.now()
        sends = self.city.think(now)
        writes = Writes(tasks=self.city.dispatcher.book.take_changed())
        if now.us - self._frozen_us > FREEZE_US:
            self._frozen_us, writes.frozen = now.us, self.city.host.engine.freeze()
        if writes:
            try:
                await self.store.commit(writes)
            except DiskFullError as error:
                _log.error("disk full: no orders", detail=str(error))
                sends = []
        self._send(sends)

    def _send(self, sends: Iterable[Send]) -> None:
        for edge, message in sends:
            session = self.city.sessions.by_edge[edge]
            if session.connected and not self.router.send(session.routing_id, city_link.encode(message)):
                self.city.unsent(edge)

    def close(self) -> None:
        """Close all that was opened."""
        self.router.close()
        self.gate.stop()
        self.context.destroy(0)
        self.store.close()


async def run(config: AggregatorConfig) -> None:
    """Run the aggregator until SIGTERM or SIGINT.

    Raises: KeyFileError, processes.errors.ConfigError, zmq.ZMQError, OSError before it is ready.
    """
    if not structlog.is_configured():
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    parts = Aggregator(config)
    _stop_on_signals(parts)
    parts.gate.start()
    endpoint = parts.router.bind(config.listen.endpoint)
    api = make_api(parts.city, parts.now, lambda: parts.gate.alive, lambda: dict(parts.gate.refused))
    server = make_server(api)
    section = config.store
    sealing = compactor.seal_for_ever(parts.store, parts.city.registry, section.seal_every_s, section.keep_hot_commits)
    helpers = [
        asyncio.create_task(server.serve(sockets=[listen(config.city.api)])),
        asyncio.create_task(sealing),
    ]
    _log.info("ready", city=config.city.id, endpoint=endpoint, api=config.city.api)
    try:
        await parts.serve()
    finally:
        server.should_exit = True
        helpers[1].cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        parts.close()
        _log.info("stopped", city=config.city.id)


def _stop_on_signals(parts: Aggregator) -> None:
    def stop() -> None:
        parts.stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
