"""`board`: a board that answers on a serial port, real (CITYREFLEX_HIL_PORT) or virtual."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from protocol import board_link
from protocol.host_decoder import HostDecoder
from tests.waiting import LIMIT_S

BAUD = 115_200


class Board:
    """The host's end of the line to one board."""

    def __init__(self, port: str) -> None:
        self.port = serial.Serial(port, BAUD, timeout=0.1)
        self.decoder = HostDecoder()
        self.seen: list[Any] = []

    def send(self, body: bytes) -> None:
        """Send one frame."""
        self.port.write(board_link.build_frame(body))

    def write(self, data: bytes) -> None:
        """Write raw bytes."""
        self.port.write(data)

    def ask(self, command: bytes) -> bytes:
        """Write a line of text and return what comes at once; it may take several."""
        self.port.write(command)
        return bytes(self.port.read(512))

    def read(self) -> bytes:
        """Take in what has come and return its bytes; messages go to `seen`."""
        data = bytes(self.port.read(512))
        self.seen += [board_link.decode_board(body) for body in self.decoder.feed(data)]
        return data

    def until(self, condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
        """Read until `condition` gives something, and return that."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            self.read()
        raise AssertionError(f"not within {limit_s} s: {what}; seen {[type(row).__name__ for row in self.seen[-20:]]}")

    def of(self, kind: type) -> list[Any]:
        """Return the messages of a kind seen so far."""
        return [row for row in self.seen if isinstance(row, kind)]

    def greet(self) -> board_link.Hello:
        """Open link mode and return the board's hello; asks again each second, as a board may still be starting."""
        session = secrets.randbelow(1 << 32)
        asked = -1.0

        def answer() -> board_link.Hello | None:
            nonlocal asked
            if time.monotonic() - asked > 1.0:
                asked = time.monotonic()
                self.send(board_link.encode_hello(session))
            return next((row for row in self.of(board_link.Hello) if row.session == session), None)

        found: board_link.Hello = self.until(answer, "a hello")
        return found


@pytest.fixture(scope="session")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The port of the board under test; without a real one a virtual river gauge is brought up."""
    real = os.environ.get("CITYREFLEX_HIL_PORT")
    if real:
        yield real
        return
    folder = tmp_path_factory.mktemp("hil")
    with _simulator(folder) as process:
        end = time.monotonic() + 90
        while not (folder / "faults.sock").exists():
            assert process.poll() is None, "city sim up ended"
            assert time.monotonic() < end, "city sim up is not ready"
            _pause(process)
        yield str(folder / "dev" / "river-1")
        process.terminate()
        process.wait(90)


def _simulator(folder: Path) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "cityreflex", "sim", "up", "riverside", "--dir", str(folder), "--speed", "1"]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _pause(process: "subprocess.Popen[bytes]") -> None:
    """Wait a tenth of a second for the process to end, which it should not."""
    try:
        process.wait(0.1)
    except subprocess.TimeoutExpired:
        return


@pytest.fixture
def board(port: str) -> Iterator[Board]:
    """The board under test, in whatever mode the last test left it."""
    line = Board(port)
    yield line
    line.port.close()
