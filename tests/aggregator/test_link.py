"""The running aggregator and a scripted edge with real CURVE sockets; kill -9 and restart."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import zmq
import zmq.asyncio

from aggregator import app
from aggregator.config import parse
from aggregator.store import reader
from aggregator.store.store import Store
from protocol import city_link, tasks
from protocol.city_link import Ack, CityHeartbeat, EdgeHello, LeaseRequest, LeaseState, TaskOrder
from tests.waiting import LIMIT_S

RUN = """
import asyncio, json, sys
from pathlib import Path
from aggregator.app import run
from aggregator.config import parse
asyncio.run(run(parse(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[1]).parent)))
"""


class Site:
    """A config folder with keys: what the run directory holds for a city with one edge."""

    def __init__(self, folder: Path, templates: Path) -> None:
        self.folder = folder
        self.keys = {name: zmq.curve_keypair() for name in ("city", "edge-1", "stranger")}
        self.private, self.public = tasks.new_keys()
        for name, (public, secret) in self.keys.items():
            (folder / f"{name}.public").write_bytes(public)
            (folder / f"{name}.secret").write_bytes(secret)
        (folder / "sign.secret").write_text(self.private.hex())
        for path in folder.glob("*.secret"):
            path.chmod(0o600)
        (folder / "opener.toml").write_text(
            'template = "opener"\nevery_s = 0\n[senses]\nlevel = "river-1/water_level"\n[responds]\n'
            'gate = { actuator = "river-1/opening", observe = "river-1/feedback" }\n'
        )
        self.endpoint = f"ipc://{folder}/link"
        self.data = {
            "city": {"data_dir": "city", "api": "unix:api.sock"}, "clock": {"trust": "host"},
            "listen": {"endpoint": self.endpoint, "public_file": "city.public", "secret_file": "city.secret"},
            "edges": [{"id": "edge-1", "public_file": "edge-1.public"}],
            "signing": {"secret_file": "sign.secret"},
            "processes": {"files": ["opener.toml"], "templates": [str(templates)]},
            "store": {"seal_every_s": 0.2, "keep_hot_commits": 3},
        }
        (folder / "aggregator.json").write_text(json.dumps(self.data))

    def get(self, path: str) -> Any:
        transport = httpx.HTTPTransport(uds=str(self.folder / "api.sock"))
        with httpx.Client(transport=transport, base_url="http://city", timeout=90) as client:
            return client.get(path).raise_for_status().json()


class ScriptedEdge:
    """A DEALER with CURVE that says what it is told and waits for what it wants."""

    def __init__(self, context: Any, site: Site, key: str = "edge-1") -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.curve_publickey, self.socket.curve_secretkey = site.keys[key]
        self.socket.curve_serverkey = site.keys["city"][0]
        self.socket.linger = 0
        self.socket.reconnect_ivl = 50
        self.socket.connect(site.endpoint)

    async def say(self, *messages: Any) -> None:
        for message in messages:
            await self.socket.send_multipart(city_link.encode(message))

    async def hear(self, kind: type, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        """The next message of this kind that is wanted. Raises: TimeoutError."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                message = city_link.decode(await self.socket.recv_multipart())
                if isinstance(message, kind) and wanted(message):
                    return message


@pytest.fixture
def site(tmp_path: Path, kit: Any) -> Site:
    return Site(tmp_path, kit.templates)


@pytest.fixture
def context() -> Iterator[Any]:
    made = zmq.asyncio.Context()
    yield made
    made.destroy(0)


async def serving(site: Site) -> AsyncIterator[app.Aggregator]:
    """The aggregator in this loop, without signals and HTTP."""
    parts = app.Aggregator(parse(site.data, site.folder))
    parts.gate.start()
    parts.router.bind(site.endpoint)
    loop = asyncio.create_task(parts.serve())
    try:
        yield parts
    finally:
        parts.stopping = True
        await loop
        parts.close()


def run(site: Site, script: Callable[[app.Aggregator], Any]) -> None:
    async def main() -> None:
        async for parts in serving(site):
            await script(parts)

    asyncio.run(main())


def test_an_unknown_key_gets_nothing(site: Site, kit: Any) -> None:
    async def script(parts: app.Aggregator) -> None:
        context = zmq.asyncio.Context()
        stranger, edge = ScriptedEdge(context, site, "stranger"), ScriptedEdge(context, site)
        monitor = stranger.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        await stranger.say(EdgeHello(1, "edge-1", "eb-1", 1), kit.batch(0, 4))
        async with asyncio.timeout(LIMIT_S):
            await monitor.recv_multipart()
        await edge.say(EdgeHello(1, "edge-1", "eb-1", 1))
        await edge.hear(CityHeartbeat)
        assert not await stranger.socket.poll(0)
        assert parts.gate.refused["unknown_key"] >= 1
        assert not parts.city.ingest.stored
        context.destroy(0)

    run(site, script)


def test_without_a_gatekeeper_nobody_comes_in(site: Site, kit: Any) -> None:
    async def script(parts: app.Aggregator) -> None:
        parts.gate.stop()
        assert not parts.gate.alive
        context = zmq.asyncio.Context()
        edge = ScriptedEdge(context, site)
        monitor = edge.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_DISCONNECTED)
        await edge.say(EdgeHello(1, "edge-1", "eb-1", 1))
        async with asyncio.timeout(LIMIT_S):
            await monitor.recv_multipart()
        assert not parts.city.sessions.connected()
        context.destroy(0)
        parts.gate = type("Stopped", (), {"stop": lambda _: None})()

    run(site, script)


