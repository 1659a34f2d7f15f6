"""Puts the state machines together from the configuration and from what the journal kept."""

import secrets
import sqlite3
import time
from collections.abc import Callable
from functools import partial

from durable import DISK, Committer
from processes.instance import Instance, read_instance
from protocol.mac import hmac_sha256
from service.host_clock import Look
from service.host_time import boottime_us
from service.keys import read_board_key, read_ed25519_key, read_slots
from service.risk import rules

from .boards.commands import BoardCommands, CommandCounter, calendar_floor
from .boards.session import BoardSession
from .boards.side import nonce_name
from .city.uplink import Uplink
from .clocks.clocks import Clocks
from .config import EdgeConfig
from .core import Board, Core
from .fuse import Fusion
from .journal import log_rows
from .journal import rows as journal_rows
from .journal.group import Pending
from .journal.identity import Identity
from .journal.infos import Infos
from .journal.journal import Hop, Journal
from .journal.start_file import StartFile
from .processes_host import ProcessesHost
from .quality.watch import QualityWatch
from .reaction.guard import Guard
from .reaction.reaction import LATCH
from .reaction.task_entry import TaskEntry, from_bytes
from .recording import SNAPSHOT

FENCES_PER_START = 1 << 20


def read_instances(config: EdgeConfig) -> list[Instance]:
    """Return the instances of the process files. Raises: processes.errors.ConfigError, OSError."""
    return [read_instance(path, config.processes.templates) for path in config.processes.files]


def open_journal(
    config: EdgeConfig,
    hop: Hop,
    open_committer: Callable[..., Committer] = Committer,
    on_damage: Callable[[BaseException], None] | None = None,
) -> Journal:
    """Return the journal in the data folder, made if it is not there. Raises: sqlite3.DatabaseError."""
    DISK.make_folder(config.edge.data_dir, 0o700)
    path = config.edge.data_dir / journal_rows.FILE
    committer = open_committer(path, schema=journal_rows.SCHEMA, migrations=journal_rows.MIGRATIONS)
    more = {} if on_damage is None else {"on_damage": on_damage}
    try:
        return Journal(committer, hop, config.edge.id, config.journal.limits(), **more)
    except sqlite3.DatabaseError:
        committer.close()
        raise


def assemble(
    config: EdgeConfig,
    journal: Journal,
    instances: list[Instance],
    now: Callable[[], int] = boottime_us,
    utc_s: Callable[[], float] = time.time,
    random_bits: Callable[[int], int] = secrets.randbits,
    start_file: StartFile | None = None,
    look: Callable[[], Look] | None = None,
) -> Core:
    """Return the node under a fresh boot id, knowing what earlier runs knew. Raises: KeyFileError."""
    identity, clock = _identity(journal, start_file, calendar_floor(utc_s()), random_bits), config.clock.host_clock()
    clocks = Clocks(clock, look or config.clock.look, journal)
    guard = _guard(config, identity)
    guard.epoch = journal.streams.epoch
    guard.started_us = now()
    guard.latch(_latches(journal))
    guard.restore(_kept_tasks(journal))
    host = ProcessesHost.of(instances, guard, clock, now())
    host.log_bytes = config.processes.log_mb << 20
    host.begin(journal.saved("snapshots").get(SNAPSHOT), journal.run(log_rows.last_day))
    quality = QualityWatch([board.thing for board in config.boards], config.quality, clock)
    fusion = Fusion(config.edge.id, identity.boot, config.fusion, clock, config.quality.published())
    clocks.book.places((config.edge.id, identity.boot), fusion.clock)
    counter = CommandCounter(*identity.counters)
    max_hello_us = round(config.city.reconnect_max_s * 1e6)
    uplink = Uplink[Pending](journal.next_row, lambda: random_bits(53) / (1 << 53), max_hello_us)
    core = Core(
        config.edge.id, identity.boot, clock, clocks, now, journal, quality, fusion, guard, host, uplink, counter,
        Infos(journal), utc_s,
    )
    core.boards = {board.thing: _board(board.thing, board.port, read_board_key(board.key_file), core, random_bits)
                   for board in config.boards}  # fmt: skip
    for board in core.boards.values():
        board.session.max_boots = config.journal.boots_per_board
    _recall(core)
    return core


def _identity(
    journal: Journal, start_file: StartFile | None, least_counter: int, random_bits: Callable[[int], int]
) -> Identity:
    """Return the numbers of this start, noted beside the journal too before they are used."""
    identity = journal.begin(least_counter, random_bits, start_file.read() if start_file else None)
    if start_file:
        start_file.write(identity.started)
    return identity


def _guard(config: EdgeConfig, identity: Identity) -> Guard:
    verify_key, *after = read_slots(config.city.verify_key_file, read_ed25519_key)
    return Guard(
        edge=config.edge.id,
        boot=identity.boot,
        verify_key=verify_key,
        next_verify_key=after[0] if after else b"",
        first_fence=identity.starts * FENCES_PER_START,
        lease_ms=config.guard.city_lease_ms,
        within_s=config.guard.within_s,
        select_ms=config.guard.select_ms,
        interlocks=config.guard.interlocks,
        rules=rules(config.guard.actuators),
    )


def _latches(journal: Journal) -> dict[str, str]:
    """Return what people or boards had tripped or stopped when this node ended, by name."""
    saved = journal.saved("snapshots")
    return {name.removeprefix(LATCH): text.decode() for name, text in saved.items() if name.startswith(LATCH)}


def _kept_tasks(journal: Journal) -> list[TaskEntry]:
    """Return the tasks of earlier runs; what was open is unknown from now on, also on disk."""
    entries = [from_bytes(blob) for blob in journal.run(journal_rows.get_tasks)]
    for entry in entries:
        if entry.open:
            kept = partial(journal_rows.put_task, task_id=entry.task.task_id, state=entry.state, changed_us=0)
            journal.submit(partial(kept, blob=entry.to_bytes(), table=entry.table))
    return entries


def _board(thing: str, port: str, key: bytes, core: Core, random_bits: Callable[[int], int]) -> Board:
    session = BoardSession(thing, random_bits(32))
    session.sign = partial(hmac_sha256, key)
    session.nonces.update(_kept_nonces(core.journal, thing))
    return Board(session, BoardCommands(key, core.counter), address=port)


def _kept_nonces(journal: Journal, thing: str) -> dict[str, bytes]:
    """Return the nonces of a board's earlier boots by boot id."""
    prefix = nonce_name(thing, "")
    saved = journal.saved("snapshots")
    return {name.removeprefix(prefix): nonce for name, nonce in saved.items() if name.startswith(prefix)}


def _recall(core: Core) -> None:
    """Let guard and fusion know the boards of the last run, so that leases can be asked for at once."""
    known = core.infos.newest()
    for thing in core.boards:
        if thing in known:
            core.guard.announce(known[thing])
            core.quality.learn(known[thing])
            core.fusion.learn(known[thing])
    core.journal.began(core.edge, core.boot)
    core.infos.learn(core.edge, core.boot, "", "", core.fusion.manifest)
