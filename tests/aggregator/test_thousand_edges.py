"""All edge nodes come back at once, as after an outage of the city: each is admitted, gets credit, is acked.

    make storm            # 1,000 nodes; prints the time until the last is acked

Real DEALER sockets with CURVE keys of their own, against the real aggregator process. The gate runs fewer.
"""

import heapq
import os
import random
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq
from city_process import CityFolder, Edge

from protocol.city_link import Ack, CityHeartbeat, CityHello, EdgeHello, Wait

pytestmark = pytest.mark.system
NODES = int(os.environ.get("CITYREFLEX_STORM_NODES", "150"))
BOUND_S = 180.0


class Node:
    """One edge node's manners: says hello, waits when told, sends its batch once it has credit."""

    def __init__(self, edge: Edge, batch: Any) -> None:
        self.edge, self.batch = edge, batch
        self.welcomed = self.sent = self.acked = False
        self.waits = 0

    def hello(self) -> None:
        self.edge.say(EdgeHello(2, self.edge.name, f"{self.edge.name}-boot", 1))

    def hear(self) -> int:
        """Take one message in; milliseconds until it says hello again, 0: not."""
        message = self.edge.next()
        if isinstance(message, Wait):
            self.waits += 1
            return message.after_ms + random.randrange(1, 100)
        if isinstance(message, CityHello | CityHeartbeat):
            self.welcomed |= isinstance(message, CityHello)
            if self.welcomed and message.credit and not self.sent:
                self.edge.say(self.batch)
                self.sent = True
        elif isinstance(message, Ack):
            self.acked = True
        return 0


def storm(nodes: list[Node]) -> None:
    """Return once every node's batch is acked."""
    poller, by_socket = zmq.Poller(), {node.edge.socket: node for node in nodes}
    for socket in by_socket:
        poller.register(socket, zmq.POLLIN)
    again: list[tuple[float, int]] = []
    end, left = time.monotonic() + BOUND_S, len(nodes)
    while left:
        now = time.monotonic()
        assert now < end, f"{left} of {len(nodes)} are not acked after {BOUND_S} s"
        while again and again[0][0] <= now:
            nodes[heapq.heappop(again)[1]].hello()
        for socket, _ in poller.poll(20):
            node = by_socket[socket]
            had = node.acked
            wait_ms = node.hear()
            if wait_ms:
                heapq.heappush(again, (now + wait_ms / 1000, nodes.index(node)))
            left -= node.acked and not had


def test_all_come_back_at_once_and_are_served(tmp_path: Path, kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    names = tuple(f"edge-{at}" for at in range(NODES))
    city = CityFolder(tmp_path, names)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 2 * NODES + 64)
    nodes = [
        Node(Edge(city, name, context, RECONNECT_IVL=100), replace(kit.batch(0, 100), thing=f"board-{at}"))
        for at, name in enumerate(names)
    ]
    for node in nodes:
        node.hello()
    try:
        with city.running():
            began = time.monotonic()
            storm(nodes)
            took_s = time.monotonic() - began
            status = city.get("/status")
            assert status["samples"] == 100 * NODES
            assert city.get("/ledger")["totals"]["unexplained"] == 0
            assert status["caps"]["admission"]["admitted"] >= NODES
            waits = sum(node.waits for node in nodes)
            with capsys.disabled():
                print(f"\n{NODES} edge nodes at once: all acked after {took_s:.1f} s, {waits} waits told")
    finally:
        context.destroy(0)
