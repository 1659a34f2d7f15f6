"""A board on the real VM whose program prints to a log."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.board import VirtualBoard
from simulator.bridge import BoardIO
from tests.waiting import LIMIT_S


class Bench:
    """A board in a temporary folder whose program prints to a log."""

    def __init__(self, folder: Path, program: str, io: BoardIO | None = None) -> None:
        self.files = folder / "fs"
        self.files.mkdir()
        (self.files / "main.py").write_text(program)
        self.log = folder / "vm.log"
        self.io = io or BoardIO()
        self.board = VirtualBoard("test-1", self.files, self.io, self.log)

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition; what the board printed is the message when it never holds."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while not condition():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"not reached within {LIMIT_S} s; the board printed:\n{self.text()}")

    async def prints(self, word: str) -> str:
        await self.until(lambda: word in self.text())
        return self.text()
