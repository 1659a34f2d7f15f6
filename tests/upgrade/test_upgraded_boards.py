"""Boards of an earlier release: their files under the firmware of today, their own firmware with a host of today."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import releases
from inventory import board as board_inventory

from edge_node.boards.session import BoardSession, LinkUp
from firmware.kit import board_file, bundle
from protocol import board_link
from protocol.frames import boot_text
from service.host_time import boottime_us
from simulator import faults, scenario
from simulator.runtime import BoardSpec, run
from tests.waiting import LIMIT_S

BOARDS = ("river-1", "mast-1", "gate-1")
pytestmark = pytest.mark.parametrize("release", releases.RELEASES)


@pytest.mark.parametrize("thing", BOARDS)
def test_the_firmware_of_today_goes_on_with_the_state_of_the_release(release: str, thing: str, tmp_path: Path) -> None:
    found = board_inventory(releases.copy_of(release, f"killed/boards/{thing}", tmp_path / thing))
    assert found == releases.inventory(release)[f"boards/{thing}"]
    assert found["counter"] > 1 and found["gaps"]


class Host:
    """The edge node's end of one board's line; acks all samples and gaps at once."""

    def __init__(self, folder: Path, thing: str) -> None:
        self.folder, self.thing = folder, thing
        self.session = BoardSession(thing, 77)
        self.events: list[Any] = []
        self._line = os.open(folder / "dev" / thing, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.session.opened(boottime_us())

    def turn(self) -> None:
        """Read, answer, write."""
        now_us = boottime_us()
        try:
            events = self.session.received(os.read(self._line, 4096), now_us)
        except BlockingIOError:
            events = []
        for event in [*events, *self.session.tick(now_us)]:
            self.events.append(event)
            if isinstance(event, board_link.Samples):
                self.session.acknowledge(event.boot, [(event.first, event.first + event.n)])
            elif isinstance(event, board_link.Gap):
                self.session.acknowledge(event.boot, [], [event.gap_id])
        if out := self.session.take_out():
            os.write(self._line, out)

    def of(self, kind: type) -> list[Any]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Return once the condition holds. Raises: TimeoutError."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self.turn()
                await asyncio.sleep(0.01)

    def close(self) -> None:
        """Close the line."""
        os.close(self._line)


@asynccontextmanager
async def running(folder: Path, thing: str, files: Path) -> AsyncIterator[Host]:
    """Run one board of the riverside on these files."""
    stop = asyncio.Event()
    task = asyncio.create_task(run("riverside", folder, [BoardSpec(thing, files)], stop=stop))
    async with asyncio.timeout(LIMIT_S):
        while not ((folder / "faults.sock").exists() and (folder / "dev" / thing).exists()):
            await asyncio.sleep(0.02)
    host = Host(folder, thing)
    try:
        yield host
    finally:
        host.close()
        stop.set()
        await task


@pytest.mark.system
def test_a_board_of_the_release_serves_today_and_is_upgraded_in_place(release: str, tmp_path: Path) -> None:
    """Its own firmware on the VM, then the firmware of today on the same files: the same board, one start later."""
    files = releases.copy_of(release, "killed/boards/gate-1", tmp_path / "files")
    recorded = releases.inventory(release)["boards/gate-1"]
    boot = boot_text(bytes.fromhex(recorded["id"]))

    async def live() -> None:
        async with running(tmp_path, "gate-1", files) as host:
            await host.until(lambda: host.of(LinkUp) and host.of(board_link.Gap) and host.of(board_link.Samples))
            assert host.of(LinkUp)[0].hello.boot == boot
            _, gap_id, first, end = recorded["gaps"][-1]
            assert [gap.end - gap.first for gap in host.of(board_link.Gap)][:1] == [end - first], gap_id
            await host.until(lambda: host.session.clock.synced(boottime_us()))
            assert host.session.counters["malformed"] == host.session.counters["crc"] == 0
            place = scenario.load("riverside").board("gate-1")
            bundle.build(
                board_file.board_path(place.board), files, thing="gate-1", overrides=dict(place.overrides),
                key=(files / "key.bin").read_bytes(),
            )  # fmt: skip
            await asyncio.to_thread(
                faults.send, tmp_path / "faults.sock", {"fault": "reset_board", "thing": "gate-1"}
            )
            await host.until(lambda: len(host.of(LinkUp)) > 1)
            incarnation, _, count = boot.partition("-")
            assert host.of(LinkUp)[-1].hello.boot == f"{incarnation}-{int(count) + 1}"
            seen = len(host.of(board_link.Samples))
            await host.until(lambda: len(host.of(board_link.Samples)) > seen)

    asyncio.run(live())
