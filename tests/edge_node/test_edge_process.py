"""The edge node as a process, with a scripted board on a PTY and a small city: nothing is lost, whatever dies."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from protocol import city_link as cl
from protocol import task_codes as codes
from protocol import tasks
from protocol.ranges import Ranges

from .scripted_board import KEY, ScriptedBoard
from .small_city import PULSE, SmallCity, write_keys

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
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


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        with PULSE:
            PULSE.wait(0.1)


class Stack:
    """Board, city, and an edge process that can be killed and started."""

    def __init__(self, folder: Path, process: bool = False) -> None:
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
        (folder / "edge.toml").write_text(CONFIG.format(port=self.board.path, city=self.city.port, files=files))
        self.edge: subprocess.Popen[bytes] | None = None

    def start_edge(self) -> None:
        log = (self.folder / "edge.log").open("ab")
        command = [sys.executable, "-c", PROGRAM, str(self.folder / "edge.toml")]
        self.edge = subprocess.Popen(command, stderr=log, stdout=log, cwd=REPOSITORY)

    def stop_edge(self, number: int = signal.SIGTERM) -> int:
        assert self.edge is not None
        self.edge.send_signal(number)
        return self.edge.wait(20)

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
        have = self.city.stored.get((account["thing"], account["boot"]), Ranges())
        return have.union(Ranges(account["buffered"])).covers(0, account["sent"])


@pytest.fixture
def stack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    made = Stack(tmp_path, process=getattr(request, "param", False))
    made.start_edge()
    yield made
    if made.edge is not None and made.edge.poll() is None:
        made.stop_edge(signal.SIGKILL)
    made.board.stop()
    made.city.kill()


def test_samples_reach_the_city_unchanged_and_are_accounted_for(stack: Stack) -> None:
    until(lambda: stack.stored("river-1") > 100 and stack.stored("edge-1") > 50)
    until(stack.everything_arrived)
    assert stack.city.conflicts == 0
    assert stack.city.infos["river-1", stack.board.boot_text].vm == "scripted 1"
    health = stack.get("health")
    assert health["boards"][0]["link"] == "up" and health["boards"][0]["clock"]["synced"]
    assert stack.get("ledger")["totals"]["unexplained"] == 0
    assert json.dumps(health)
    assert stack.stop_edge() == 0
    assert b"Traceback" not in (stack.folder / "edge.log").read_bytes()


def test_kill_9_of_the_edge_loses_nothing(stack: Stack) -> None:
    for _ in range(3):
        already = stack.stored("river-1")
        until(lambda already=already: stack.stored("river-1") > already + 30)
        stack.stop_edge(signal.SIGKILL)
        stack.start_edge()
    already = stack.stored("river-1")
    until(lambda: stack.stored("river-1") > already + 50 and stack.everything_arrived())
    boots = {hello.boot for hello in stack.city.of(cl.EdgeHello)}
    assert len(boots) == 4, "each start has its own boot id"
    assert stack.city.conflicts == 0


def test_a_city_that_was_away_gets_the_backlog(stack: Stack) -> None:
    until(lambda: stack.stored("river-1") > 20)
    stack.city.kill()
    stored, head = stack.stored("river-1"), stack.board.head
    until(lambda: stack.board.head > head + 100)
    assert stack.stored("river-1") == stored
    stack.city.start()
    until(lambda: stack.stored("river-1") > stored + 100 and stack.everything_arrived())


def order(stack: Stack, setpoint: float, fence: int, **changes) -> tasks.Task:
    beat = stack.city.of(cl.Heartbeat)[-1]
    task = tasks.Task(
        task_id=tasks.task_id("test", time.monotonic_ns(), "gate"), actuator="river-1/opening",
        setpoint=setpoint, lease_ms=8000, instance="test", step_utc_us=0, edge="edge-1",
        edge_boot=beat.boot, not_after_us=beat.boottime_us + 4_000_000, fence=fence,
    )  # fmt: skip
    for name, value in changes.items():
        setattr(task, name, value)
    payload = tasks.encode(task)
    stack.city.outbox.append(cl.TaskOrder(tasks.sign(stack.keys["sign.private"], payload), payload))
    return task


def last_state(stack: Stack, task: tasks.Task) -> int | None:
    reports = [r for r in stack.city.of(cl.TaskReport) if r.task_id == task.task_id]
    return reports[-1].state if reports else None


def test_an_order_moves_the_gate_once_and_is_observed(stack: Stack) -> None:
    until(lambda: stack.stored("river-1") > 20)
    stack.city.outbox.append(cl.LeaseRequest("river-1/opening", "city"))
    until(lambda: any(lease.holder == "city" for lease in stack.city.of(cl.LeaseState)))
    fence = max(lease.fence for lease in stack.city.of(cl.LeaseState))
    task = order(stack, 0.7, fence)
    stack.city.outbox.append(stack.city.outbox[-1])
    until(lambda: last_state(stack, task) == codes.OBSERVED)
    assert stack.board.tasks == [task.task_id]
    until(lambda: stack.board.renewals >= 2)
    late = order(stack, 0.5, fence, not_after_us=1)
    until(lambda: last_state(stack, late) == codes.EXPIRED)
    assert stack.board.tasks == [task.task_id]


@pytest.mark.parametrize("stack", [True], indirect=True)
def test_without_the_city_the_local_process_moves_the_gate(stack: Stack) -> None:
    until(lambda: stack.stored("river-1") > 20)
    assert not stack.board.tasks
    stack.city.kill()
    until(lambda: stack.board.tasks)
    assert stack.board.position == pytest.approx(0.4)
    stack.board.frozen_level = 1.5
    until(lambda: stack.board.position == pytest.approx(0.9))
    stack.city.start()
    until(lambda: any(r.state == codes.OBSERVED and r.task for r in stack.city.of(cl.TaskReport)))
    until(stack.everything_arrived)


def test_a_board_that_restarts_begins_a_new_stream(stack: Stack) -> None:
    until(lambda: stack.stored("river-1") > 20)
    stack.board.restart()
    until(lambda: ("river-1", stack.board.boot_text) in stack.city.stored)
    until(lambda: len([a for a in stack.city.of(cl.Heartbeat)[-1].accounts if a["thing"] == "river-1"]) == 2)
