"""The board's end of the board link: port modes, sessions, commands in, frames out. Sans-IO, both VMs.

In text mode (the start) nothing binary is sent. A valid host hello begins link mode (one without a version in
common gets a hello and nothing else); 5 s without a valid frame
end it, while sampling goes on into the ring. In text mode carriage return and Ctrl-C outside a frame ask for
maintenance. `next_wire()` builds at most one frame at a time, the urgent ones first.
"""

from protocol import commands, frames, framing
from protocol import task_numbers as codes
from protocol.errors import FrameError, UnknownKindError

from .console import Console
from .losses import Losses
from .outbox import Outbox
from .schedule import Every

TEXT = 0
LINK = 1
SILENCE_MS = 5000
ALL_COUNTERS_MS = 10000
MAX_LOGS = 8
FRAME_PAUSE_MS = 500
KEY_PAUSE_MS = 50
INFO = 1
WARNING = 2


class Link:
    """Feed it bytes, ask it for wires. `identity` has what hello says, `node` gives the status."""

    def __init__(self, identity, node, status_ms: int) -> None:  # type: ignore[no-untyped-def]
        """`identity`: thing, vm, sha256, manifest; `node`: clock, ring, boot, desk, actuators, status()."""
        self._identity = identity
        self._node = node
        self._clock = node.clock
        self._ring = node.ring
        self.outbox = Outbox(node.ring)
        self.losses = Losses(node.ring, node.boot)
        self.refill = getattr(node, "refill", None)  # the flash ring puts it here while it gives back
        self.decoder = framing.Decoder(frames.MAX_BODY_TO_BOARD)
        self.writer = framing.FrameWriter(frames.MAX_BODY_TO_HOST)
        self.console = Console(node)
        self._status = Every(status_ms)
        self._all_counters = Every(ALL_COUNTERS_MS)
        self.logs = []
        self.log_from = 0
        self._untold = 0
        self.mode = TEXT
        self.session = 0
        self.proto = frames.PROTO
        self.bad = 0
        self.unknown_kind = 0
        self.maintenance = False
        self._heard_ms = 0
        self._fed_ms = 0
        self._typed_last = 0
        self._hello = False
        self._asked = 0
        self._sync = -1
        self.rx_wrap = 0
        self.rx_ticks = 0

    def log(self, level: int, text: str) -> None:
        """Keep a line for host and console, if its level is high enough; the oldest of too many is dropped."""
        if level < self.log_from:
            return
        if len(self.logs) == MAX_LOGS:
            self.logs.pop(0)
        self.logs.append((level, text))
        self._untold = min(self._untold + 1, MAX_LOGS)

    def feed(self, chunk: bytearray, n: int) -> None:
        """Take `chunk[:n]` as received now. In text mode a frame that makes so long a pause is none: text follows."""
        now_ms = self._clock.ms
        if self.mode == TEXT and now_ms - self._fed_ms >= FRAME_PAUSE_MS:
            self.decoder.reset()
        if now_ms - self._fed_ms >= KEY_PAUSE_MS:
            self._typed_last = 0
        self._fed_ms = now_ms
        for i in range(n):
            byte = chunk[i]
            if self.decoder.feed_byte(byte) == framing.FRAME:
                self._received()
            elif self.mode == TEXT:
                self._typed(byte)

    def _typed(self, byte: int) -> None:
        """A byte in text mode that completed no frame. A program sends both bytes at once; a person's are two keys."""
        if byte == 3 and self._typed_last == 13 and not self.decoder.inside:
            self.maintenance = True
        self._typed_last = byte
        self.console.feed(byte)

    def _received(self) -> None:
        """A whole frame arrived."""
        self.console.clear()
        try:
            items = commands.decode_command(self.decoder.buf, 0, self.decoder.length)
        except UnknownKindError:
            self.unknown_kind += 1
            return
        except FrameError:
            self.bad += 1
            return
        if items[0] == frames.HELLO:
            self._greeted(items)
        elif self.mode == LINK:
            self._heard_ms = self._clock.ms
            self._obey(items)

    def _greeted(self, items: list) -> None:  # type: ignore[type-arg]
        """Host hello: answer it; a new session starts over.

        A host of other versions gets a hello that says ours, and no more: the port stays in its mode.
        """
        now_ms = self._clock.ms
        self._hello = True
        self._asked = items[3]
        self.proto = min(items[2], frames.PROTO)
        if self.proto < max(items[1], frames.PROTO_MIN):
            self.proto = frames.PROTO
            return
        self._heard_ms = now_ms
        if self.mode == LINK and items[3] == self.session:
            return
        self.mode = LINK
        self.session = items[3]
        self.console.close()
        self._sync = -1
        self.outbox.new_session()
        self.losses.restart(now_ms)
        self._node.actuators.repeat_results()
        self._status.due_ms = self._all_counters.due_ms = now_ms

    def _obey(self, items: list) -> None:  # type: ignore[type-arg]
        """Execute a command."""
        kind = items[0]
        if kind == frames.SYNC:
            self._sync = items[1]
            self.rx_wrap = self._clock.wrap
            self.rx_ticks = self._clock.ticks
        elif kind == frames.ACK:
            if self._node.desk.plain_ack():
                self._acked(items)
        elif kind == frames.SIGNED_ACK:
            items = self._node.desk.ack(items[1], items[2])
            if items:
                self._acked(items)
        elif kind == frames.TASK:
            self._node.desk.task(items[1], items[2])
        elif kind == frames.LEASE:
            self._node.desk.lease(items[1], items[2])

    def _acked(self, items) -> None:  # type: ignore[no-untyped-def]
        """The host has taken over samples of this boot, and declared losses of any."""
        if items[1] == self._node.boot.id:
            for start, end in items[2]:
                self._ring.ack(start, end)
            self.outbox.acked()
        if self.refill:
            self.refill.acked(items[1], items[2])
        for gap_id in items[3]:
            self.losses.acked(gap_id)

    def check_silence(self) -> bool:
        """Return whether the host has just fallen silent; the port is in text mode then."""
        if self.mode == LINK and self._clock.ms - self._heard_ms >= SILENCE_MS:
            self.mode = TEXT
            self._hello = False
            self.decoder.reset()
            return True
        return False

    def status_ms(self) -> int:
        """Return when the next status is due."""
        return self._status.due_ms

    def next_wire(self, queued_us: int) -> int:
        """Return how many bytes of `.writer.wire` to send now, 0 for nothing.

        `queued_us`: how long bytes given before will still take to leave; a sync reply counts it in.
        """
        if self.mode == TEXT and not self._hello:
            return self.console.read_into(self.writer.wire)
        if self._write_urgent(queued_us) or self._write_data():
            self.writer.wire[0] = 0  # text mode writes there too
            return self.writer.finish()
        return 0

    def _write_urgent(self, queued_us: int) -> bool:
        """Write a hello, sync reply, task result or status if one is due."""
        node = self._node
        if self._hello:
            self._hello = False
            self._write_hello()
        elif self._sync >= 0:
            self._write_sync(queued_us)
        elif node.actuators.results:
            self._write_result(*node.actuators.results.pop(0))
        elif self._status.due(self._clock.ms):
            self._write_status()
        else:
            return False
        return True

    def _write_status(self) -> None:
        """Write a status; seldom with all counters, as they take longer on the line than a command may wait."""
        node = self._node
        whole = self._all_counters.due(self._clock.ms) or self.proto < 2
        self.writer.packer.reset()
        frames.put_status(self.writer.packer, node.boot.id, *node.status(whole))

    def _write_data(self) -> bool:
        """Write samples, a gap or a log line if one is due. Samples allocate nothing."""
        now_ms = self._clock.ms
        packer = self.writer.packer
        if self.outbox.choose(now_ms):
            self._write_samples(self.outbox.first, self.outbox.n)
            return True
        if self.refill and self.refill.due(now_ms):
            self.refill.write(packer, now_ms)
            return True
        if self.losses.due(now_ms):
            counter, gap_id, start, end = self.losses.gap[:4]
            boot = self._node.boot.id_of(counter, *self.losses.gap[5:])
            packer.reset()
            frames.put_gap(packer, boot, gap_id, start, end, self.losses.cause)
            return True
        if self._untold:
            packer.reset()
            frames.put_log(packer, *self.logs[-self._untold])
            self._untold -= 1
            return True
        return False

    def _write_samples(self, first: int, n: int) -> None:
        """Write records [first, first+n) of the ring."""
        packer = self.writer.packer
        packer.reset()
        frames.put_samples(packer, self._node.boot.id, first, n * 12)
        packer.pos = self._ring.copy(first, n, packer.buf, packer.pos)

    def _write_result(self, task_id: bytes, state: int, code: int, wrap: int, ticks: int, position: float) -> None:
        """Write a task result; a host of version 1 knows no local stop and reads tripped."""
        if self.proto < 2 and code > codes.OLD_EPOCH:
            code = codes.TRIPPED
        self.writer.packer.reset()
        frames.put_task_result(self.writer.packer, self._node.boot.id, task_id, state, code, wrap, ticks, position)

    def _write_hello(self) -> None:
        """Write who this is."""
        who = self._identity
        boot = self._node.boot
        packer = self.writer.packer
        packer.reset()
        frames.put_hello(
            packer, self._asked, who.thing, boot.id, boot.nonce, who.vm, who.sha256, who.manifest(), self.proto
        )

    def _write_sync(self, queued_us: int) -> None:
        """Answer the last time-sync request with when it came and when this reply will leave."""
        clock = self._clock
        clock.tick()
        wrap = clock.wrap
        ticks = clock.ticks + queued_us
        if ticks >= 1 << 30:
            ticks -= 1 << 30
            wrap += 1
        packer = self.writer.packer
        packer.reset()
        frames.put_sync(packer, self._sync, self.rx_wrap, self.rx_ticks, wrap, ticks)
        self._sync = -1
