"""Caps of the real aggregator process: slow consumers, floods, idle connections, a full disk, too few descriptors."""

import asyncio
import os
import re
import resource
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq
from city_process import CityFolder, Edge

from aggregator import app
from aggregator.caps import descriptors
from aggregator.config import parse
from aggregator.errors import DescriptorError
from protocol.city_link import MAX_MESSAGE, Ack, CityHeartbeat, CityHello, EdgeHello, StoredAsk
from tests.waiting import until

pytestmark = pytest.mark.system
ENDLESS = 30_000  # parts of one message: it has to grow for longer than the second between two looks


@pytest.fixture
def city(tmp_path: Path) -> CityFolder:
    return CityFolder(tmp_path, ("edge-1", "edge-2"), limits={"credit_per_edge": 8})


@pytest.fixture
def edges(city: CityFolder) -> Iterator[tuple[Edge, Edge]]:
    made = Edge(city, "edge-1"), Edge(city, "edge-2")
    yield made
    for edge in made:
        edge.close()


def of_other(kit: Any, at: int) -> Any:
    return replace(kit.batch(at * 10, 10), thing="mast-1")


def refused(city: CityFolder) -> dict[str, int]:
    found: dict[str, int] = city.get("/status")["refused"]
    return found


def resident_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) >> 10  # type: ignore[index]


