"""A board that shares no code with us talks to the real edge process over a PTY: every sample arrives and is acked."""

import ast
import os
import select
import threading
import time
import tty
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edge_node.boards.session import BoardSession, LinkUp
from protocol import board_link
from protocol.frames import boot_text
from protocol.mac import hmac_sha256
from tests.waiting import until

from .scripted_board import KEY
from .stack import Stack
from .stranger_board import StrangerBoard, cobs, crc32, uncobs

BOOT = bytes.fromhex("fecaad0b0c000000")
SAMPLES = 300


class OnPty:
    """Runs a stranger board on a PTY; it samples every 10 ms until it has SAMPLES."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        tty.setraw(self.master)
        self.path, self._slave = os.ttyname(slave), slave
        self.board = StrangerBoard("river-1", BOOT, os.urandom(8), KEY)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(90)
        os.close(self.master)
        os.close(self._slave)

    def _run(self) -> None:
        began, board = time.monotonic(), self.board
        while not self._stop.is_set():
            readable, _, _ = select.select([self.master], [], [], 0.005)
            now_ms = round((time.monotonic() - began) * 1000)
            if readable:
                board.feed(os.read(self.master, 4096), now_ms)
            while board.head < min(SAMPLES, now_ms // 10):
                board.now_ms = now_ms
                board.sample(board.head / 100)
            board.tick(now_ms)
            if board.out:
                os.write(self.master, board.out)
                board.out = b""


@pytest.fixture
def pty_board() -> Iterator[OnPty]:
    made = OnPty()
    yield made
    made.stop()


def test_it_imports_nothing_of_ours() -> None:
    tree = ast.parse((Path(__file__).parent / "stranger_board.py").read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"hmac", "struct", "typing", "umsgpack"}


def test_it_forgets_nothing_for_a_host_without_its_key() -> None:
    board, session = StrangerBoard("river-1", BOOT, bytes(8), KEY), BoardSession("river-1", 77)
    session.sign = partial(hmac_sha256, bytes(32))
    session.opened(1_000_000)
    board.feed(session.take_out(), 50)
    board.sample(1.0)
    session.received(board.out, 1_000_000)
    for sign, acked in ((session.sign, 0), (partial(hmac_sha256, KEY), 1)):
        session.sign = sign
        session.acknowledge(boot_text(BOOT), [(0, 1)])
        board.feed(session.take_out(), 100)
        assert board.acked == acked


@pytest.mark.parametrize("data", [b"", b"\0", b"\x11\x22\0\x33", bytes(range(1, 255)), bytes(300), b"a" * 600])
def test_its_cobs_and_crc_are_ours(data: bytes) -> None:
    frame = board_link.build_frame(data) if data else None
    assert frame in (None, b"\0" + cobs(data + crc32(data).to_bytes(4, "little")) + b"\0")
    assert uncobs(cobs(data)) == data


def test_it_comes_up_at_the_real_session_and_is_acked() -> None:
    board, session = StrangerBoard("river-1", BOOT, bytes(8)), BoardSession("river-1", 77)
    session.opened(1_000_000)
    events = []
    for step in range(1, 60):
        board.feed(session.take_out(), step * 50)
        board.sample(1.0)
        board.tick(step * 50)
        events += session.received(board.out, 1_000_000 + step * 50_000)
        board.out = b""
        events += session.tick(1_000_000 + step * 50_000)
        session.acknowledge(boot_text(BOOT), [(0, max(0, board.head - 20))] if session.up and board.head > 20 else [])
    assert isinstance(events[0], LinkUp) and events[0].manifest.board == "foreign_gauge"
    assert session.up and board.acked >= 30 and board.bad == 0
    assert session.clock.synced(4_000_000)
    assert session.all_counters()["malformed"] == 0


@pytest.mark.system
def test_every_sample_goes_through_the_real_edge_to_a_city(tmp_path: Path, pty_board: OnPty) -> None:
    stack = Stack(tmp_path)
    config = tmp_path / "edge.toml"
    config.write_text(config.read_text().replace(stack.board.path, pty_board.path))
    stack.start_edge()
    try:
        until(lambda: stack.stored("river-1") == SAMPLES and pty_board.board.acked == SAMPLES)
        values = [stack.city.values["river-1", boot_text(BOOT), seq] for seq in range(SAMPLES)]
        assert all(len(record) == 12 and record[:2] == b"\0\1" for record in values)
        assert stack.city.conflicts == 0 and pty_board.board.bad == 0
    finally:
        stack.stop_edge()
        stack.city.kill()
        stack.board.stop()
