"""Sixty kills of real processes lose, declare, double and change nothing; the proxy does what it says."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .proxy import FINE, KINDS, Proxy

REPOSITORY = Path(__file__).parents[2]
CYCLES, SEED = 60, 1


@pytest.mark.system
def test_sixty_kills_lose_nothing() -> None:
    command = [sys.executable, "-m", "tests.crashtest", "--cycles", str(CYCLES), "--seed", str(SEED)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, check=False, cwd=REPOSITORY, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 unexplained, 0 declared, 0 doubled, 0 conflicts" in done.stdout


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(1000):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    made = Proxy(echo)
    yield made
    made.close()


def connected(proxy: Proxy) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", proxy.port), timeout=90)
    made.settimeout(10)
    return made


def nothing_comes(connection: socket.socket) -> bool:
    connection.settimeout(0.2)
    try:
        return connection.recv(10) == b""
    except TimeoutError:
        return True
    finally:
        connection.settimeout(10)


def test_the_proxy_passes_on_and_delays(proxy: Proxy) -> None:
    for weather in (FINE, KINDS["slow"]):
        proxy.set(weather)
        with connected(proxy) as connection:
            connection.sendall(b"hello")
            assert connection.recv(10) == b"hello"


@pytest.mark.parametrize("kind", ["nothing to the city", "nothing to the edge", "half open"])
def test_what_the_proxy_holds_goes_on_later(proxy: Proxy, kind: str) -> None:
    with connected(proxy) as connection:
        connection.sendall(b"1")
        assert connection.recv(10) == b"1"
        proxy.set(KINDS[kind])
        connection.sendall(b"2")
        assert nothing_comes(connection)
        proxy.set(FINE)
        assert connection.recv(10) == b"2"


def is_over(connection: socket.socket) -> bool:
    """Whether the other side ended it."""
    try:
        return connection.recv(10) == b""
    except ConnectionError:
        return True


def test_a_cut_ends_connections_and_a_refusal_all_new_ones(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        connection.sendall(b"1")
        assert connection.recv(10) == b"1"
        proxy.cut()
        assert is_over(connection)
    proxy.set(KINDS["refused"])
    with connected(proxy) as connection:
        assert is_over(connection)
