"""The board file `unix` on the VM it names: it starts on pins that no Pico would take, and its LED shows it."""

import asyncio
from pathlib import Path

import pytest

from firmware.kit import board_file, bundle
from simulator.board import VirtualBoard
from simulator.bridge import BoardIO
from simulator.chip_shelf import make_bus
from simulator.uart import VirtualUart
from tests.waiting import LIMIT_S

pytestmark = [pytest.mark.system, pytest.mark.anyio]
LED = 64


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_it_answers_and_its_led_flashes(tmp_path: Path) -> None:
    files = tmp_path / "unix-1"
    bundle.build(board_file.board_path("unix"), files, thing="unix-1", key=bytes(32))
    link = VirtualUart(115_200)
    io = BoardIO(uarts={0: link}, i2c={0: make_bus([], "i2c0")})
    board = VirtualBoard("unix-1", files, io, tmp_path / "vm.log")
    levels: list[int] = []
    text = bytearray()
    io.pins.watch(LED, levels.append)
    link.far_end = text.extend
    board.power_on()
    async with asyncio.timeout(LIMIT_S):
        while len(levels) < 7 or b"NACK, " not in text:
            link.send(b"status\r\n")
            await asyncio.sleep(0.3)
    await board.stop()
    assert levels[:7] == [1, 0, 1, 0, 1, 0, 1], "lit while it starts, then flashes"
    assert board.counters.watchdog_resets == 0
