"""A minimal city: a ROUTER with CURVE that acks batches, grants nothing, and remembers what it heard."""

import threading
import time
from pathlib import Path

import msgpack
import zmq

from protocol import city_link as cl
from protocol.ranges import Ranges
from tests.waiting import pulse

V1_SIZES = {1: 5, 2: 7, 3: 8, 4: 8, 5: 7, 6: 7, 7: 5}
"""Header items, kind included, that a city of 0.1.0 demands exactly."""


def read_by_version_1(parts: list[bytes]) -> bool:
    """Whether a city of release 0.1.0 would read this message: it demanded exact lengths and known kinds."""
    items = msgpack.unpackb(parts[0])
    return V1_SIZES.get(items[0]) == len(items)


class SmallCity:
    """Runs in a thread from `start()`; `kill()` closes the socket at once, `start()` is a new start of it.

    `restore(stored)` makes it the city of an earlier moment, one epoch on. `rate`: batches a second that it takes.
    """

    def __init__(self, keys: tuple[bytes, bytes], acking: bool = True, proto: int = cl.PROTO) -> None:
        self.keys, self.acking, self.proto = keys, acking, proto
        self.refused: list[list] = []
        self.answer: cl.Message | None = None
        self.forgetful = False  # greets a node it does not know yet in the shape of version 1
        self.port = 0
        self.stored: dict[tuple[str, str], Ranges] = {}
        self.lost: dict[tuple[str, str], Ranges] = {}
        self.infos: dict[tuple[str, str], cl.ThingInfo] = {}
        self.values: dict[tuple[str, str, int], bytes] = {}
        self.heard: list[cl.Message] = []
        self.conflicts = 0
        self.outbox: list[cl.Message] = []
        self.starts = self.epoch = 0
        self.credit = cl.DEFAULT_CREDIT
        self.rate: float | None = None
        self.slots: list[tuple[int, int]] = []
        """When (boottime us) a batch that was acquired when (boottime us of its arrival at the edge) was taken."""
        self.gap_ids: dict[tuple[str, str], set[int]] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> "SmallCity":
        self.starts += 1
        self._stop, self._free_s = threading.Event(), 0.0
        self._context = zmq.Context()
        router = self._context.socket(zmq.ROUTER)
        router.curve_server = True
        router.curve_publickey, router.curve_secretkey = self.keys
        router.linger = 0
        if self.port:
            router.bind(f"tcp://127.0.0.1:{self.port}")
        else:
            self.port = router.bind_to_random_port("tcp://127.0.0.1")
        self._thread = threading.Thread(target=self._run, args=(router,), daemon=True)
        self._thread.start()
        return self

    def kill(self) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join(90)
        self._context.term()

    def restore(self, stored: dict[tuple[str, str], Ranges]) -> None:
        """Forget all but these; call it between `kill` and `start`."""
        self.epoch += 1
        self.stored = {key: ranges.copy() for key, ranges in stored.items()}
        self.lost.clear()
        self.gap_ids.clear()
        self.heard.clear()

    def of(self, kind: type) -> list:
        return [message for message in self.heard if isinstance(message, kind)]

    def _run(self, router: zmq.Socket) -> None:
        known: set[bytes] = set()
        beat_at = 0.0
        while not self._stop.is_set():
            if self._may_take() and router.poll(20):
                identity, *parts = router.recv_multipart()
                if self.proto == 1 and not read_by_version_1(parts):
                    self.refused.append(parts)
                    continue
                message = cl.decode(parts)
                if self.answer is not None:
                    self.heard.append(message)
                    self._send(router, identity, self.answer)
                    continue
                if identity not in known or isinstance(message, cl.EdgeHello):
                    known.add(identity)
                    hello = cl.CityHello(self.proto, f"start-{self.starts}", self.epoch, self.credit)
                    shape = 1 if self.forgetful and not isinstance(message, cl.EdgeHello) else self.proto
                    router.send_multipart([identity, *cl.encode(hello, shape)])
                self._take(router, identity, message)
            if known and time.monotonic() > beat_at:
                beat_at = time.monotonic() + 0.3
                for identity in known:
                    self._send(router, identity, cl.CityHeartbeat(time.monotonic_ns() // 1000, 0, self.credit))
            while known and self.outbox:
                for identity in known:
                    self._send(router, identity, self.outbox[0])
                self.outbox.pop(0)
        router.close(0)

    def _may_take(self) -> bool:
        """With a `rate`: wait until the next message may be taken."""
        if self.rate is None:
            return True
        self._free_s = max(self._free_s + 1 / self.rate, time.monotonic() - 0.1)
        self._stop.wait(max(0.0, self._free_s - time.monotonic()))
        return True

    def _send(self, router: zmq.Socket, identity: bytes, message: cl.Message) -> None:
        parts = message if isinstance(message, list) else cl.encode(message, self.proto)
        router.send_multipart([identity, *parts])

    def _answer(self, router: zmq.Socket, identity: bytes, key: tuple[str, str]) -> None:
        """In two parts, as long answers come."""
        spans, gaps = self.stored.get(key, Ranges()).to_list(), sorted(self.gap_ids.get(key, ()))
        half = len(spans) // 2
        self._send(router, identity, cl.Stored(*key, self.epoch, spans[:half], gaps, 0, 2))
        self._send(router, identity, cl.Stored(*key, self.epoch, spans[half:], [], 1, 2))

    def _take(self, router: zmq.Socket, identity: bytes, message: cl.Message) -> None:
        if isinstance(message, cl.ThingInfo):
            self.infos[message.thing, message.boot] = message
        elif isinstance(message, cl.Batch) and self.acking:
            key = message.thing, message.boot
            for i in range(message.n):
                record = message.records[12 * i : 12 * i + 12]
                self.conflicts += self.values.setdefault((*key, message.first + i), record) != record
            span = message.first, message.first + message.n
            self.slots.append((time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000, message.rx_us))
            self.stored.setdefault(key, Ranges()).add(*span)
            self._send(router, identity, cl.Ack(*key, [span], []))
        elif isinstance(message, cl.GapRecord):
            self.lost.setdefault((message.thing, message.boot), Ranges()).add(message.first, message.end)
            self.gap_ids.setdefault((message.thing, message.boot), set()).add(message.gap_id)
            self._send(router, identity, cl.Ack(message.thing, message.boot, [], [message.gap_id]))
        elif isinstance(message, cl.StoredAsk):
            self._answer(router, identity, (message.thing, message.boot))
        if not isinstance(message, cl.Batch):
            self.heard.append(message)
        pulse()


def write_keys(folder: Path) -> dict[str, bytes]:
    """Write CURVE and Ed25519 key files; return the raw keys by file name."""
    from protocol.tasks import new_keys  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    server, edge, (private, public) = zmq.curve_keypair(), zmq.curve_keypair(), new_keys()
    keys = {
        "city.public": server[0], "city.secret": server[1], "edge-1.public": edge[0],
        "edge-1.secret": edge[1], "sign.public": public.hex().encode(), "sign.private": private,
    }  # fmt: skip
    for name, key in keys.items():
        (folder / name).write_bytes(key)
    return keys
