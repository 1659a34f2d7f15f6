"""What the peers need: where their programs are, how to install what is missing, how to start and stop one."""

import contextlib
import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

LIMIT_S = 30.0


class MissingPeerError(RuntimeError):
    """A peer is not installed; the message says how to."""


def program(name: str, install: str) -> str:
    """Return the path of a program, beside this Python or on the path. Raises: MissingPeerError."""
    for place in (str(Path(sys.executable).parent), None, "/usr/sbin"):
        found = shutil.which(name, path=place)
        if found:
            return found
    raise MissingPeerError(f"{name} is not installed: {install}")


def module(name: str, install: str) -> None:
    """Do nothing if a module can be imported. Raises: MissingPeerError."""
    if importlib.util.find_spec(name) is None:
        raise MissingPeerError(f"the Python module {name} is not installed: {install}")


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], log: Path, port: int) -> Iterator[None]:
    """Run a server until the block ends; enter once its port answers. Raises: RuntimeError with its log."""
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, process_group=0)
    try:
        end = time.monotonic() + LIMIT_S
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        yield
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.2):
            return True
    except OSError:
        return False
