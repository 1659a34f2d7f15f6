"""A real city and a real edge node as processes of `city`, a board on a PTY, and links that a test makes itself."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import tomlkit
import zmq
from zmq.utils.monitor import recv_monitor_message

from protocol import city_link as cl
from service import audit
from tests.command import city
from tests.waiting import LIMIT_S, until

from .scripted_board import KEY, ScriptedBoard

REPOSITORY = Path(__file__).parents[2]


class Link:
    """A DEALER under a key pair of its own: says what it is told, hears what comes, knows how its handshake ended."""

    def __init__(self, endpoint: str, server: bytes, pair: tuple[bytes, bytes]) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.curve_serverkey = server
        self.socket.curve_publickey, self.socket.curve_secretkey = pair
        self.socket.linger = 0
        self.socket.reconnect_ivl = 50
        self.monitor = self.socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED
        )
        self.events: list[int] = []
        self.socket.connect(endpoint)

    def say(self, message: Any) -> None:
        self.socket.send_multipart(cl.encode(message))

    def hear(self, kind: type, limit_s: float = LIMIT_S) -> Any:
        """The next message of this kind."""
        return until(lambda: next((m for m in self.heard() if isinstance(m, kind)), None), kind.__name__, limit_s)

    def heard(self) -> list[Any]:
        """What has come since the last call."""
        found = []
        while self.socket.poll(0):
            found.append(cl.decode(self.socket.recv_multipart()))
        return found

    def saw(self, event: int) -> bool:
        """Whether the monitor told of this event."""
        while self.monitor.poll(0):
            self.events.append(recv_monitor_message(self.monitor)["event"])
        return event in self.events

    def close(self) -> None:
        self.context.destroy(0)


class Town:
    """One folder with aggregator.toml and edge.toml, made by `city keys init`; processes that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.board = ScriptedBoard().start()
        self.endpoint, self.door = f"ipc://{folder}/link", f"ipc://{folder}/door"
        self._write("aggregator.toml", self._aggregator())
        self._write("edge.toml", self.edge("edge-1"))
        for config in ("aggregator.toml", "edge.toml"):
            self.city("keys", "init", "--config", config)
        (folder / "keys" / "river-1.key").write_bytes(KEY)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.links: list[Link] = []

    def _write(self, name: str, data: dict[str, Any]) -> Path:
        path = self.folder / name
        path.write_text(tomlkit.dumps(data))
        return path

    def _aggregator(self) -> dict[str, Any]:
        return {
            "city": {"data_dir": "city", "api": "unix:city/api.sock"},
            "clock": {"trust": "host"},  # whatever the time service of this machine says
            "listen": {"endpoint": self.endpoint, "public_file": "keys/city.public", "secret_file": "keys/city.secret"},
            "enrol": {"endpoint": self.door},
            "keys": {"grace_s": 3.0},
            "signing": {"secret_file": "keys/sign.secret"},
        }

    def edge(self, name: str) -> dict[str, Any]:
        """The configuration of an edge node."""
        return {
            "edge": {"id": name, "data_dir": "edge", "api": "unix:edge/api.sock"},
            "boards": [{"thing": "river-1", "port": self.board.path, "key_file": "keys/river-1.key"}],
            "city": {
                "endpoint": self.endpoint, "server_public_file": "keys/known/city.public",
                "secret_file": "keys/edge-1.secret", "verify_key_file": "keys/known/sign.public",
            },
        }  # fmt: skip

    def city(self, *words: str, code: int = 0, given: str = "") -> str:
        """The stdout of `city WORDS` in this folder, else its stderr; it must end with `code`."""
        return run_city(self.folder, *words, codes=(code,), given=given)

    def start(self, name: str) -> None:
        """Start "aggregator" or "edge"; return when it is ready."""
        (self.folder / "logs").mkdir(exist_ok=True)
        path = self.folder / "logs" / f"{name}.log"
        ready = path.read_text().count("ready") + 1 if path.exists() else 1
        with path.open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "cityreflex", name, "run", "--config", f"{name}.toml"],
                cwd=self.folder, stdout=log, stderr=log, env=environment(),
            )  # fmt: skip
        process = self.running[name]
        until(lambda: path.read_text().count("ready") >= ready or process.poll() is not None, f"{name} is ready")
        assert process.poll() is None, path.read_text()

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        process = self.running.pop(name)
        process.send_signal(number)
        process.wait(LIMIT_S)

    def enrol_edge(self) -> None:
        """Let the real edge node in, before it starts."""
        token = self.city("keys", "enroll", "edge-1", "--config", "aggregator.toml")
        self.city("keys", "enroll", "--token", "-", "--config", "edge.toml", given=token)

    def enrol(self, name: str) -> tuple[bytes, bytes]:
        """The pair of a made-up edge node that has been enrolled."""
        config = self.edge(name)
        for key in ("server_public_file", "secret_file", "verify_key_file"):
            config["city"][key] = f"keys/{name}/{key}"
        self._write(f"{name}.toml", config)
        token = self.city("keys", "enroll", name, "--config", "aggregator.toml")
        self.city("keys", "enroll", "--token", "-", "--config", f"{name}.toml", given=token)
        secret = (self.folder / "keys" / name / "secret_file").read_bytes()
        return zmq.curve_public(secret), secret

    def link(self, pair: tuple[bytes, bytes] | None = None) -> Link:
        """A link to the city; without a pair, a stranger's."""
        server = (self.folder / "keys" / "city.public").read_bytes()
        self.links.append(Link(self.endpoint, server, pair or zmq.curve_keypair()))
        return self.links[-1]

    def get(self, page: str, part: str = "city") -> Any:
        """A page of the city's or the edge's interface."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.folder / part / "api.sock"))) as client:
            return client.get(f"http://{part}/{page}", timeout=LIMIT_S).raise_for_status().json()

    def refusal(self, reason: str, where: str = "city") -> dict[str, Any]:
        """The row of `refusals` with this reason, once there is one."""

        def found() -> dict[str, Any] | None:
            rows = self.get("status")["refusals"]
            return next((row for row in rows if (row["reason"], row["where"]) == (reason, where)), None)

        return dict(until(found, f"{reason} refused at {where}"))

    def audited(self, reason: str, part: str = "city") -> dict[str, Any]:
        """The first line of the audit log with this reason, once there is one."""
        rows = lambda: (row for row in audit.read(self.folder / part) if row.get("reason") == reason)  # noqa: E731
        return dict(until(lambda: next(rows(), None), f"{reason} audited"))

    def status_text(self) -> str:
        """What `city status` prints, whether all is well or not."""
        return run_city(self.folder, "status", "--dir", ".", codes=(0, 1))

    def close(self) -> None:
        for link in self.links:
            link.close()
        for process in self.running.values():
            process.kill()
            process.wait(LIMIT_S)
        self.board.stop()


def run_city(folder: Path, *words: str, codes: tuple[int, ...] = (0,), given: str = "") -> str:
    """The stdout of `city WORDS` as if called in `folder`, else its stderr; it must end with one of these codes."""
    said = city(folder, *words, given=given)
    assert said.code in codes, (words, said)
    return said.out or said.err


def environment() -> dict[str, str]:
    """The environment of a `city` process."""
    return {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONPATH": str(REPOSITORY)}


@contextlib.contextmanager
def a_town(folder: Path) -> Any:
    """A town that is torn down, whatever happens."""
    town = Town(folder)
    try:
        yield town
    finally:
        town.close()