def test_a_flood_is_bounded_counted_and_others_are_served(
    city: CityFolder, edges: tuple[Edge, Edge], kit: Any
) -> None:
    flood, calm = edges
    with city.running() as process:
        flood.hello()
        calm.hello()
        calm.deliver(of_other(kit, 0))
        before = resident_mb(process.pid)
        big = kit.batch(0, 5000)
        flood.socket.setsockopt(zmq.SNDTIMEO, 20_000)
        for at in range(400):
            flood.say(replace(big, first=at * 5000))
            if at % 40 == 0:
                calm.deliver(of_other(kit, 1 + at // 40))
        until(lambda: refused(city).get("over_credit", 0) > 0, "the flood is counted")
        calm.deliver(of_other(kit, 100))
        assert resident_mb(process.pid) - before < 200
        assert city.get("/status")["caps"]["credit"]["over_credit"] == refused(city)["over_credit"]


def greeted(edge: Edge) -> bool:
    """Whether the city answers a hello now: one that was on its way when the links began anew is lost."""
    edge.say(EdgeHello(2, edge.name, f"{edge.name}-boot", 1, 1, 0))
    while edge.socket.poll(500):
        if isinstance(edge.next(), CityHello):
            return True
    return False


def test_a_message_that_never_ends_costs_its_links_and_not_the_memory(tmp_path: Path) -> None:
    city = CityFolder(tmp_path, ("edge-1", "edge-2"), limits={"memory_mb": 64})
    with city.running() as process:
        until(lambda: refused(city).get("memory") == 1, "the process alone is above this cap, and its links begin anew")
        before = resident_mb(process.pid)
        flood, calm = Edge(city, "edge-1", SNDHWM=0), Edge(city, "edge-2")
        flood.hello()
        calm.hello()
        part = bytes(MAX_MESSAGE)

        def flooded() -> bool:
            for _ in range(ENDLESS):
                flood.socket.send(part, zmq.SNDMORE, copy=False)
            flood.socket.send(b"")
            for _ in range(40):
                if refused(city).get("memory", 0) > 1:
                    return True
                process.poll()
                calm.socket.poll(100)
            return False

        until(flooded, "the links begin anew")
        until(lambda: greeted(calm), "the other node is served again")
        assert resident_mb(process.pid) - before < ENDLESS * MAX_MESSAGE >> 20
        flood.close()
        calm.close()


def test_a_node_that_never_reads_is_dropped_counted_and_costs_little(tmp_path: Path, kit: Any) -> None:
    city = CityFolder(tmp_path, ("edge-1", "edge-2"), limits={"send_queue": 8})
    with city.running() as process:
        calm = Edge(city, "edge-2")
        calm.hello()
        before = resident_mb(process.pid)
        reader = Edge(city, "edge-1")
        reader.hello()
        reader.say(kit.info())
        for first in range(0, 5000, 200):
            reader.deliver(*(kit.batch(2 * at, 1) for at in range(first, first + 200)))
        reader.close()
        deaf = Edge(city, "edge-1", RCVHWM=1, RCVBUF=2048)
        deaf.hello()

        def asks_and_does_not_listen() -> bool:
            deaf.say(*[StoredAsk(kit.thing, kit.boot)] * 20)  # the answer has 20 parts
            return "slow_consumer" in refused(city)

        until(asks_and_does_not_listen, "the slow consumer is counted")
        assert resident_mb(process.pid) - before < 200
        calm.deliver(of_other(kit, 1))
        deaf.close()
        calm.close()


def test_idle_connections_up_to_the_limit_do_not_lock_nodes_out(tmp_path: Path, kit: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    city = CityFolder(
        tmp_path, listen={"endpoint": f"tcp://127.0.0.1:{port}"}, limits={"max_connections": 64}
    )
    with city.running() as process:
        idle: list[socket.socket] = []
        most = 0
        for _ in range(400):
            idle.append(socket.create_connection(("127.0.0.1", port), timeout=90))
            most = max(most, len(list(Path(f"/proc/{process.pid}/fd").iterdir())))
        assert most <= 64 + 128
        edge = Edge(city)
        edge.hello()
        edge.deliver(kit.batch(0, 10))
        for one in idle:
            one.close()
        edge.close()


def test_too_few_descriptors_are_said_at_the_start(tmp_path: Path) -> None:
    city = CityFolder(tmp_path, limits={"max_connections": 1000})
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 500; exec "$@"', "sh", *city.command()],
        cwd=tmp_path, env=city.environment(), capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "1128 file descriptors are needed, the system allows 500" in done.stderr
    assert "LimitNOFILE=1128" in done.stderr


def test_the_limit_of_descriptors_is_what_is_asked() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        descriptors.reserve(300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if hard != resource.RLIM_INFINITY:
        with pytest.raises(DescriptorError):
            descriptors.reserve(hard + 1)


def test_every_option_of_the_socket_is_as_found_out(city: CityFolder, kit: Any) -> None:
    """FINDINGS: sizes, handshakes, heartbeats, unroutable peers, keepalive; asked of the living socket."""
    async def ask() -> dict[str, Any]:
        parts = app.Aggregator(parse(city.data, city.folder))
        try:
            names = (
                "ZAP_ENFORCE_DOMAIN", "MAXMSGSIZE", "HANDSHAKE_IVL", "RCVHWM", "SNDHWM",
                "HEARTBEAT_IVL", "TCP_KEEPALIVE", "TCP_KEEPALIVE_IDLE", "LINGER", "CURVE_SERVER", "ZAP_DOMAIN",
            )  # fmt: skip
            parts.gate.start()
            parts.router.bind(city.endpoint)
            found = {"SENT_TO_NOBODY": parts.router.send(b"nobody", [b"", b""])}
            for name in names:
                try:
                    found[name] = parts.router.option(getattr(zmq, name))
                except zmq.ZMQError:  # libzmq cannot be asked for this one
                    found[name] = "?"
            return found
        finally:
            parts.close()

    found = asyncio.run(ask())
    assert found["MAXMSGSIZE"] == 2 * MAX_MESSAGE
    assert (found["HANDSHAKE_IVL"], found["HEARTBEAT_IVL"]) == (1000, 0)
    assert (found["RCVHWM"], found["SNDHWM"], found["LINGER"]) == (64, 256, 0)
    assert (found["TCP_KEEPALIVE"], found["TCP_KEEPALIVE_IDLE"]) == (1, 30)
    assert (found["CURVE_SERVER"], found["ZAP_DOMAIN"]) == (1, b"city")
    assert found["ZAP_ENFORCE_DOMAIN"] in (1, "?")
    assert found["SENT_TO_NOBODY"] is False, "ROUTER_MANDATORY tells of peers that are gone"


def on_a_small_disk(tmp_path: Path, size: str, **limits: int) -> tuple[CityFolder, tuple[str, ...]]:
    """A city whose data lies on a tmpfs of its own, and what starts it there."""
    city = CityFolder(tmp_path, city={"api": "unix:api.sock"}, limits=limits)
    (tmp_path / "city").mkdir()
    script = f'mount -t tmpfs -o size={size} none city && exec "$@"'
    return city, ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh")


def fill(disk: Path, leave: int) -> Path:
    """Fill the disk of a folder until about `leave` bytes are free; the file that does it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while (free := os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize) > leave:
            try:
                file.write(bytes(min(1 << 16, free - leave)))
            except OSError:
                break
    return filler


@pytest.mark.parametrize(
    ("min_free_mb", "leave", "told"), [(8, 4 << 20, "min_free_mb"), (0, 0, "")], ids=["low", "full"]
)
def test_no_acks_without_room_and_again_once_there_is(
    tmp_path: Path, kit: Any, min_free_mb: int, leave: int, told: str
) -> None:
    city, prefix = on_a_small_disk(tmp_path, "32m", min_free_mb=min_free_mb)
    with city.running(*prefix) as process:
        disk = Path(f"/proc/{process.pid}/root{tmp_path}/city")
        edge = Edge(city)
        edge.hello()
        edge.say(kit.info())
        edge.deliver(kit.batch(0, 4000))
        filler = fill(disk, leave)
        if told:
            until(lambda: any(told in line for line in city.get("/status")["alarms"]), "the status says so")
            assert not city.get("/health")["ok"]
            edge.hear(CityHeartbeat, lambda beat: beat.credit == 0)
        batches = [kit.batch(4000 * at, 4000) for at in range(1, 8)]
        edge.say(*batches)
        if told:
            until(lambda: refused(city).get("paused", 0) >= 7, "the batches are refused")
        else:
            until(lambda: "disk full: no acks" in city.log(), "the full disk is met")
        heard = [edge.next() for _ in range(50) if edge.socket.poll(10)]
        acked = {span for ack in heard if isinstance(ack, Ack) for span in ack.ranges}
        stored = city.get("/status")["samples"]
        assert sum(end - first for first, end in acked) <= stored - 4000, "acked only what is stored"
        filler.unlink()
        until(lambda: not city.get("/status")["alarms"], "there is room again")
        edge.hear(CityHeartbeat, lambda beat: beat.credit > 0)
        for batch in batches:
            edge.say(batch)
            until(lambda: again(edge, batch), "acked at last")  # noqa: B023 (called at once)
        assert city.get("/ledger")["totals"]["stored"] == 32_000
        edge.close()


def again(edge: Edge, batch: Any) -> bool:
    """Send a batch once more, as an edge does; whether it is acked now."""
    edge.say(batch)
    while edge.socket.poll(500):
        message = edge.next()
        if isinstance(message, Ack) and any(a <= batch.first and batch.first + batch.n <= b for a, b in message.ranges):
            return True
    return False
