"""From the boards: bytes to events, samples to the journal, acks back, faults noted. No I/O of its own."""

from collections import deque

import structlog

from protocol import board_link as link
from protocol import task_codes as codes
from protocol.city_link import GapRecord
from protocol.columns import decode, stamp_us
from protocol.ranges import Ranges

from ..city.side import CitySide
from ..clocks.book import event_clock
from ..core import Board, Core
from ..journal.group import Stored
from ..journal.rows import NewBatch
from ..reaction.reaction import Reaction
from . import refusals as board_refusals
from .session import BoardSession, Event, LinkDown, LinkUp

_log = structlog.get_logger(__name__)
MAX_WAITING = 64
LEASE_KNOWN_US = 1_500_000
CLOSE_US = 10_000_000
STARTING_US = 30_000_000


def nonce_name(thing: str, boot: str) -> str:
    """Return under which name the journal keeps the nonce of a board's boot."""
    return f"nonce {thing} {boot}"


class BoardSide:
    """Listens to the ports; tells `city` of Things, and that there is something to send."""

    def __init__(self, core: Core, reaction: Reaction, city: CitySide) -> None:
        self._core, self._reaction, self._city = core, reaction, city
        self._waiting: dict[str, deque[tuple[link.Samples, int]]] = {name: deque() for name in core.boards}
        self.logs: deque[tuple[str, int, str]] = deque(maxlen=100)

    def opened(self, thing: str, now_us: int) -> None:
        """The port is open."""
        board = self._core.boards[thing]
        board.session.opened(now_us)
        board.flush()

    def closed(self, thing: str, reason: str, now_us: int) -> None:
        """The port is gone."""
        self._handle(thing, self._core.boards[thing].session.closed(reason), now_us)

    def received(self, thing: str, data: bytes, rx_us: int) -> None:
        """Bytes came in."""
        board = self._core.boards[thing]
        self._handle(thing, board.session.received(data, rx_us), rx_us)
        self._core.guard.board(thing, _readiness(board.session, rx_us))
        self._release_waiting(thing, rx_us)
        board.flush()

    def tick(self, now_us: int) -> None:
        """Say hello, ask the time, notice silence."""
        for thing, board in self._core.boards.items():
            self._handle(thing, board.session.tick(now_us), now_us)
            self._core.guard.board(thing, _readiness(board.session, now_us))
            board.flush()

    def _handle(self, thing: str, events: list[Event], now_us: int) -> None:
        for event in events:
            if isinstance(event, LinkUp):
                self._up(thing, event, now_us)
            elif isinstance(event, LinkDown):
                _log.warning("board down", thing=thing, reason=event.reason)
                self._down(thing)
            elif isinstance(event, link.Samples):
                self._samples(thing, event, now_us)
            elif isinstance(event, link.Status):
                self._status(thing, event, now_us)
            elif isinstance(event, link.TaskResult):
                self._result(thing, event, now_us)
            elif isinstance(event, link.Gap):
                self._gap(thing, event)
            else:
                self.logs.append((thing, event.level, event.text))

    def _up(self, thing: str, event: LinkUp, now_us: int) -> None:
        """Learn the board: its streams begin, guard and fusion know its parts, the city is told."""
        core, hello = self._core, event.hello
        _log.info("board up", thing=thing, boot=hello.boot, vm=hello.vm)
        core.journal.began(thing, hello.boot)
        core.clocks.book.places((thing, hello.boot), core.boards[thing].session.clock)
        core.journal.save("snapshots", nonce_name(thing, hello.boot), hello.nonce)
        core.guard.announce(event.manifest)
        if event.restarted:
            self._waiting[thing].clear()
            self._reaction.carry_out(core.guard.board_restarted(thing, now_us))
        info = core.infos.learn(thing, hello.boot, hello.vm, hello.firmware_sha256, event.manifest)
        core.quality.learn(event.manifest, event.restarted)
        if core.fusion.learn(event.manifest):
            self._city.announce(core.infos.learn(core.edge, core.boot, "", "", core.fusion.manifest))
        self._city.announce(info)

    def _down(self, thing: str) -> None:
        core = self._core
        core.guard.board(thing, codes.LINK_DOWN)
        info = core.infos.online(thing, core.boards[thing].session.boot, False)
        if info is not None:
            self._city.announce(info)

    def _samples(self, thing: str, samples: link.Samples, rx_us: int) -> None:
        """Journal a frame; until the clock is good it waits here, unacked."""
        session = self._core.boards[thing].session
        if samples.earlier:
            self._take_earlier(thing, samples, rx_us)
            return
        if session.clock.synced(rx_us):
            self._take(thing, samples, rx_us)
            return
        waiting = self._waiting[thing]
        waiting.append((samples, rx_us))
        if len(waiting) > MAX_WAITING:
            waiting.popleft()

    def _release_waiting(self, thing: str, now_us: int) -> None:
        waiting = self._waiting[thing]
        if waiting and self._core.boards[thing].session.clock.synced(now_us):
            while waiting:
                self._take(thing, *waiting.popleft())

    def _take(self, thing: str, samples: link.Samples, rx_us: int) -> None:
        core = self._core
        stamps = stamp_us(decode(samples.records))
        line = core.boards[thing].session.clock.line(int(stamps.min()), int(stamps.max()))
        if line is None:
            return
        clock = event_clock(line, core.clock)
        batch = NewBatch(thing, samples.boot, samples.first, samples.n, clock, rx_us, samples.records)
        if self._is_wanted(batch):
            flags = core.quality.check(thing, line, samples.records, rx_us)
            self._store(batch, core.fusion.fuse(thing, line, samples.records, rx_us, flags))

    def _take_earlier(self, thing: str, samples: link.Samples, rx_us: int) -> None:
        """Journal what a board kept in flash over a restart, under the clock that its boot had here, if it had one."""
        core, board = self._core, self._core.boards[thing]
        if self._is_one_too_many(thing, samples.boot):
            return
        board.earlier_us = rx_us
        stamps = stamp_us(decode(samples.records))
        clock = core.clocks.book.clock((thing, samples.boot), int(stamps.min()), int(stamps.max()))
        batch = NewBatch(thing, samples.boot, samples.first, samples.n, clock, rx_us, samples.records)
        if self._is_wanted(batch):
            self._store(batch, None)

    def _is_wanted(self, batch: NewBatch) -> bool:
        """Return whether to store a batch; one that came again is acked at once."""
        journal = self._core.journal
        if not journal.is_new(batch):
            journal.repeated(batch)
            self._ack(batch.thing, batch)
            return False
        journal.refused += journal.refusing  # nothing is acked: the board keeps it and sends it again
        return not journal.refusing

    def _store(self, batch: NewBatch, own: NewBatch | None) -> None:
        for used in (batch, own):
            self._core.clocks.used(used)
        self._core.journal.store(batch, own, lambda stored: self._stored(batch, stored))

    def _stored(self, batch: NewBatch, stored: Stored) -> None:
        """The samples are durable: ack the board, tell the uplink, let the processes see them."""
        core, now_us = self._core, self._core.now()
        self._ack(batch.thing, batch)
        self._count_hops(batch, now_us)
        for pending in stored.all:
            core.uplink.journaled(pending)
            self._reaction.arrived(pending)
        if stored.all:
            self._city.send_batches(now_us)
            self._reaction.advance(now_us)

    def _count_hops(self, batch: NewBatch, now_us: int) -> None:
        """Count what was acquired while the link was up; backlog tells nothing of latency."""
        session, hops = self._core.boards[batch.thing].session, self._core.hops
        acquired_us = session.clock.to_edge_us(int.from_bytes(batch.records[-10:-4], "little"))
        if session.clock.boot == batch.boot and acquired_us > session.up_since_us:
            hops.add("acquire_to_edge", acquired_us, batch.rx_us)
            hops.add("edge_to_journal", batch.rx_us, now_us)

    def _ack(self, thing: str, batch: NewBatch) -> None:
        """Ack all unbroken ranges that the batch belongs to, so a lost ack is made up for by the next."""
        board = self._core.boards[thing]
        received = self._core.journal.streams.of(thing, batch.boot).received
        touching = Ranges([(batch.first, batch.end)])
        spans = [s for s in received.to_list() if touching.clip(*s)]
        board.session.acknowledge(batch.boot, spans)
        board.flush()

    def _status(self, thing: str, status: link.Status, now_us: int) -> None:
        core, board = self._core, self._core.boards[thing]
        board_refusals.note(core.guard.refused, thing, board.status, status, now_us)
        board.status, board.status_us = status, now_us
        self._reaction.carry_out(core.guard.board_counts(thing, status.counters, now_us))
        core.journal.status(thing, status.boot, status.tail, status.head)
        if now_us - max(board.session.up_since_us, board.earlier_us) > CLOSE_US:
            core.journal.streams.closed(thing)
        for state in status.actuators:
            manifest = board.session.manifest
            if manifest is None or state.index >= len(manifest.actuators):
                continue
            name = manifest.actuator_id(state.index)
            core.guard.board_says(name, state.setpoint, state.position)
            if state.lease_left_ms == 0:
                core.guard.lapsed_on_board(name, now_us - LEASE_KNOWN_US, now_us)

    def _result(self, thing: str, result: link.TaskResult, now_us: int) -> None:
        at_us = self._core.boards[thing].session.clock.to_edge_us(result.t_us)
        self._reaction.result(result, at_us, now_us)

    def _gap(self, thing: str, gap: link.Gap) -> None:
        """Take a declared loss over; one of a boot that is not known may be the only word of it, up to a limit."""
        if self._is_one_too_many(thing, gap.boot):
            return
        record = GapRecord(thing, gap.boot, gap.gap_id, gap.first, gap.end, gap.cause, thing)
        self._core.journal.gap(record, self._gap_stored)

    def _is_one_too_many(self, thing: str, boot: str) -> bool:
        """Return, and count, whether an unknown boot would be one more than is taken of this board."""
        streams, session = self._core.journal.streams, self._core.boards[thing].session
        found = (thing, boot) not in streams.by_key and streams.count(thing) >= 2 * session.max_boots
        session.counters["too_many_boots"] += found
        return found

    def _gap_stored(self, gap: GapRecord) -> None:
        board = self._core.boards[gap.thing]
        board.session.acknowledge(gap.boot, [], [gap.gap_id])
        board.flush()


def _readiness(session: BoardSession, now_us: int) -> int:
    """Return the code for tasks to this board: OK, LINK_DOWN or STALE_CLOCK."""
    if not session.up:
        return codes.LINK_DOWN
    return codes.OK if session.clock.synced(now_us) else codes.STALE_CLOCK


def port_state(board: Board, since_start_us: int) -> tuple[str, str]:
    """Return (up, starting, down, absent, permission, busy or error; hint) of a board's link.

    `since_start_us`: how long this node runs; a board that says nothing yet is starting for `STARTING_US`.
    """
    state, hint = board.port()
    silent = state in ("opening", "open") and board.session.hello is None and not board.session.problem
    if silent and since_start_us < STARTING_US:
        return "starting", "this node has just begun, and the board has not answered yet"
    if state != "open":
        return ("absent" if state == "opening" else state), hint
    if board.session.up:
        return "up", ""
    return "down", board.session.problem or "the port is open but no board answers: is the firmware running?"
