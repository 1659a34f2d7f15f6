"""The edge node's daemon: wires ports, journal, uplink, API and the tick to the state machines. Only wires."""

import asyncio
import contextlib
import random
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from models.warm_up import warm_up
from processes.instance import Instance
from service.addresses import UNIX
from service.audit import AuditLog
from service.garbage import spare_the_start
from service.http import listen, make_server
from service.http_errors import teach
from service.http_hosts import check_hosts
from service.http_limits import limit
from service.threads import share_fairly

from .assembly import assemble, read_instances
from .audit.api import add_audit_pages
from .boards.serial_port import SerialPort
from .boards.side import BoardSide
from .city.side import CitySide
from .city.uplink_socket import UplinkSocket
from .config import EdgeConfig
from .core import Core
from .journal.mending import open_sound_journal
from .journal.start_file import StartFile
from .keys.api import add_key_pages
from .keys.side import KeySide, read_keys
from .pages import health
from .pages.api import make_api
from .pages.processes import add_process_pages
from .reaction.api import add_stop_pages
from .reaction.reaction import Reaction
from .reloading import Again, reload
from .ticks import Ticks

TICK_S = 0.02
log = structlog.get_logger("edge_node")


async def run(config: EdgeConfig, again: Again | None = None) -> None:
    """Run until SIGTERM or SIGINT; on SIGHUP read the process files `again`.

    Raises: KeyFileError, ConfigError, OSError, sqlite3.DatabaseError.
    """
    share_fairly()
    loop = asyncio.get_running_loop()
    stop, reloads = asyncio.Event(), set[asyncio.Future[None]]()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    hop = _hop(loop)
    instances = read_instances(config)
    await asyncio.to_thread(warm_up)
    journal = open_sound_journal(config, hop)
    core = assemble(config, journal, instances, start_file=StartFile(config.edge.data_dir))
    loop.set_exception_handler(lambda _, context: _internal(core, context))
    core.keys = read_keys(config.city)
    socket = UplinkSocket(
        config.city.endpoint, lambda: core.keys.in_use, lambda parts: city.received(parts), random.random
    )
    audit = AuditLog(config.edge.data_dir, name=core.edge, witness=config.audit.witness)
    keys = KeySide(config.city, core, socket, audit)
    city = CitySide(core, socket.send, lambda: health.health(core))
    reaction = city.reaction = Reaction(core, city.tell)
    city.keep_head = keys.heads.take
    boards = BoardSide(core, reaction, city)
    ticks = Ticks(core, boards, reaction, city, socket, config.processes.snapshot_s)
    ports = _open_ports(config, core, boards, hop)
    seen = journal.contradictions.seen if config.edge.api.startswith(UNIX) else None
    pages = make_api(lambda: health.health(core), lambda: health.ledger(core), lambda: health.estimates(core), seen)
    add_key_pages(pages, keys, config.edge.api)
    add_audit_pages(pages, config, keys.heads)
    add_process_pages(pages, core)
    read = partial(_instances, config, again)
    loop.add_signal_handler(signal.SIGHUP, lambda: reloads.add(asyncio.ensure_future(reload(core, read, audit.note))))
    add_stop_pages(pages, core, reaction, config.edge.api)
    teach(pages)
    refused = lambda code, who, text: core.guard.refused.note(code, who, text, core.now())  # noqa: E731
    limit(pages, config.edge.api, refused)
    check_hosts(pages, config.edge, refused)
    server = make_server(pages, config.edge)
    serving = asyncio.create_task(server.serve(sockets=[listen(config.edge.api)]))
    spare_the_start()
    log.info("ready", edge=core.edge, boot=core.boot, boards=len(ports), api=config.edge.api)
    try:
        await _tick_until(stop, ticks, keys)
    finally:
        for port in ports:
            port.close()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        keys.close()
        socket.close()
        ticks.save()
        journal.close()
        log.info("stopped", edge=core.edge)


def _instances(config: EdgeConfig, again: Again | None) -> list[Instance]:
    return read_instances(again() if again else config)


def _internal(core: Core, context: dict[str, Any]) -> None:
    """A bug in one callback is logged and counted; the node goes on."""
    core.bad["internal"] += 1
    log.error("internal", what=context.get("message", ""), exc_info=context.get("exception"))


def _hop(loop: asyncio.AbstractEventLoop) -> Callable[[Callable[[], None]], None]:
    """Return how other threads get a call onto the loop; after its end calls go nowhere."""

    def hop(call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(call)

    return hop


def _open_ports(config: EdgeConfig, core: Core, boards: BoardSide, hop: Any) -> list[SerialPort]:
    ports = [SerialPort(board.thing, board.port, board.baud, boards, hop) for board in config.boards]
    for port in ports:
        board = core.boards[port.thing]
        board.write, board.port = port.write, port.look
        port.start()
    return ports


async def _tick_until(stop: asyncio.Event, ticks: Ticks, keys: KeySide) -> None:
    """Tick 50 times a second until told to stop."""
    while not stop.is_set():
        ticks.tick()
        keys.tick()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TICK_S)
