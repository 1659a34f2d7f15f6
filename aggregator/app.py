"""Wires the aggregator: socket, core, store, compactor, HTTP; `run` is what `city aggregator run` calls."""

import asyncio
import signal
import sys
from pathlib import Path

import structlog
import zmq

from service.garbage import spare_the_start
from service.host_time import boottime_us
from service.http import listen, make_server
from service.keys import read_curve_key
from service.threads import share_fairly

from .alarms import watch
from .backup import swap
from .backup.restoring import telling
from .caps import descriptors
from .caps.host_load import HostLoad
from .city import City
from .clocks.city_times import CityTimes
from .config import AggregatorConfig
from .keys.desk import KeyDesk, allowed
from .keys.enrol_socket import EnrolSocket
from .keys.store import KeyStore, identity
from .link.router_socket import RouterSocket
from .link.zap import Gatekeeper
from .pages.routes import make_pages
from .rebuild import read_instances, restore
from .reloading import Again, Reloads
from .store import compactor, housekeeping
from .store.store import Store
from .tasks.dispatch import Now
from .turns import Turns

TICK_S = 0.05
_log = structlog.get_logger(__name__)


class Aggregator:
    """The running parts of one city, and the loop that moves data through them."""

    def __init__(self, config: AggregatorConfig, again: Again | None = None) -> None:
        self.config = config
        swap.complete(config.city.data_dir)
        self.load = HostLoad(config.city.data_dir)
        self.keys = KeyStore(config)
        self.quiet = asyncio.Lock()
        self._changing: asyncio.Future[Path | None] | None = None
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.gate = Gatekeeper(self.context, allowed(self.keys))
        pair = read_curve_key(config.listen.public_file), read_curve_key(config.listen.secret_file, secret=True)
        self.router = RouterSocket(self.context, *pair, config.limits.receive_queue, config.limits.send_queue)
        self.router.on_full = lambda routing_id: self.city.does_not_read(routing_id)
        self._open()
        enrol = EnrolSocket(self.context, config.enrol.endpoint, *pair) if config.enrol else None
        self.desk = KeyDesk(self.keys, self.city, self.gate, self.router, enrol, lambda: identity(config))
        self.stopping = False
        self.times = CityTimes(config.clock.look)
        self.reloads = Reloads(lambda: read_instances(again() if again else config), self.keys.audit.note)

    def _open(self) -> None:
        self.store = Store(self.config.city.data_dir)
        compactor.clean(self.store)
        self.city: City = restore(self.config, self.store, self.keys.ring)
        self.turns = Turns(self.city, self.store, lambda *message: self.router.send(*message), self.now)

    def now(self) -> Now:
        """Return the moment."""
        return self.city.now(boottime_us())

    async def serve(self) -> None:
        """Move data until `stopping`."""
        self.city.advance(self.now())
        limits = self.config.limits
        while not self.stopping:
            await self.router.wait(TICK_S)
            if self._changing is not None:
                self._reopen(self._changing)
            self.city.caps.take_load(self.load.at(boottime_us()))
            await self.turns.turn(self.router.drain(limits.turn_messages, limits.turn_mb << 20))
            await self.times.turn(self.city, self.store, boottime_us())
            await self.reloads.turn(self.city, self.store, self.now())
            self.turns.send(await self.desk.tick(self.now()))
        await self.turns.finish()

    async def change_over(self) -> Path | None:
        """Return where the old data is once a ready restore took its place, between turns; who calls holds `quiet`."""
        self._changing = asyncio.get_running_loop().create_future()
        return await self._changing

    def _reopen(self, changed: "asyncio.Future[Path | None]") -> None:
        self._changing, refused = None, self.city.refused
        with telling(changed):
            self.store.close()
            aside = swap.complete(self.config.city.data_dir)
            self._open()
        self.city.refused = refused
        self.desk.serve(self.city)
        self.city.advance(self.now())
        changed.set_result(aside)

    def close(self) -> None:
        """Close all that was opened."""
        self.desk.close(self.now())
        self.router.close()
        self.gate.stop()
        self.context.destroy(0)
        self.store.close()


async def run(config: AggregatorConfig, again: Again | None = None) -> None:
    """Run the aggregator until SIGTERM or SIGINT. `again` reads the configuration anew, for a reload of processes.

    Raises: KeyFileError, processes.errors.ConfigError, zmq.ZMQError, OSError before it is ready.
    """
    if not structlog.is_configured():
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    share_fairly()
    parts = Aggregator(config, again)
    descriptors.reserve(config.limits.descriptors(len(parts.city.sessions.by_edge)))
    _obey_signals(parts)
    parts.gate.start()
    endpoint = parts.router.bind(config.listen.endpoint)
    server = make_server(make_pages(parts, config), config.city)
    serving = asyncio.create_task(server.serve(sockets=[listen(config.city.api)]))
    keeping = housekeeping.start(lambda: (parts.store, parts.city), config.store, parts.quiet)
    keeping += watch.start(parts, parts.quiet)
    spare_the_start()
    _log.info("ready", city=config.city.id, endpoint=endpoint, api=config.city.api)
    try:
        await parts.serve()
    finally:
        server.should_exit = True
        for task in keeping:
            task.cancel()
        await asyncio.gather(serving, *keeping, return_exceptions=True)
        parts.close()
        _log.info("stopped", city=config.city.id)


def _obey_signals(parts: Aggregator) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, parts, "stopping", True)
    loop.add_signal_handler(signal.SIGHUP, parts.reloads.ask, "SIGHUP")
