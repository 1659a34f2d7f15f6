"""The edge's side of one board link. Sans-IO: bytes and times come in, bytes and events come out.

States: "closed" (no port), "down" (port open, no valid frame lately: hello is sent each second), "up" (the
board answered our hello and keeps sending). What cannot be decoded is counted and has no effect.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from protocol import board_link as link
from protocol import versions
from protocol.errors import FrameError, UnknownKindError
from protocol.frames import MAX_ACK_GAPS, MAX_ACK_RANGES, MAX_COUNTERS, PROTO, PROTO_MIN
from protocol.host_decoder import HostDecoder
from protocol.manifest import Manifest, from_bytes
from protocol.ranges import Span

from ..clocks.board_clock import BoardClock, Trip
from ..journal.quota import BOOTS_PER_BOARD

HELLO_EVERY_US = 1_000_000
SYNC_EVERY_US = 1_000_000
FIRST_SYNC_EVERY_US = 100_000
FIRST_SYNCS = 6
QUIET_US = 2_500_000
DOWN_US = 5_000_000
MAX_WAITING_SYNCS = 8
_COUNTED = (
    "frames", "cobs", "crc", "oversize", "resync", "noise",
    "malformed", "foreign", "early", "restarts", "bad_sync", "reused", "unknown_kind", "no_common_proto",
    "too_many_boots",
)  # fmt: skip


@dataclass(frozen=True)
class LinkUp:
    """The board answered: who it is, what it can do. `restarted` if its boot id is new to this session."""

    hello: link.Hello
    manifest: Manifest
    restarted: bool


@dataclass(frozen=True)
class LinkDown:
    """No valid frame for five seconds, or the port closed."""

    reason: str


Event = LinkUp | LinkDown | link.Samples | link.Status | link.Log | link.TaskResult | link.Gap


@dataclass
class BoardSession:
    """One board on one port. `take_out()` returns the bytes to send; call after every other method."""

    thing: str
    session: int
    state: str = "closed"
    problem: str = ""
    hello: link.Hello | None = None
    manifest: Manifest | None = None
    clock: BoardClock = field(default_factory=lambda: BoardClock(""))
    heard_us: int = 0
    up_since_us: int = 0
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    nonces: dict[str, bytes] = field(default_factory=dict)  # of each boot that ever said hello
    sign: Callable[[bytes], bytes] | None = None  # with the board's key
    max_boots: int = BOOTS_PER_BOARD
    _counted: dict[str, int] = field(default_factory=dict)  # by the board, in this boot
    _out: list[bytes] = field(default_factory=list)
    _decoder: HostDecoder = field(default_factory=HostDecoder)
    _syncs: dict[int, int] = field(default_factory=dict)
    _sync_id: int = 0
    _sync_at_us: int = 0
    _hello_at_us: int = 0

    @property
    def up(self) -> bool:
        """Whether commands can be sent."""
        return self.state == "up"

    @property
    def boot(self) -> str:
        """The board's boot id, "" before its first hello."""
        return self.hello.boot if self.hello else ""

    def opened(self, now_us: int) -> None:
        """The port is open: begin to say hello."""
        self._merge_counters()
        self._decoder = HostDecoder()
        self.state, self.heard_us = "down", now_us
        self._say_hello(now_us)

    def closed(self, reason: str) -> list[Event]:
        """The port is gone."""
        was, self.state = self.state, "closed"
        return [LinkDown(reason)] if was == "up" else []

    def received(self, data: bytes, rx_us: int) -> list[Event]:
        """Return what the bytes, read at rx_us, completed."""
        events: list[Event] = []
        for body in self._decoder.feed(data):
            try:
                message = link.decode_board(body)
                events += self._take(message, rx_us)
            except UnknownKindError:
                self.counters["unknown_kind"] += 1
            except FrameError as error:
                self.counters["malformed"] += 1
                self.problem = str(error)[:200]
        return events

    def tick(self, now_us: int) -> list[Event]:
        """Send what is due; notice silence. Call every 50 ms or so."""
        if self.state == "closed":
            return []
        quiet_us = now_us - self.heard_us
        if (self.state == "down" or quiet_us > QUIET_US) and now_us - self._hello_at_us >= HELLO_EVERY_US:
            self._say_hello(now_us)
        if self.state != "up":
            return []
        if now_us - self._sync_at_us >= self._sync_period_us():
            self._ask_time(now_us)
        if quiet_us > DOWN_US:
            self.state = "down"
            self._syncs.clear()
            return [LinkDown("no valid frame for 5 s")]
        return []

    def acknowledge(self, boot: str, ranges: Sequence[Span], gaps: Sequence[int] = ()) -> None:
        """Tell the board what is durable here."""
        while self.up and (ranges or gaps):
            self.send(self._ack(boot, ranges[:MAX_ACK_RANGES], gaps[:MAX_ACK_GAPS]))
            ranges, gaps = ranges[MAX_ACK_RANGES:], gaps[MAX_ACK_GAPS:]

    def _ack(self, boot: str, ranges: Sequence[Span], gaps: Sequence[int]) -> bytes:
        """Return an ack in the board's version: a board of 0.1.0 knows no signed ones."""
        if self.sign is None or self.hello is None or self.hello.proto < link.SIGNED_ACKS_SINCE:
            return link.encode_ack(boot, ranges, gaps)
        return link.encode_signed_ack(self.sign, self.hello.nonce, boot, ranges, gaps)

    def send(self, body: bytes) -> None:
        """Queue one body for the line."""
        self._out.append(link.build_frame(body))

    def take_out(self) -> bytes:
        """Return the bytes to write now."""
        out, self._out = b"".join(self._out), []
        return out

    def all_counters(self) -> dict[str, int]:
        """Return crc, cobs, oversize, resync, noise, frames, malformed, foreign, restarts since start."""
        found = self._decoder.counters()
        return {name: count + found.get(name, 0) for name, count in self.counters.items()}

    def _merge_counters(self) -> None:
        for name, count in self._decoder.counters().items():
            self.counters[name] += count

    def _take(self, message: link.BoardMessage, rx_us: int) -> list[Event]:
        if isinstance(message, link.Hello):
            self.heard_us = rx_us
            return self._greeted(message, rx_us)
        if self.state != "up":
            self.counters["early"] += 1
            return []
        self.heard_us = rx_us
        if isinstance(message, link.SyncReply):
            self._got_time(message, rx_us)
            return []
        earlier = isinstance(message, link.Samples) and message.earlier
        if isinstance(message, link.Samples | link.Status) and (message.boot != self.boot) != earlier:
            self.counters["foreign"] += 1
            self._say_hello(rx_us)
            return []
        if isinstance(message, link.Status):
            return [self._with_earlier_counters(message)]
        return [message]

    def _with_earlier_counters(self, status: link.Status) -> link.Status:
        """Return the status with the counters it left out as this boot told them last; no more than one may have."""
        counters = {**self._counted, **status.counters}
        self._counted = counters if len(counters) <= MAX_COUNTERS else status.counters
        return replace(status, counters=self._counted)

    def _greeted(self, hello: link.Hello, now_us: int) -> list[Event]:
        """The board said hello; one of another session (or its own after a start) is asked again."""
        if hello.session != self.session:
            self.counters["foreign"] += 1
            self._say_hello(now_us)
            return []
        if not versions.common(hello.proto, hello.proto, PROTO_MIN, PROTO):
            return self._no_common_version(hello)
        manifest = from_bytes(hello.manifest)
        if hello.thing != self.thing or manifest.thing != self.thing:
            self.counters["foreign"] += 1
            raise FrameError(f"expected board {self.thing}, found {hello.thing} on this port")
        if hello.boot not in self.nonces and len(self.nonces) >= self.max_boots:
            return self._too_many_boots()
        if self.nonces.setdefault(hello.boot, hello.nonce) != hello.nonce:
            return self._refused(hello)
        restarted = hello.boot != self.boot
        known = self.state == "up" and not restarted and self.hello == hello
        if self.state != "up" or restarted:
            self.up_since_us = now_us
        if restarted:
            self.counters["restarts"] += self.hello is not None
            self.clock = BoardClock(hello.boot)
            self._counted = {}
            self._syncs.clear()
        self.hello, self.manifest, self.state, self.problem = hello, manifest, "up", ""
        if known:
            return []
        self._ask_time(now_us)
        return [LinkUp(hello, manifest, restarted)]

    def _refused(self, hello: link.Hello) -> list[Event]:
        """A nonce is fresh at every start: another one under a known boot id is another run with its numbers."""
        self.counters["reused"] += 1
        return self._go_down(
            f"boot {hello.boot} began twice, so its sample numbers are used again: the board's state.json is an "
            "old copy; delete it and restart the board"
        )

    def _too_many_boots(self) -> list[Event]:
        """Each boot is a stream that is kept for good: a board that restarts for ever must not fill this node."""
        self.counters["too_many_boots"] += 1
        return self._go_down(
            f"{self.thing} has begun {len(self.nonces)} times, and no further start of it is taken: does it restart by "
            "itself (supply, watchdog, a loose plug)? Then raise [journal] boots_per_board of edge.toml"
        )

    def _no_common_version(self, hello: link.Hello) -> list[Event]:
        """The board told which version it speaks, and that it will say no more."""
        self.counters["no_common_proto"] += 1
        board, here = (f"the firmware of {hello.thing}", hello.proto, hello.proto), ("this edge node", PROTO_MIN, PROTO)
        return self._go_down(versions.mismatch(board, here, "board link"))

    def _go_down(self, reason: str) -> list[Event]:
        """The board is not to be talked to, for a reason that people must see."""
        was, self.state, self.problem = self.state, "down", reason
        return [LinkDown(reason)] if was == "up" else []

    def _say_hello(self, now_us: int) -> None:
        if now_us - self._hello_at_us >= HELLO_EVERY_US // 4:
            self._hello_at_us = now_us
            self.send(link.encode_hello(self.session))

    def _sync_period_us(self) -> int:
        return FIRST_SYNC_EVERY_US if len(self.clock.trips) < FIRST_SYNCS else SYNC_EVERY_US

    def _ask_time(self, now_us: int) -> None:
        self._sync_at_us = now_us
        self._sync_id = (self._sync_id + 1) & 0x3FFFFFFF
        self._syncs[self._sync_id] = now_us
        while len(self._syncs) > MAX_WAITING_SYNCS:
            del self._syncs[next(iter(self._syncs))]
        self.send(link.encode_sync(self._sync_id))

    def _got_time(self, reply: link.SyncReply, rx_us: int) -> None:
        asked_us = self._syncs.pop(reply.sync_id, None)
        if asked_us is None or not self.clock.add(Trip(asked_us, reply.rx_us, reply.tx_us, rx_us)):
            self.counters["bad_sync"] += 1
