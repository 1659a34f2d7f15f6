"""The classroom board's real firmware on the real VM, and the host's end of its line."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from firmware.kit import board_file, bundle
from protocol import board_link
from protocol.host_decoder import HostDecoder
from simulator import faults, scenario
from simulator.runtime import BoardSpec, run
from tests.waiting import LIMIT_S

THING = "room-1"


class Port:
    """The host's end of the classroom board's line; acks nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[Any] = []
        self._decoder = HostDecoder()
        self._session = 0
        self._fd = -1

    def open(self) -> None:
        self._fd = os.open(self.folder / "dev" / THING, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def close(self) -> None:
        os.close(self._fd)

    def send(self, body: bytes) -> None:
        os.write(self._fd, board_link.build_frame(body))

    def write(self, data: bytes) -> None:
        """Write raw bytes."""
        os.write(self._fd, data)

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

    async def text(self, command: bytes, until: bytes = b"ok\r\n") -> bytes:
        """Return what the console answers, asked again while the board still starts; it folds long lines."""
        heard = b""
        async with asyncio.timeout(LIMIT_S):
            while until not in heard and until not in b" ".join(heard.split()):
                os.write(self._fd, command)
                for _ in range(10):
                    await asyncio.sleep(0.02)
                    with contextlib.suppress(BlockingIOError):
                        heard += os.read(self._fd, 4096)
        return heard

    async def counters(self) -> dict[str, Any]:
        """Return what the simulator counts of the board."""
        answer = await asyncio.to_thread(faults.send, self.folder / "faults.sock", {"fault": "status"})
        found: dict[str, Any] = answer["boards"][THING]
        return found


@contextlib.asynccontextmanager
async def running(folder: Path, overrides: dict[str, Any]) -> AsyncIterator[Port]:
    """Give the port of a virtual board that runs."""
    place = scenario.load("classroom").board(THING)
    files = folder / "boards" / THING
    bundle.build(board_file.board_path(place.board), files, thing=THING, overrides=overrides, key=bytes(32))
    stop = asyncio.Event()
    task = asyncio.create_task(run("classroom", folder, [BoardSpec(THING, files)], stop=stop))
    port = Port(folder)
    async with asyncio.timeout(LIMIT_S):
        while not (folder / "faults.sock").exists() or not (folder / "dev" / THING).exists():
            await asyncio.sleep(0.05)
    port.open()
    yield port
    port.close()
    stop.set()
    await task
