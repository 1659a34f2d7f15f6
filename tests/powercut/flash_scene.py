"""A board with a flash ring under power: the real core, a virtual flash that tears, a host that keeps what it acks.

One life is the time between two cuts. The truth is what was acquired; the host keeps what it got and what was
declared. After the last life, which nobody cuts and in which the host listens until all is told, `judge` compares.
"""

from random import Random
from typing import Any

from firmware.core.boot import Boot
from firmware.core.node import Identity, Node
from firmware.core.schedule import Clock
from firmware.core.spill import Spill
from protocol import board_link, record
from protocol.host_decoder import HostDecoder
from protocol.ranges import Ranges
from simulator.flash import NorFlash, PowerCut

TICK_MS = 100
CHANNELS = 6
STEPS = [None, (0, 1, 64, 1, 0), None, (-45, 175, 65535, 1, 0), (0, 1, 1, -0.001, 4.0), None]
RING = 64
WRAP = 1 << 30
Key = tuple[str, int]


def counted(value: float, step: tuple[float, ...] | None) -> float:
    """Return a value as a chip gives it, in whole counts if it has any."""
    if step is None:
        return value
    zero, num, den, scale, offset = step
    return offset + scale * (zero + round(((value - offset) / scale - zero) * den / num) * num / den)


class CutFiles:
    """Files that are replaced as one; the power goes right before or right after."""

    def __init__(self, flash: NorFlash, rng: Random) -> None:
        self.files: dict[str, str] = {}
        self._flash, self._rng = flash, rng

    def read(self, name: str) -> str | None:
        return self.files.get(name)

    def replace(self, name: str, text: str) -> None:
        cut = self._flash.begin()
        if not cut or self._rng.random() < 0.5:
            self.files[name] = text
        if cut:
            raise PowerCut


