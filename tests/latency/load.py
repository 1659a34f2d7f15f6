"""A second edge node that sends samples at a rate.

    python -m tests.latency.load edge.toml SAMPLES_PER_S        # 0: all that the city takes
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import payload
from city_link_edge import BOOT, THINGS, Load, manifest, until

from cityreflex.config import load_edge
from edge_node import node
from edge_node.boards.side import BoardSide
from edge_node.core import Core

ENDLESS = 1 << 40


class Paced(Load):
    """As the load of the benchmark, at a rate, for ever; says each second what the city acked."""

    def __init__(self, core: Core, boards: BoardSide, samples_s: float) -> None:
        super().__init__(core, boards, ENDLESS)
        self._rate = samples_s / payload.SAMPLES

    async def run(self) -> dict[str, Any]:
        """Send until killed."""
        for thing in THINGS:
            self._core.journal.began(thing, BOOT)
            self._core.infos.learn(thing, BOOT, "", "", manifest(thing))
        await until(lambda: self._core.uplink.connected, "the city answers")
        began = told = time.monotonic()
        acked = 0
        while True:
            now = time.monotonic()
            self.frames = int(self._rate * (now - began)) if self._rate else ENDLESS
            self._feed()
            if now - told >= 1.0:
                print(json.dumps({"samples_s": (self.acked - acked) * payload.SAMPLES / (now - told)}), flush=True)
                told, acked = now, self.acked
            await asyncio.sleep(0.005)


def main() -> None:
    """Run the node with a load instead of ports."""
    tasks: list[asyncio.Task[dict[str, Any]]] = []

    def no_ports(config: Any, core: Core, boards: BoardSide, hop: Any) -> list[Any]:
        tasks.append(asyncio.create_task(Paced(core, boards, float(sys.argv[2])).run()))
        return []

    node._open_ports = no_ports
    asyncio.run(node.run(load_edge(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