def test_an_ack_leaves_after_the_commit(site: Site, kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []

    async def script(parts: app.Aggregator) -> None:
        commit, send = parts.store.commit, parts.router.send

        async def committing(writes: Any) -> None:
            await commit(writes)
            happened.extend(f"stored {frame.first}" for frame in writes.group.frames)

        def sending(routing_id: bytes, parts_: list[bytes]) -> bool:
            message = city_link.decode(parts_)
            if isinstance(message, Ack):
                happened.extend(f"acked {first}" for first, _ in message.ranges)
            return send(routing_id, parts_)

        monkeypatch.setattr(parts.store, "commit", committing)
        monkeypatch.setattr(parts.router, "send", sending)
        context = zmq.asyncio.Context()
        edge = ScriptedEdge(context, site)
        for first in (0, 100, 200):
            await edge.say(kit.batch(first, 10))
            await edge.hear(Ack, lambda ack, at=first: (at, at + 10) in ack.ranges)
        await edge.say(kit.batch(0, 10))
        await edge.hear(Ack)
        context.destroy(0)

    run(site, script)
    assert happened == [
        "stored 0",
        "acked 0",
        "stored 100",
        "acked 100",
        "stored 200",
        "acked 200",
        "acked 0",
    ]


def test_an_order_reaches_the_edge_signed_and_its_report_the_city(site: Site, kit: Any) -> None:
    async def script(parts: app.Aggregator) -> None:
        context = zmq.asyncio.Context()
        edge = ScriptedEdge(context, site)
        now = parts.now()
        await edge.say(EdgeHello(1, "edge-1", "eb-1", now.us), kit.info(), kit.heartbeat(now.us, 1))
        await edge.hear(LeaseRequest, lambda m: m.actuator == "river-1/opening")
        await edge.say(LeaseState("river-1/opening", "city", 3, now.us + 60_000_000))
        batch, at = kit.batch(0, 1, 1.5), parts.now()
        clock = type(kit.clock)(0, at.utc_us, 1.0, 1.0, True)
        await edge.say(kit.heartbeat(at.us, 1), type(batch)(**{**vars(batch), "clock": clock}))
        order = await edge.hear(TaskOrder)
        assert tasks.verify(site.public, order.task, order.signature)
        task = tasks.decode(order.task)
        assert (task.setpoint, task.fence) == (0.75, 3)
        stored = parts.store.tasks(5)
        assert [r.task.task_id for r in stored] == [task.task_id]
        await edge.say(city_link.TaskReport(task.task_id, 6, 0, "", 0.8))
        await edge.say(kit.batch(1, 1))
        await edge.hear(Ack)
        assert parts.city.dispatcher.book.by_id[task.task_id].state == 6
        context.destroy(0)

    run(site, script)


def start(site: Site) -> "subprocess.Popen[bytes]":
    """The aggregator as a process of its own, ready."""
    command = [sys.executable, "-c", RUN, str(site.folder / "aggregator.json")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stderr is not None
    for line in process.stderr:
        if b"ready" in line:
            return process
    raise AssertionError("the aggregator ended before it was ready")


@pytest.mark.system
def test_kill_9_in_the_middle_loses_and_doubles_nothing(site: Site, kit: Any) -> None:
    process = start(site)

    async def script() -> None:
        nonlocal process
        context = zmq.asyncio.Context()
        edge = ScriptedEdge(context, site)
        await edge.say(EdgeHello(1, "edge-1", "eb-1", 1), kit.info())
        acked: set[int] = set()
        for life in range(3):
            wanted = range(life * 40, life * 40 + 60)
            for at in wanted:
                await edge.say(kit.batch(at * 10, 10))
            while len(acked) < life * 40 + 25:
                ack = await edge.hear(Ack)
                acked |= {seq // 10 for first, end in ack.ranges for seq in range(first, end, 10)}
            os.kill(process.pid, signal.SIGKILL)
            process.wait(90)
            process = start(site)
        missing = [at for at in range(140) if at not in acked]
        for at in missing:
            await edge.say(kit.batch(at * 10, 10))
        while missing:
            ack = await edge.hear(Ack)
            missing = [at for at in missing if not any(a <= at * 10 < b for a, b in ack.ranges)]
        await edge.say(kit.heartbeat(1_000_000, 1400), kit.batch(0, 10))
        await edge.hear(Ack, lambda ack: (0, 10) in ack.ranges)
        context.destroy(0)

    try:
        asyncio.run(script())
        ledger = site.get("/ledger")
        assert ledger["balanced"]
        totals = {
            "sent": 1400,
            "stored": 1400,
            "buffered": 0,
            "declared_lost": 0,
            "quarantined": 0,
            "unexplained": 0,
        }
        assert ledger["totals"] == totals
        assert site.get("/health")["ok"]
        assert site.get("/status")["conflicts"] == 0
        assert {row["thing"] for row in site.get("/things")} == {"river-1"}
        assert site.get("/latest")[0]["unit"] == "m"
        for path in ("/datastreams", "/tasks", "/estimates", "/latency"):
            site.get(path)
        process.terminate()
        assert process.wait(90) == 0
        store = Store(site.folder / "city")
        with reader.samples(store.folder, lambda *_: None) as query:
            counted = query.execute("SELECT count(*), count(DISTINCT seq), max(seq) FROM samples").fetchone()
        assert counted == (1400, 1400, 1399)
        store.close()
    finally:
        process.kill()
        process.wait(90)