class FlashScene:
    """The board over all its lives. `sectors`: size of the flash ring; small ones overflow."""

    def __init__(self, rng: Random, sectors: int) -> None:
        self.rng = rng
        self.flash = NorFlash(sectors, rng)
        self.files = CutFiles(self.flash, rng)
        self.acquired: dict[str, list[bytes]] = {}
        self.stored: dict[Key, bytes] = {}
        self.lost: dict[str, dict[str, Ranges]] = {}
        self.safe: set[Key] = set()
        self.problems: list[str] = []
        self._session = 0

    def live(self, script: list[tuple[str, int]], cut_at: int = 0) -> bool:
        """Run one life, (what the host does, for how many ticks) one by one; return whether the power was cut.

        A firmware that fails counts as cut, and is a problem.
        """
        self.flash.power_on(cut_at)
        self.now_us = self.rng.randrange(WRAP)
        try:
            self._start()
            for mood, ticks in script:
                for _ in range(ticks):
                    if mood == "until told" and self._told():
                        break
                    self._tick(mood)
        except PowerCut:
            self._note_safe()
            return True
        except (IndexError, ValueError) as error:
            self.problems.append(f"boot {self.boot}: the firmware failed: {error!r}")
            return True
        self._note_safe()
        return False

    def _start(self) -> None:
        self.node: Node | None = None
        spill = Spill(self.flash, STEPS)
        boot = Boot(self.files, "chip-1", self.rng.randbytes(12), 1000, spill=spill)
        identity = Identity("board-1", "vm", bytes(32), lambda: b"manifest")
        self.boot = board_link.frames.boot_text(boot.id)
        if self.acquired.get(self.boot):
            self.problems.append(f"boot {self.boot} began twice")
        self.acquired[self.boot] = []
        node = Node({"ring": RING, "status_ms": 10_000}, identity, Clock(lambda: self.now_us % WRAP), boot, bytes(32))
        self.node, self._decoder = node, HostDecoder()
        self._values = [self.rng.gauss(20.0, 5.0) for _ in range(CHANNELS)]

    def _tick(self, mood: str) -> None:
        """Acquire, look after flash, talk to a host that is `up`, `deaf` (acks nothing), or away."""
        node = self.node
        assert node is not None
        self.now_us += TICK_MS * 1000 + self.rng.randrange(300)
        node.step()
        if mood != "until told":
            self._acquire(node)
        for _ in range(3):
            node.save_if_due()
        if mood == "away":
            return
        if node.link.mode == 0 or mood == "new":
            self._session += 1
            self._send(node, board_link.encode_hello(self._session))
        self._send(node, board_link.encode_sync(1))
        for _ in range(4):
            self._hear(node, acks=mood != "deaf")
            node.save_if_due()

    def _acquire(self, node: Node) -> None:
        """Take a reading of some channels, as a sensor does: one stamp, mostly good, sometimes the same value again."""
        for channel in self.rng.choice(((0, 1, 2), (3,), (4, 5))):
            if self.rng.random() < 0.7:
                self._values[channel] += self.rng.gauss(0.0, 0.01)
            quality = 9 if self.rng.random() < 0.02 else 1
            value = float("nan") if quality == 9 else counted(self._values[channel], STEPS[channel])
            node.ring.push(channel, quality, node.clock.wrap, node.clock.ticks, value)
            kept = bytearray(record.SIZE)
            record.put(kept, 0, channel, quality, node.clock.wrap, node.clock.ticks, value)
            self.acquired[self.boot].append(bytes(kept))

    def _send(self, node: Node, body: bytes) -> None:
        data = board_link.build_frame(body)
        node.link.feed(bytearray(data), len(data))

    def _hear(self, node: Node, acks: bool) -> None:
        """Take what the board sends now; what is kept is acked, unless the ack gets lost."""
        heard: list[Any] = []
        while n := node.link.next_wire(0):
            heard += map(board_link.decode_board, self._decoder.feed(bytes(node.link.writer.wire[:n])))
        for message in heard:
            if not acks or self.rng.random() < 0.05:
                continue
            if isinstance(message, board_link.Samples):
                self._keep(message)
                span = (message.first, message.first + message.n)
                self._send(node, board_link.encode_ack(message.boot, [span], []))
            elif isinstance(message, board_link.Gap):
                lost = self.lost.setdefault(message.boot, {}).setdefault(message.cause, Ranges())
                lost.add(message.first, message.end)
                self._send(node, board_link.encode_ack(message.boot, [], [message.gap_id]))

    def _keep(self, samples: board_link.Samples) -> None:
        if samples.earlier == (samples.boot == self.boot):
            self.problems.append(f"samples of {samples.boot} under {self.boot} came as the wrong kind")
        truth = self.acquired.get(samples.boot, [])
        for i in range(samples.n):
            seq, found = samples.first + i, samples.records[i * record.SIZE : (i + 1) * record.SIZE]
            if seq >= len(truth) or truth[seq] != found:
                self.problems.append(f"{samples.boot} {seq} came as {found.hex()}, which it was not")
            self.stored[samples.boot, seq] = found

    def _note_safe(self) -> None:
        """What flash holds for sure: all whole pages of this boot, unless the host had it from RAM."""
        if self.node is not None:
            ring = self.node.ring
            self.safe |= {(self.boot, seq) for seq in range(ring.owed_from, ring.owed_to)}
            self.safe |= {(self.boot, seq) for seq in range(ring.tail, ring.safe) if not ring.is_acked(seq)}

    def settle(self) -> None:
        """Let the host listen until everything is told."""
        self.live([("up", 20), ("until told", 1000)])
        if not self._told():
            self.problems.append("the board never had told all it owed")

    def _told(self) -> bool:
        """Whether the board owes nothing."""
        assert self.node is not None
        ring, spill, gaps = self.node.ring, self.node.spill, self.node.link.losses.overflows + self.node.boot.gaps
        return ring.tail == ring.head and spill.low == spill.head and not gaps

    def judge(self) -> list[str]:
        """Return what is wrong: samples nobody has or declared, and samples in flash that were declared cut off."""
        for boot, records in self.acquired.items():
            lost = self.lost.get(boot, {})
            missing = [seq for seq in range(len(records)) if (boot, seq) not in self.stored]
            unexplained = [seq for seq in missing if not any(seq in ranges for ranges in lost.values())]
            if unexplained:
                self.problems.append(f"{boot}: {len(unexplained)} samples from {unexplained[0]} are unexplained")
            overflow = lost.get("overflow", Ranges())
            gone = [seq for seq in missing if (boot, seq) in self.safe and seq not in overflow]
            if gone:
                self.problems.append(f"{boot}: {len(gone)} samples from {gone[0]} were in flash and are gone")
        return self.problems
