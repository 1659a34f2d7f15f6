"""The edge node as it is (`edge_node.node.run`), with a load in place of serial ports: what `link_ours.py` starts.

    python tests/bench/city_link_edge.py run/edge.toml 20000

Frames of payload.py go into the journal, at most `payload.WAITING` at a time without an ack; journal, uplink and
socket do the rest. Prints one JSON line when the city has acked all: frames, seconds, and how they travelled.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import payload

from cityreflex.config import load_edge
from edge_node import node
from edge_node.boards.side import BoardSide
from edge_node.core import Core
from edge_node.journal.group import Stored
from edge_node.journal.rows import NewBatch
from protocol.city_link import Clock
from protocol.manifest import ChannelInfo, Manifest, SensorInfo

GIVE_UP_S = 60.0
CLOCK = Clock(0, 1_700_000_000_000_000, 1.0, 50.0, True)
BOOT = "0000000a-1"
THINGS = [f"bench-{board}" for board in range(payload.BOARDS)]


class Load:
    """Feeds frames into the journal as fast as the city takes them out of it."""

    def __init__(self, core: Core, boards: BoardSide, frames: int) -> None:
        self._core, self._city, self.frames = core, boards._city, frames
        self.fed = self.stored = 0

    async def run(self) -> dict[str, Any]:
        """Return {frames, seconds, ...}: from the first frame given to the journal to the ack of the last."""
        for thing in THINGS:
            self._core.journal.began(thing, BOOT)
            self._core.infos.learn(thing, BOOT, "", "", manifest(thing))
        await until(lambda: self._core.uplink.connected, "the city answers")
        sent, resent = self._core.uplink.sent, self._core.uplink.resent
        start, cpu = time.perf_counter(), time.process_time()
        while self.fed < self.frames:
            self._feed()
            await until(lambda: self.fed - self.acked < payload.WAITING * 3 // 4, "room in the journal")
        await until(lambda: self.acked == self.frames, f"acks of {self.frames} frames")
        seconds = time.perf_counter() - start
        uplink = self._core.uplink
        return {
            "frames": self.acked, "seconds": seconds, "cpu_s": time.process_time() - cpu,
            "commits": self._core.journal.health()["commits"], "messages": uplink.sent - sent,
            "resent": uplink.resent - resent, "spilled": uplink.spilled,
        }  # fmt: skip

    def _feed(self) -> None:
        """Give the journal what there is room for."""
        until = min(self.frames, self.acked + payload.WAITING)
        while self.fed < until:
            board, number = self.fed % payload.BOARDS, self.fed // payload.BOARDS
            records = payload.FRAMES[number % len(payload.FRAMES)]
            first = number * payload.SAMPLES
            batch = NewBatch(THINGS[board], BOOT, first, payload.SAMPLES, CLOCK, self._core.now(), records)
            self._core.journal.store(batch, None, self._stored)
            self.fed += 1

    def _stored(self, stored: Stored) -> None:
        """As in BoardSide: durable here, so the uplink may have it."""
        self.stored += 1
        for pending in stored.all:
            self._core.uplink.journaled(pending)
        if stored.all:
            self._city.send_batches(self._core.now())

    @property
    def acked(self) -> int:
        """How many frames the city has acked, by the journal's own streams."""
        streams = self._core.journal.streams.by_key
        return sum(streams[thing, BOOT].acked.total() for thing in THINGS) // payload.SAMPLES


async def until(condition: Callable[[], bool], what: str) -> None:
    """Return once the condition is true, asked a thousand times a second. Raises: TimeoutError."""
    end = time.monotonic() + GIVE_UP_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {GIVE_UP_S} s: {what}")
        await asyncio.sleep(0.001)


def manifest(thing: str) -> Manifest:
    """Return a board of four channels that nobody fuses."""
    sensors = [SensorInfo(0, "probe", "ads1115", "i2c0", "0x48", 25)]
    channels = [ChannelInfo(i, f"c{i}", 0, "electric_potential", "V", -10.0, 10.0, 0.01) for i in range(4)]
    return Manifest(thing, "bench", sensors, channels, [])


def main() -> None:
    """Run the node with a load instead of ports, print what came of it, stop."""
    tasks: list[asyncio.Task[None]] = []

    async def work(core: Core, boards: BoardSide) -> None:
        try:
            print(json.dumps(await Load(core, boards, int(sys.argv[2])).run()), flush=True)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def no_ports(config: Any, core: Core, boards: BoardSide, hop: Any) -> list[Any]:
        tasks.append(asyncio.create_task(work(core, boards)))
        return []

    node._open_ports = no_ports
    asyncio.run(node.run(load_edge(Path(sys.argv[1]))))
    tasks[0].result()


if __name__ == "__main__":
    main()
