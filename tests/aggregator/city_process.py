"""A real aggregator process with its folder, asked as an operator does, and scripted edge nodes on real sockets."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import tomlkit
import zmq

from protocol import city_link, tasks
from protocol.city_link import Ack, Batch, CityHello, EdgeHello, Wait
from protocol.errors import ProtocolError
from tests import command
from tests.waiting import LIMIT_S, until

ROOT = Path(__file__).parents[2]


class CityFolder:
    """A folder with keys and aggregator.toml for a city with these edges; `sections` go over the defaults."""

    def __init__(self, folder: Path, edges: tuple[str, ...] = ("edge-1",), **sections: Any) -> None:
        self.folder = folder
        self.keys = {name: zmq.curve_keypair() for name in ("city", *edges)}
        (folder / "keys").mkdir()
        for name, (public, secret) in self.keys.items():
            (folder / "keys" / f"{name}.public").write_bytes(public)
            (folder / "keys" / f"{name}.secret").write_bytes(secret)
        (folder / "keys" / "sign.secret").write_text(tasks.new_keys()[0].hex())
        for path in folder.glob("keys/*.secret"):
            path.chmod(0o600)
        self.endpoint = f"ipc://{folder}/link"
        self.data: dict[str, Any] = {
            "city": {"data_dir": "city", "api": "unix:city/api.sock"},
            "listen": {
                "endpoint": self.endpoint, "public_file": "keys/city.public", "secret_file": "keys/city.secret",
            },
            "edges": [{"id": edge, "public_file": f"keys/{edge}.public"} for edge in edges],
            "signing": {"secret_file": "keys/sign.secret"},
            "store": {"seal_every_s": 0.2, "keep_hot_commits": 3},
        }  # fmt: skip
        for name, section in sections.items():
            self.data[name] = {**self.data.get(name, {}), **section}
        self.endpoint = self.data["listen"]["endpoint"]
        (folder / "aggregator.toml").write_text(tomlkit.dumps(self.data))

    @contextmanager
    def running(self, *prefix: str) -> Iterator["subprocess.Popen[bytes]"]:
        """The aggregator as a process of its own, ready; killed at the end. `prefix`: what starts it."""
        process = self.start(*prefix)
        try:
            yield process
        finally:
            process.kill()
            process.wait(LIMIT_S)

    def start(self, *prefix: str) -> "subprocess.Popen[bytes]":
        """Start the aggregator and return once it is ready; its log goes to aggregator.log."""
        log = self.folder / "aggregator.log"
        log.touch()
        seen = log.stat().st_size
        with log.open("ab") as file:
            command, environment = [*prefix, *self.command()], self.environment()
            process = subprocess.Popen(command, stderr=file, cwd=self.folder, env=environment)
        until(lambda: b"ready" in log.read_bytes()[seen:] or process.poll() is not None, "the aggregator is ready")
        assert process.poll() is None, self.log()
        return process

    def command(self) -> list[str]:
        """What starts the aggregator, in its folder."""
        return [sys.executable, "-m", "cityreflex", "aggregator", "run", "--config", "aggregator.toml"]

    def environment(self) -> dict[str, str]:
        """The environment of our processes."""
        return {**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}

    def log(self) -> str:
        """What the aggregator wrote."""
        return (self.folder / "aggregator.log").read_text(errors="replace")

    def get(self, page: str) -> Any:
        """A page of the HTTP interface."""
        transport = httpx.HTTPTransport(uds=str(self.folder / self.data["city"]["api"].removeprefix("unix:")))
        with httpx.Client(transport=transport, base_url="http://city", timeout=LIMIT_S) as client:
            return client.get(page).raise_for_status().json()

    def ask(self, *words: str) -> tuple[int, Any, str]:
        """Exit code, JSON and stderr of `city WORDS --json --dir HERE`."""
        said = command.city(self.folder, *words, "--dir", str(self.folder), "--json")
        return said.code, json.loads(said.out) if said.out.strip() else {}, said.err


class Edge:
    """A DEALER with CURVE that says what it is told, and keeps what it hears until it is asked for."""

    def __init__(self, city: CityFolder, name: str = "edge-1", context: Any = None, **options: int) -> None:
        self.name = name
        self.socket = (context or zmq.Context.instance()).socket(zmq.DEALER)
        self.socket.curve_publickey, self.socket.curve_secretkey = city.keys[name]
        self.socket.curve_serverkey = city.keys["city"][0]
        for option, value in {"LINGER": 0, "RECONNECT_IVL": 50, **options}.items():
            self.socket.setsockopt(getattr(zmq, option), value)
        self.socket.connect(city.endpoint)
        self.heard: list[Any] = []

    def say(self, *messages: Any) -> None:
        """Send messages."""
        for message in messages:
            self.socket.send_multipart(city_link.encode(message))

    def hello(self, epoch: int = 0) -> CityHello:
        """Greet; the city's answer."""
        while True:
            self.say(EdgeHello(2, self.name, f"{self.name}-boot", 1, 1, epoch))
            answer: Any = self.hear((CityHello, Wait))
            if isinstance(answer, CityHello):
                return answer
            signal.sigtimedwait([], answer.after_ms / 1000)

    def hear(self, kind: Any, wanted: Callable[[Any], bool] = lambda _: True, limit_s: float = LIMIT_S) -> Any:
        """The next message of this kind that is wanted; fails after the limit."""
        end = time.monotonic() + limit_s
        while True:
            assert self.socket.poll(max(0, int((end - time.monotonic()) * 1000))), f"{self.name} heard no {kind}"
            message = self.next()
            if isinstance(message, kind) and wanted(message):
                return message

    def next(self) -> Any:
        """The next message, None if it is none that we know."""
        try:
            return city_link.decode(self.socket.recv_multipart())
        except ProtocolError:
            return None

    def deliver(self, *batches: Batch) -> None:
        """Send batches and return once all are acked."""
        self.say(*batches)
        left = {(batch.thing, batch.boot, batch.first, batch.first + batch.n) for batch in batches}
        while left:
            ack = self.hear(Ack)
            left -= {
                row for row in left if row[:2] == (ack.thing, ack.boot)
                and any(a <= row[2] and row[3] <= b for a, b in ack.ranges)
            }  # fmt: skip

    def close(self) -> None:
        """Close at once."""
        self.socket.close(0)


