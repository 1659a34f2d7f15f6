"""A city of real processes for kills: two scripted boards, an edge node, a proxy, an aggregator, small disks."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cityreflex.client import Client, UnreachableError
from tests.edge_node.scripted_board import KEY
from tests.edge_node.small_city import write_keys

from .boards import RememberingBoard
from .proxy import FINE, Proxy
from .zygote import Zygote

DISK_BYTES = 48 << 20
PARTS = ("edge", "city")
NO_ROOM = 1
COMMANDS = {"edge": "edge", "city": "aggregator"}
EDGE = """
[edge]
id = "edge-1"
data_dir = "edge/data"
api = "unix:edge.sock"
[city]
endpoint = "tcp://127.0.0.1:{proxy}"
server_public_file = "keys/city.public"
public_file = "keys/edge-1.public"
secret_file = "keys/edge-1.secret"
verify_key_file = "keys/sign.public"
reconnect_max_s = 0.5
[journal]
when_full = "refuse"
"""
BOARD = """
[[boards]]
thing = "{thing}"
port = "{port}"
key_file = "keys/board.key"
"""
CITY = """
[city]
data_dir = "city/data"
api = "unix:city.sock"
[listen]
endpoint = "tcp://127.0.0.1:{port}"
public_file = "keys/city.public"
secret_file = "keys/city.secret"
[[edges]]
id = "edge-1"
public_file = "keys/edge-1.public"
[signing]
secret_file = "keys/sign.secret"
[store]
seal_every_s = 1.0
keep_hot_commits = 20
[limits]
min_free_mb = 0
"""


def pass_time(seconds: float) -> None:
    """Let the city go on for a while. What happens meanwhile is up to it: nobody waits here for something to come."""
    select.select([], [], [], seconds)


class Finding(Exception):
    """What must not be."""


class Rig:
    """All parts; `start`, `kill`, `pause`, `fill` and what the proxy does to the link are the faults."""

    def __init__(self, folder: Path, planted: str = "") -> None:
        self.folder = folder
        self.disks = [self._disk(name) for name in PARTS]
        keys = write_keys(folder / "keys")
        (folder / "keys" / "board.key").write_bytes(KEY)
        (folder / "keys" / "sign.secret").write_text(keys["sign.private"].hex())
        for path in (folder / "keys").iterdir():
            path.chmod(0o600)
        self.boards = [RememberingBoard(f"board-{n}", n) for n in (1, 2)]
        port = _free_port()
        self.proxy = Proxy(port)
        boards = "".join(BOARD.format(thing=board.thing, port=board.path) for board in self.boards)
        (folder / "edge.toml").write_text(EDGE.format(proxy=self.proxy.port) + boards)
        (folder / "city.toml").write_text(CITY.format(port=port))
        self.zygote = Zygote(planted)
        self.pids: dict[str, int] = {}
        self.roomless: set[int] = set()  # processes whose disk was full at some time of their life
        self.starts = self.kills = self.gave_up = 0
        for board in self.boards:
            board.start()

    def _disk(self, name: str) -> bool:
        """Make a small disk for a part's data; return whether it is one of its own, which takes root."""
        (self.folder / name).mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(self.folder / name)]
        return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0

    # Faults.

    def start(self, part: str) -> None:
        """Start the edge or the city, if it does not run."""
        if part not in self.pids:
            argv = [COMMANDS[part], "run", "--config", str(self.folder / f"{part}.toml")]
            self.pids[part] = self.zygote.start(argv, self.folder / f"{part}.log")
            self.starts += 1
            if self.full(part):
                self.roomless.add(self.pids[part])

    def kill(self, part: str) -> None:
        """Kill it with signal 9."""
        self.end(part, signal.SIGKILL)
        self.kills += 1

    def end(self, part: str, number: int, limit_s: float = 20.0) -> int:
        """End a part with a signal; return its exit code. Raises: Finding if it was dead already, or does not die."""
        self.check()
        self._signal(part, number)
        pid = self.pids.pop(part)
        code = self.zygote.wait(pid, limit_s)
        if code is None:
            raise Finding(f"{part} does not end on signal {number}\n{self.tails()}")
        return code

    def pause(self, part: str) -> None:
        """Stop it where it is, with SIGSTOP."""
        self._signal(part, signal.SIGSTOP)

    def resume(self, part: str) -> None:
        """Let it go on."""
        self._signal(part, signal.SIGCONT)

    def _signal(self, part: str, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # it found no room and ended; `check` starts it again
            os.kill(self.pids[part], number)

    def fill(self, part: str) -> None:
        """Leave no room on a part's disk."""
        if self.disks[PARTS.index(part)]:
            with contextlib.suppress(OSError), (self.folder / part / "filler").open("ab", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            self.roomless.update({self.pids[part]} if part in self.pids else ())

    def full(self, part: str) -> bool:
        """Return whether a part's disk is filled."""
        return (self.folder / part / "filler").exists()

    def empty(self, part: str) -> None:
        """Give the room back."""
        (self.folder / part / "filler").unlink(missing_ok=True)

    def heal(self) -> None:
        """End all faults; both parts run."""
        self.proxy.set(FINE)
        for part in PARTS:
            self.empty(part)
            self.start(part)
            self.resume(part)

    # What must be.

    def check(self) -> None:
        """Raises: Finding if a part ended that nobody ended. Without room to start it may, and is started again."""
        for part, pid in list(self.pids.items()):
            code = self.zygote.code(pid)
            if code == NO_ROOM and pid in self.roomless and "no room to start" in self.tail(part):
                del self.pids[part]
                self.gave_up += 1
                self.start(part)
            elif code is not None:
                raise Finding(f"{part} ended by itself with {code}\n{self.tails()}")

    def page(self, part: str, name: str) -> Any:
        """Return a page of a part, None while it does not answer."""
        try:
            with Client(f"unix:{self.folder / part}.sock", timeout_s=5.0) as client:
                return client.get(name)
        except (UnreachableError, OSError):
            return None

    def settle(self, limit_s: float = 60.0) -> dict[str, Any]:
        """Return the totals of the city's ledger once it has all that the boards had made when this began.

        The limit is for standing still: a slow machine may take long. Raises: Finding.
        """
        self.heal()
        heads = {board.thing: board.head for board in self.boards}

        def settled() -> Any:
            ledger = self.page("city", "ledger")
            rows = ledger["accounts"] if ledger else []
            stored = {thing: sum(row["stored"] for row in rows if row["thing"] == thing) for thing in heads}
            done = all(stored[thing] >= heads[thing] for thing in heads)
            return ledger if done and ledger["totals"]["unexplained"] == 0 else None

        ledger = self.until(settled, limit_s, f"the city has {heads} and nothing is unexplained", self._stored)
        for name in ("declared_lost", "quarantined", "unexplained"):
            if ledger["totals"][name]:
                raise Finding(f"{ledger['totals'][name]} samples are {name}: {ledger['totals']}")
        return dict(ledger["totals"])

    def _stored(self) -> int:
        ledger = self.page("city", "ledger")
        return int(ledger["totals"]["stored"]) if ledger else 0

    def until(
        self, condition: Callable[[], Any], limit_s: float, what: str, progress: Callable[[], int] = int
    ) -> Any:
        """Return the condition's first true value. Raises: Finding `limit_s` after `progress` last rose."""
        best, end = progress(), time.monotonic() + limit_s
        while not (found := condition()):
            self.check()
            if time.monotonic() > end:
                if (now := progress()) <= best:
                    pages = {part: self.page(part, "ledger") for part in PARTS}
                    raise Finding(f"not within {limit_s} s: {what}\n{pages}\n{self.tails()}")
                best, end = now, time.monotonic() + limit_s
            pass_time(0.05)
        return found

    def tails(self) -> str:
        """Return the ends of the logs."""
        return "\n".join(f"--- {part}\n{self.tail(part)}" for part in PARTS)

    def tail(self, part: str) -> str:
        """Return the end of a part's log."""
        log = self.folder / f"{part}.log"
        return log.read_text(errors="replace")[-1500:] if log.exists() else ""

    def close(self) -> None:
        """End all, give the disks back."""
        for pid in self.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self.zygote.wait(pid, 10)
        self.zygote.close()
        self.proxy.close()
        for board in self.boards:
            board.stop()
        for part, own in zip(PARTS, self.disks, strict=True):
            if own:
                subprocess.run(["umount", "-l", str(self.folder / part)], check=False)


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])
