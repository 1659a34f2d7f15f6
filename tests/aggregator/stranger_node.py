"""An edge node written from docs/protocol.md alone: it shares no code with us. ZeroMQ with CURVE, u-msgpack."""

import struct
from typing import Any

import umsgpack
import zmq


class StrangerNode:
    """Says hello, introduces a board, sends samples until they are acked. `hear()` returns the next message."""

    def __init__(self, context: Any, endpoint: str, keys: tuple[bytes, bytes], city_public: bytes, edge: str) -> None:
        self.edge, self.boot, self.thing, self.thing_boot = edge, "start-7", "river-1", "0badcafe-12"
        self.proto, self.credit, self.epoch, self.now_us, self.city_us = 1, 256, 0, 5_000_000, 0
        self.unacked: dict[int, bytes] = {}
        self.head = 0
        self.socket = context.socket(zmq.DEALER)
        self.socket.curve_publickey, self.socket.curve_secretkey = keys
        self.socket.curve_serverkey = city_public
        self.socket.linger = 0
        self.socket.connect(endpoint)

    async def hello(self) -> None:
        """Say hello in the shape that every city reads."""
        await self._send([1, 2, self.edge, self.boot, self.now_us])

    async def tell_everything(self) -> None:
        """After CityHello: hello in full, the board, a heartbeat."""
        if self.proto >= 2:
            await self._send([1, 2, self.edge, self.boot, self.now_us, 1, self.epoch])
        sensor = {"index": 0, "name": "level", "chip": "x", "bus": "uart1", "address": "uart1", "period_ms": 100}
        channel = {
            "index": 0, "name": "water_level", "sensor": 0, "property": "water_surface_height", "unit": "m",
            "lower": 0.0, "upper": 4.0, "sigma": 0.002, "fuse": False, "sigma_of": None,
        }  # fmt: skip
        manifest = {
            "thing": self.thing, "board": "foreign", "sensors": [sensor], "channels": [channel], "actuators": [],
        }  # fmt: skip
        await self._send([2, self.thing, self.thing_boot, "vm", "00" * 32, manifest, True])
        await self.beat()

    async def beat(self) -> None:
        """Send a heartbeat with the account of the board."""
        buffered = [[seq, seq + 1] for seq in sorted(self.unacked)]
        account = {"thing": self.thing, "boot": self.thing_boot, "sent": self.head, "buffered": buffered}
        await self._send([5, self.edge, self.boot, self.now_us, self.city_us, [account], {"edge": self.edge}])

    def sample(self, value: float) -> None:
        """Acquire one sample."""
        stamp = (self.head * 100_000).to_bytes(6, "little")
        self.unacked[self.head] = struct.pack("<BB", 0, 1) + stamp + struct.pack("<f", value)
        self.head += 1

    async def send_batch(self, first: int, n: int) -> None:
        """Send the samples [first, first + n)."""
        clock = [0, 1_700_000_000_000_000, 1.0, 50.0, True]
        records = b"".join(self.unacked[seq] for seq in range(first, first + n))
        await self._send([3, self.thing, self.thing_boot, first, n, clock, 10, self.now_us], records)

    async def send_gap(self, first: int, end: int) -> None:
        """Declare samples lost."""
        await self._send([4, self.thing, self.thing_boot, 1, first, end, "overflow", self.thing])

    async def ask_stored(self) -> None:
        """Ask what the city has of the board."""
        await self._send([9, self.thing, self.thing_boot])

    async def later_kind(self) -> None:
        """Send what no version of today knows."""
        await self._send([14, "from the future"])

    async def hear(self) -> list[Any]:
        """Return the next message of the city as [kind, items ...], taken in."""
        header, _ = await self.socket.recv_multipart()
        message = umsgpack.unpackb(header)
        kind, items = message[0], message[1:]
        if kind == 17:
            self.proto = items[0]
            self.epoch = items[2] if len(items) > 2 else 0
            self.credit = items[3] if len(items) > 3 else 256
        elif kind == 18 and items[:2] == [self.thing, self.thing_boot]:
            for first, end in items[2]:
                for seq in range(first, end):
                    self.unacked.pop(seq, None)
        elif kind == 19:
            self.city_us = items[0]
        return list(message)

    async def _send(self, header: list[Any], payload: bytes = b"") -> None:
        await self.socket.send_multipart([umsgpack.packb(header), payload])
