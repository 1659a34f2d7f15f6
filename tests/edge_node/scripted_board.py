"""A board on a real PTY that speaks real frames, in a thread: samples, resends, status, sync, tasks, gaps."""

import os
import select
import struct
import threading
import time
import tty

from protocol import commands, frames, framing, mac, manifest, mpack, record
from protocol import task_codes as codes

KEY = bytes(range(32))


def river_manifest(thing: str = "river-1") -> manifest.Manifest:
    level = manifest.ChannelInfo(0, "water_level", 0, "water_surface_height", "m", 0.0, 4.0, 0.005, fuse=True)
    opening = manifest.ChannelInfo(1, "opening_feedback", 0, "gate_opening", "1", 0.0, 1.0, 0.005)
    gate = manifest.ActuatorInfo(0, "opening", "gate_drive", 0.0, 1.0, 0.2, "opening_feedback", 3000, 4000)
    sensor = manifest.SensorInfo(0, "level", "a02yyuw", "uart1", "", 100)
    return manifest.Manifest(thing, "river_gauge", [sensor], [level, opening], [gate])


def body_of(write) -> bytes:
    """Return the body that a `frames.put_*` call writes."""
    packer = mpack.Packer(bytearray(4096))
    write(packer)
    return bytes(packer.buf[: packer.pos])


def records_of(samples: list[tuple[int, int, int, float]]) -> bytes:
    """Return packed records of (channel, quality, t_us, value)."""
    return b"".join(
        struct.pack("<BB6sf", c, q, t.to_bytes(6, "little"), v).ljust(record.SIZE) for c, q, t, v in samples
    )


