"""The flash ring of the real firmware on the real VM: a pulled link, then a power cut, and nothing is missing."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from protocol import board_link
from protocol.ranges import Ranges
from tests.firmware.vm_port import THING, Port, running
from tests.waiting import LIMIT_S

pytestmark = [pytest.mark.system, pytest.mark.anyio]

RING = 256
BOARD = {
    "ring": {"records": RING},
    "flash": {"size_kb": 128},
    "sensors": {"door": {"period_ms": 20, "polled": True}},
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    async with running(tmp_path, BOARD) as found:
        yield found


class Host:
    """Keeps and acks what the board sends, by boot."""

    def __init__(self, port: Port) -> None:
        self._port, self._session, self._taken = port, 100, 0
        self.boot = ""
        self.stored: dict[str, Ranges] = {}
        self.lost: dict[tuple[str, str], Ranges] = {}
        self.earlier = self.head = 0

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Greet and listen until something is so."""
        self._session += 1
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._port.send(board_link.encode_hello(self._session))
                for _ in range(20):
                    await asyncio.sleep(0.01)
                    self._port.poll()
                    self._take()
        assert condition(), what

    def _take(self) -> None:
        new, self._taken = self._port.seen[self._taken :], len(self._port.seen)
        for message in new:
            if isinstance(message, board_link.Hello):
                self.boot = message.boot
            elif isinstance(message, board_link.Samples):
                self.earlier += message.n * message.earlier
                span = (message.first, message.first + message.n)
                self.stored.setdefault(message.boot, Ranges()).add(*span)
                self._port.send(board_link.encode_ack(message.boot, [span], []))
            elif isinstance(message, board_link.Gap):
                self.lost.setdefault((message.boot, message.cause), Ranges()).add(message.first, message.end)
                self._port.send(board_link.encode_ack(message.boot, [], [message.gap_id]))
            elif isinstance(message, board_link.Status) and message.boot == self.boot:
                self.head = message.head

    def has_all(self, boot: str) -> bool:
        """Whether what the board acquired in this boot, by its last status, is here."""
        return self.head > 0 and self.stored.get(boot, Ranges()).covers(0, self.head)


async def acquired(port: Port, n: int) -> str:
    """Let the host be silent until the console says that the board acquired n samples; return what it says."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            text = " ".join((await port.text(b"status\r\n")).decode(errors="replace").split())
            found = re.search(r"samples (\d+), of these wait for the node (\d+), dropped (\d+)", text)
            if found and int(found[1]) >= n:
                assert int(found[2]) <= RING
                return text


async def test_what_the_ram_cannot_hold_is_backfilled_after_an_outage_and_over_a_power_cut(port: Port) -> None:
    host = Host(port)
    await host.until(lambda: bool(host.boot) and host.has_all(host.boot), "all is here")
    first, before = host.boot, host.head
    text = await acquired(port, before + 3 * RING)
    assert "dropped 0" in text
    await host.until(lambda: host.head >= before + 3 * RING and host.has_all(first), "the outage is backfilled")
    assert not host.lost

    before = host.head
    await acquired(port, before + 3 * RING)
    await port.fault(fault="reset_board", thing=THING)
    host.boot, host.head = "", 0
    cut_off = (first, "power")
    await host.until(lambda: cut_off in host.lost and host.boot not in ("", first), "the tail is declared")
    await host.until(lambda: host.has_all(host.boot), "the second boot is here")
    told = host.stored[first].union(host.lost[cut_off])
    await host.until(lambda: host.stored[first].union(host.lost[cut_off]).covers(0, before + 3 * RING), "all is told")
    assert set(host.lost) == {cut_off}
    assert host.earlier >= 2 * RING, told
    kept = host.stored[first].to_list()
    assert len(kept) == 1 and kept[0][1] > before + 2 * RING
