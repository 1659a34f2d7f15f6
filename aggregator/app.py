"""Wires the aggregator: socket, core, store, compactor, HTTP; `run` is what `city aggregator run` calls."""

import asyncio
import signal
import sys

import structlog
import zmq

from service.http import listen, make_server
from service.keys import read_curve_key
from service.sections import boottime_us

from . import compactor
from .api import make_api
from .city import City
from .config import AggregatorConfig
from .dispatch import Now
from .enrol_socket import EnrolSocket
from .key_desk import KeyDesk, allowed
from .key_store import KeyStore, identity
from .keys_api import add_key_pages
from .restore import restore
from .router_socket import RouterSocket
from .store import Store
from .turns import Turns
from .zap import Gatekeeper

TICK_S = 0.05
MAX_DRAIN = 512
_log = structlog.get_logger(__name__)


class Aggregator:
    """The running parts of one city, and the loop that moves data through them."""

    def __init__(self, config: AggregatorConfig) -> None:
        self.config = config
        self.store = Store(config.city.data_dir)
        compactor.clean(self.store)
        self.keys = KeyStore(config)
        self.city: City = restore(config, self.store, self.keys.ring)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.gate = Gatekeeper(self.context, allowed(self.keys))
        pair = read_curve_key(config.listen.public_file), read_curve_key(config.listen.secret_file, secret=True)
        self.router = RouterSocket(self.context, *pair)
        enrol = EnrolSocket(self.context, config.enrol.endpoint, *pair) if config.enrol else None
        self.desk = KeyDesk(self.keys, self.city, self.gate, self.router, enrol, lambda: identity(config))
        self.stopping = False

    def now(self) -> Now:
        """Return the moment."""
        return self.city.now(boottime_us())

    async def serve(self) -> None:
        """Move data until `stopping`."""
        self.city.host.advance(self.now().utc_us)
        turns = Turns(self.city, self.store, self.router.send, self.now)
        while not self.stopping:
            await self.router.wait(TICK_S)
            await turns.turn(self.router.drain(MAX_DRAIN))
            turns.send(await self.desk.tick(self.now()))
        await turns.finish()

    def close(self) -> None:
        """Close all that was opened."""
        self.desk.close(self.now())
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
    api = make_api(parts.city, parts.now, lambda: parts.gate.alive, parts.desk.reasons)
    add_key_pages(api, parts.desk, config.city.api)
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