class ScriptedBoard:
    """Samples every 50 ms from creation on; the gate follows tasks at once. `boot_counter` rises on restart.

    `earlier`: (boot, first, records) that a flash would hold of boots before; sent with each status until acked.
    """

    def __init__(self, thing: str = "river-1", boot_counter: int = 1, period_s: float = 0.05) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        tty.setraw(self.master)
        self.path, self._slave = os.ttyname(slave), slave
        self.thing, self.period_s = thing, period_s
        self.lock = threading.Lock()
        self.tasks: list[bytes] = []
        self.renewals = 0
        self.earlier: list[tuple[bytes, int, bytes]] = []
        self.frozen_level: float | None = None
        self._stop = threading.Event()
        self._restart(boot_counter)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _restart(self, counter: int) -> None:
        self.boot = b"\xfe\xca\xad\x0b" + counter.to_bytes(4, "little")
        self.nonce = os.urandom(8)
        self.started = time.monotonic_ns()
        self.ring: list[tuple[int, bytes]] = []
        self.head = self.session = self.sent_to = 0
        self.counter, self.position = -1, 0.2
        self.linked, self.heard = False, 0.0
        self.results: list[bytes] = []
        self._decoder = framing.Decoder(frames.MAX_BODY_TO_BOARD)

    def restart(self) -> None:
        """Lose everything, start under the next boot id."""
        with self.lock:
            self._restart(int.from_bytes(self.boot[4:], "little") + 1)

    @property
    def boot_text(self) -> str:
        return frames.boot_text(self.boot)

    def start(self) -> "ScriptedBoard":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(90)
        os.close(self.master)
        os.close(self._slave)

    def _t_us(self) -> int:
        return (time.monotonic_ns() - self.started) // 1000

    def _stamp(self) -> tuple[int, int]:
        return divmod(self._t_us(), 1 << 30)

    def _run(self) -> None:
        sample_at = status_at = time.monotonic()
        while not self._stop.is_set():
            readable, _, _ = select.select([self.master], [], [], 0.01)
            data = bytearray(os.read(self.master, 4096)) if readable else bytearray()
            with self.lock:
                self._hear(data)
                now = time.monotonic()
                self.linked = self.linked and now - self.heard < 5
                if now >= sample_at:
                    sample_at += self.period_s
                    self._sample()
                if self.linked:
                    self._talk(now >= status_at)
                    status_at = now + 0.2 if now >= status_at else status_at

    def _sample(self) -> None:
        level = self.frozen_level if self.frozen_level is not None else 1.0
        for channel, value in ((0, level), (1, self.position)):
            self.ring.append((self.head, records_of([(channel, 1, self._t_us(), value)])))
            self.head += 1

    def _hear(self, data: bytearray) -> None:
        self._decoder.feed(data, len(data))
        while self._decoder.next():
            self._command(commands.decode_command(self._decoder.buf, 0, self._decoder.length))

    def _command(self, items: list) -> None:
        if not self.linked and items[0] != frames.HELLO:
            return
        self.heard = time.monotonic()
        if items[0] == frames.HELLO:
            self.linked, self.sent_to = True, self.ring[0][0] if self.ring else self.head
            self.session = items[3]
            made = manifest.to_bytes(river_manifest(self.thing))
            self._send(lambda p: frames.put_hello(
                p, self.session, self.thing, self.boot, self.nonce, "scripted 1", bytes(32), made))  # fmt: skip
        elif items[0] == frames.SYNC:
            at = self._stamp()
            self._send(lambda p: frames.put_sync(p, items[1], *at, *self._stamp()))
        elif items[0] == frames.SIGNED_ACK and mac.equal(mac.hmac_sha256(KEY, items[1]), items[2]):
            _, boot, ranges, _ = commands.decode_ack_payload(items[1])
            if boot == self.boot:
                self.ring = [s for s in self.ring if not any(a <= s[0] < b for a, b in ranges)]
            self.earlier = [e for e in self.earlier if e[0] != boot or not any(a <= e[1] < b for a, b in ranges)]
        elif items[0] == frames.ACK and items[1] == self.boot:
            self.ring = [s for s in self.ring if not any(a <= s[0] < b for a, b in items[2])]
        elif items[0] == frames.TASK:
            self._task(items[1], items[2])
        elif items[0] == frames.LEASE and mac.equal(mac.hmac_sha256(KEY, items[1]), items[2]):
            self.renewals += 1
            self.counter = commands.decode_lease_payload(items[1])[1]

    def _task(self, payload: bytes, signature: bytes) -> None:
        nonce, counter, task_id, _, setpoint, _, _ = commands.decode_task_payload(payload)
        genuine = mac.equal(mac.hmac_sha256(KEY, payload), signature)
        if not genuine or nonce != self.nonce or counter <= self.counter:
            return
        self.counter, self.position = counter, setpoint
        self.tasks.append(task_id)
        for state in (codes.ACCEPTED, codes.ACTING, codes.DONE):
            self._send(lambda p, s=state: frames.put_task_result(
                p, self.boot, task_id, s, codes.OK, *self._stamp(), self.position))  # fmt: skip

    def _talk(self, with_status: bool) -> None:
        fresh = [s for s in self.ring if s[0] >= self.sent_to][:32]
        fresh = [s for at, s in enumerate(fresh) if s[0] == fresh[0][0] + at]  # up to the first hole
        if fresh:
            packed = b"".join(s[1] for s in fresh)
            self._send_samples(self.boot, fresh[0][0], packed)
            self.sent_to = fresh[-1][0] + 1
        if with_status and self.earlier:
            self._send_samples(*self.earlier[0], kind=frames.EARLIER)
        if with_status:
            tail = self.ring[0][0] if self.ring else self.head
            actuator = (0, 0, 1, self.position, self.position, 2000)
            self._send(lambda p: frames.put_status(
                p, self.boot, *self._stamp(), tail, self.head, 0, [], [actuator], {"crc": 0}))  # fmt: skip

    def _send_samples(self, boot: bytes, first: int, packed: bytes, kind: int = frames.SAMPLES) -> None:
        def write(packer: mpack.Packer) -> None:
            frames.put_samples(packer, boot, first, len(packed), kind)
            packer.buf[packer.pos : packer.pos + len(packed)] = packed
            packer.pos += len(packed)

        self._send(write)

    def _send(self, write) -> None:
        writer = framing.FrameWriter(frames.MAX_BODY_TO_HOST)
        writer.packer.reset()
        write(writer.packer)
        os.write(self.master, bytes(writer.wire[: writer.finish()]))
