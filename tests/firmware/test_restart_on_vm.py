"""Restarts of the real firmware on the real VM: identity, declared losses, outputs."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from firmware.kit import board_file, bundle
from protocol import board_link
from protocol import task_codes as codes
from protocol.host_decoder import HostDecoder
from simulator import faults, scenario
from simulator.runtime import BoardSpec, run
from tests.waiting import LIMIT_S

pytestmark = [pytest.mark.system, pytest.mark.anyio]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Port:
    """The host's end of the classroom board's line; acks nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[Any] = []
        self._decoder = HostDecoder()
        self._session = 0
        self._fd = -1

    def open(self) -> None:
        self._fd = os.open(self.folder / "dev" / "room-1", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def close(self) -> None:
        os.close(self._fd)

    def send(self, body: bytes) -> None:
        os.write(self._fd, board_link.build_frame(body))

    def poll(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return
        self.seen += [board_link.decode_board(body) for body in self._decoder.feed(data)]

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.seen if isinstance(message, kind)]

    async def wait(self, kind: type, n: int = 1, greet: bool = False) -> list[Any]:
        """Wait until `n` messages of a kind have come, saying hello now and then if wanted."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.of(kind)) < n:
                if greet:
                    self._session += 1
                    self.send(board_link.encode_hello(self._session))
                for _ in range(20):
                    await asyncio.sleep(0.02)
                    self.poll()
                self.send(board_link.encode_sync(1))
        return self.of(kind)

    async def fault(self, **fault: Any) -> None:
        answer = await asyncio.to_thread(faults.send, self.folder / "faults.sock", fault)
        assert answer["ok"], answer


@pytest.fixture
async def port(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Port]:
    overrides: dict[str, Any] = getattr(request, "param", {})
    place = scenario.load("classroom").board("room-1")
    files = tmp_path / "boards" / "room-1"
    bundle.build(board_file.board_path(place.board), files, thing="room-1", overrides=overrides, key=bytes(32))
    stop = asyncio.Event()
    running = asyncio.create_task(run("classroom", tmp_path, [BoardSpec("room-1", files)], stop=stop))
    port = Port(tmp_path)
    async with asyncio.timeout(LIMIT_S):
        while not (tmp_path / "faults.sock").exists() or not (tmp_path / "dev" / "room-1").exists():
            await asyncio.sleep(0.05)
    port.open()
    yield port
    port.close()
    stop.set()
    await running


async def test_a_restart_keeps_the_incarnation_and_declares_the_tail(port: Port) -> None:
    first = (await port.wait(board_link.Hello, greet=True))[0]
    await port.wait(board_link.Samples)
    assert "MicroPython" in first.vm
    port.seen.clear()
    await port.fault(fault="reset_board", thing="room-1")
    second = (await port.wait(board_link.Hello, greet=True))[0]
    incarnation, counter = first.boot.split("-")
    assert second.boot == f"{incarnation}-{int(counter) + 1}"
    assert second.nonce != first.nonce
    gap = (await port.wait(board_link.Gap))[0]
    assert (gap.boot, gap.first, gap.cause) == (first.boot, 0, "power")
    assert gap.end > 0
    port.send(board_link.encode_ack(second.boot, [], [gap.gap_id]))
    repeats = len(port.of(board_link.Gap))
    await port.wait(board_link.Status, len(port.of(board_link.Status)) + 5)
    assert len(port.of(board_link.Gap)) <= repeats + 1


async def test_console_answers_before_a_hello_and_not_in_link_mode(port: Port) -> None:
    os.write(port._fd, b"id\r\n")
    text = b""
    async with asyncio.timeout(LIMIT_S):
        while b"ok\r\n" not in text:
            await asyncio.sleep(0.1)
            try:
                text += os.read(port._fd, 4096)
            except BlockingIOError:
                os.write(port._fd, b"id\r\n")
    assert b"thing    room-1" in text and b"\x00" not in text
    await port.wait(board_link.Hello, greet=True)


@pytest.mark.parametrize("port", [{"stop": {"pin": "GP22", "active": "high", "pull": "up"}}], indirect=True)
async def test_a_stop_input_whose_wire_is_off_stops_the_board(port: Port) -> None:
    hello = (await port.wait(board_link.Hello, greet=True))[0]
    status = (await port.wait(board_link.Status))[0]
    assert (status.counters["stops"], status.counters["stopped"]) == (1, 1)
    port.send(board_link.encode_task(bytes(32), hello.nonce, 1, bytes(16), 0, 1.0, (1 << 47), 3000))
    result = (await port.wait(board_link.TaskResult))[0]
    assert (result.state, result.code) == (codes.REFUSED, codes.LOCAL_STOP)
