"""An edge node as a process, with a scripted board on a PTY and a small city on real CURVE sockets."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx

from protocol import city_link as cl
from protocol.ranges import Ranges
from tests.waiting import LIMIT_S

from .scripted_board import KEY, ScriptedBoard
from .small_city import SmallCity, write_keys

REPOSITORY = Path(__file__).parents[2]
PROGRAM = """
import asyncio, sys, tomllib
from pathlib import Path
from edge_node.config import parse
from edge_node.node import run
path = Path(sys.argv[1])
asyncio.run(run(parse(tomllib.loads(path.read_text()), path.parent)))
"""
CONFIG = """
[edge]
id = "edge-1"
data_dir = "edge"
api = "unix:edge/api.sock"
[[boards]]
thing = "river-1"
port = "{port}"
key_file = "keys/river-1.key"
[city]
endpoint = "tcp://127.0.0.1:{city}"
server_public_file = "keys/city.public"
public_file = "keys/edge-1.public"
secret_file = "keys/edge-1.secret"
verify_key_file = "keys/sign.public"
[processes]
files = [{files}]
templates = ["templates"]
[guard]
city_lease_ms = {city_lease_ms}
"""
TEMPLATE = """
import numpy as np
from pydantic import BaseModel
from processes.contract import Outcome, Port, Proposal
PORTS = {"level": Port("water_surface_height", "m", "sense", False), "gate": Port("o", "1", "respond", False)}
class Site(BaseModel):
    pass
def start(site, seed):
    return {}
def step(site, state, now_utc_us, seen):
    if not seen["level"].value.size:
        return Outcome(state, (), (), ())
    setpoint = 0.9 if seen["level"].value[-1] > 1.2 else 0.4
    return Outcome(state, (), (), (Proposal("gate", setpoint, 5000, "test"),))
"""
PROCESS = """
template = "follow"
runs_on = "both"
every_s = 0.2
lateness_s = 5
[senses]
level = "edge-1/river-1.water_level"
[responds]
gate = { actuator = "river-1/opening", observe = "river-1/opening_feedback", within_s = 5 }
"""


class Stack:
    """Board, city, and an edge process that can be killed and started."""

    def __init__(self, folder: Path, process: bool = False, more: str = "", city_lease_ms: int = 60_000) -> None:
        """`more`: sections to add to the edge's configuration; `city_lease_ms`: long, so that no slow test loses it."""
        self.folder = folder
        self.keys = write_keys(folder / "keys")
        (folder / "keys" / "river-1.key").write_bytes(KEY)
        for path in (folder / "keys").iterdir():
            path.chmod(0o600)
        self.board = ScriptedBoard().start()
        self.city = SmallCity((self.keys["city.public"], self.keys["city.secret"])).start()
        if process:
            (folder / "templates" / "follow").mkdir(parents=True)
            (folder / "templates" / "follow" / "process.py").write_text(TEMPLATE)
            (folder / "follow.toml").write_text(PROCESS)
        files = '"follow.toml"' if process else ""
        text = CONFIG.format(port=self.board.path, city=self.city.port, files=files, city_lease_ms=city_lease_ms)
        (folder / "edge.toml").write_text(text + more)
        self.edge: subprocess.Popen[bytes] | None = None

    def start_edge(self) -> None:
        log = (self.folder / "edge.log").open("ab")
        command = [sys.executable, "-c", PROGRAM, str(self.folder / "edge.toml")]
        self.edge = subprocess.Popen(command, stderr=log, stdout=log, cwd=REPOSITORY)

    def stop_edge(self, number: int = signal.SIGTERM) -> int:
        assert self.edge is not None
        self.edge.send_signal(number)
        return self.edge.wait(LIMIT_S)

    def get(self, page: str) -> dict:
        transport = httpx.HTTPTransport(uds=str(self.folder / "edge" / "api.sock"))
        with httpx.Client(transport=transport) as client:
            return client.get(f"http://edge/{page}").json()

    def stored(self, thing: str) -> int:
        return sum(r.total() for (name, _), r in self.city.stored.items() if name == thing)

    def everything_arrived(self) -> bool:
        """Whether the city has every sample of each account in the newest heartbeat."""
        beats = self.city.of(cl.Heartbeat)
        accounts = beats[-1].accounts if beats else []
        return bool(accounts) and all(self._accounted(account) for account in accounts)

    def _accounted(self, account: dict) -> bool:
        key = account["thing"], account["boot"]
        have = self.city.stored.get(key, Ranges()).union(self.city.lost.get(key, Ranges()))
        return have.union(Ranges(account["buffered"])).covers(0, account["sent"])

    def story(self) -> str:
        """What the city heard last of tasks, leases and the node, and the end of the node's log."""
        kinds = ((cl.TaskReport, 5), (cl.LeaseState, 3), (cl.Heartbeat, 1))
        heard = [f"{message}" for kind, n in kinds for message in self.city.of(kind)[-n:]]
        log = self.folder / "edge.log"
        end = log.read_text(errors="replace")[-1500:] if log.exists() else ""
        return "\n".join([f"the board took {len(self.board.tasks)} tasks; the city heard last:", *heard, end])

    def close(self) -> None:
        """End what still runs; what was last seen is shown if the test fails."""
        print(self.story())
        if self.edge is not None and self.edge.poll() is None:
            self.stop_edge(signal.SIGKILL)
        self.board.stop()
        self.city.kill()
