"""The firmware that a Pico gets, on virtual boards, seen from a host at the serial port."""

import asyncio
import math
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from firmware.kit import bundle
from protocol import board_link, columns, manifest
from protocol.host_decoder import HostDecoder
from protocol.task_codes import ACCEPTED, DONE
from simulator import faults, scenario
from simulator.runtime import BoardSpec, plan_window, run
from simulator.world.rain import HOUR_US
from tests.waiting import LIMIT_S

pytestmark = [pytest.mark.system, pytest.mark.anyio]
BOARDS = Path(bundle.__file__).parent.parent / "boards"
KEY = bytes(range(32))
VALID_US = 60_000_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Host:
    """A host on one board's port: says hello, acknowledges samples, collects what comes."""

    def __init__(self, port: Path) -> None:
        self._port = port
        self._fd = -1
        self._decoder = HostDecoder()
        self._session = 1
        self.hello: board_link.Hello | None = None
        self.status: board_link.Status | None = None
        self.results: list[board_link.TaskResult] = []
        self.samples: list[tuple[str, int, float]] = []
        self.next_seq: dict[str, int] = {}
        self.missed = 0
        self.board_us: int | None = None
        self._counter = 0

    def open(self) -> None:
        self._fd = os.open(self._port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    def send(self, body: bytes) -> None:
        os.write(self._fd, board_link.build_frame(body))

    def greet(self) -> None:
        self.send(board_link.encode_hello(self._session))

    def task(self, setpoint: float, lease_ms: int) -> bytes:
        assert self.hello is not None
        assert self.board_us is not None
        self._counter += 1
        task_id = self._counter.to_bytes(16, "big")
        nonce = self.hello.nonce
        until = self.board_us + VALID_US
        self.send(board_link.encode_task(KEY, nonce, self._counter, task_id, 0, setpoint, until, lease_ms))
        return task_id

    def _read(self) -> None:
        for body in self._decoder.feed(os.read(self._fd, 4096)):
            self._take(board_link.decode_board(body))

    def _take(self, message: board_link.BoardMessage) -> None:
        if isinstance(message, board_link.Hello):
            self.hello = message
        elif isinstance(message, board_link.Status):
            self.status = message
        elif isinstance(message, board_link.SyncReply):
            self.board_us = message.tx_us
        elif isinstance(message, board_link.TaskResult):
            self.results.append(message)
        elif isinstance(message, board_link.Samples):
            self._take_samples(message)

    def _take_samples(self, message: board_link.Samples) -> None:
        expected = self.next_seq.get(message.boot, 0)
        self.missed += max(0, message.first - expected)
        self.next_seq[message.boot] = max(expected, message.first + message.n)
        assert self.hello is not None
        names = [channel.name for channel in manifest.from_bytes(self.hello.manifest).channels]
        for row in columns.decode(message.records)[max(0, expected - message.first) :]:
            self.samples.append((names[row["channel"]], int(row["quality"]), float(row["value"])))
        self.send(board_link.encode_ack(message.boot, [(message.first, message.first + message.n)]))

    def latest(self, channel: str) -> tuple[int, float]:
        """Quality and value of a channel's last sample; (0, NaN) before the first."""
        return next(
            ((q, value) for name, q, value in reversed(self.samples) if name == channel), (0, math.nan)
        )


class Site:
    """The scenario with firmware on all boards, and a host on each port."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.plan = scenario.load(name)
        self.stop = asyncio.Event()
        self.hosts: dict[str, Host] = {}
        self.specs = [self._bundle(place) for place in self.plan.boards]
        self._run: asyncio.Task[None] | None = None

    def _bundle(self, place: scenario.BoardPlace) -> BoardSpec:
        files = self.folder / "boards" / place.thing
        board = BOARDS / f"{place.board}.toml"
        bundle.build(board, files, thing=place.thing, overrides=dict(place.overrides), key=KEY)
        return BoardSpec(place.thing, files)

    async def start(self, **options: Any) -> None:
        self._run = asyncio.create_task(run(self.name, self.folder, self.specs, stop=self.stop, **options))
        await self.until(lambda: all((self.folder / "dev" / spec.thing).exists() for spec in self.specs))
        for spec in self.specs:
            host = self.hosts[spec.thing] = Host(self.folder / "dev" / spec.thing)
            host.open()
        await self.until(self._all_linked)

    def _all_linked(self) -> bool:
        for host in self.hosts.values():
            if host.hello is None:
                host.greet()
        return all(host.samples and host.board_us is not None for host in self.hosts.values())

    async def until(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                while not condition():
                    await asyncio.sleep(0.05)
                    for host in self.hosts.values():
                        if host.hello is not None:
                            host.send(board_link.encode_sync(1))
        except TimeoutError:
            logs = "\n".join(path.read_text()[-1500:] for path in (self.folder / "logs").glob("*.vm.log"))
            pytest.fail(f"not reached within {LIMIT_S} s; the boards printed:\n{logs}")

    async def fault(self, **fault: Any) -> dict[str, Any]:
        answer = await asyncio.to_thread(faults.send, self.folder / "faults.sock", fault)
        assert answer["ok"], answer
        return answer

    async def end(self) -> None:
        for host in self.hosts.values():
            host.close()
        self.stop.set()
        if self._run is not None:
            await self._run


@pytest.fixture
async def riverside(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path, "riverside")
    window = plan_window(site.plan, seed=1)
    start = window.start_utc_us + HOUR_US
    await site.start(speed=480, start=start, end=window.end_utc_us)
    yield site
    await site.end()


async def test_readings_are_the_worlds_and_none_is_missed(riverside: Site) -> None:
    site = riverside
    river, mast, gate = (site.hosts[thing] for thing in ("river-1", "mast-1", "gate-1"))
    await site.until(lambda: river.latest("water_level")[0] == 1)
    assert river.latest("water_level")[1] == pytest.approx(0.6, abs=0.15)
    assert gate.latest("opening_feedback")[1] == pytest.approx(0.2, abs=0.02)
    await site.until(lambda: mast.latest("air_pressure")[0] == 1)
    assert mast.latest("air_pressure")[1] == pytest.approx(99_500, abs=1500)
    await site.until(lambda: mast.latest("rainfall_amount")[1] >= 2.0)
    status = await site.fault(fault="status")
    counters = status["boards"]["mast-1"]
    assert counters["irq_lost"] == counters["irq_failures"] == 0
    await site.until(lambda: mast.latest("rainfall_amount")[1] >= counters["rain_pulses"] * 0.2 - 0.01)
    assert [host.missed for host in site.hosts.values()] == [0, 0, 0]


async def test_a_task_moves_the_gate_and_its_lease_lapses_to_the_safe_state(riverside: Site) -> None:
    gate = riverside.hosts["gate-1"]
    task_id = gate.task(0.8, 6000)
    await riverside.until(lambda: any(r.task_id == task_id and r.state == ACCEPTED for r in gate.results))
    await riverside.until(lambda: any(r.task_id == task_id and r.state == DONE for r in gate.results))
    await riverside.until(lambda: abs(gate.latest("opening_feedback")[1] - 0.8) < 0.04)
    await riverside.until(lambda: abs(gate.latest("opening_feedback")[1] - 0.2) < 0.04)


async def test_pulled_wires_are_flagged_and_recover(riverside: Site) -> None:
    site = riverside
    river, mast = site.hosts["river-1"], site.hosts["mast-1"]
    await site.until(lambda: mast.latest("air_pressure")[0] == 1 and river.latest("water_level")[0] == 1)
    await site.fault(fault="silent", thing="river-1", sensor="level")
    await site.until(lambda: river.latest("water_level")[0] == 9)
    assert math.isnan(river.latest("water_level")[1])
    await site.fault(fault="nack", thing="mast-1", sensor="air")
    await site.until(lambda: mast.latest("air_pressure")[0] == 9)
    await site.fault(fault="sda_low", thing="mast-1", bus="i2c0")
    await site.until(lambda: mast.status is not None and [f.code for f in mast.status.faults] == [2])
    await site.fault(fault="clear")
    await site.until(lambda: mast.latest("air_pressure")[0] == 1 and river.latest("water_level")[0] == 1)


async def test_noise_and_garbage_never_make_a_wrong_value_and_the_board_lives(riverside: Site) -> None:
    site = riverside
    river = site.hosts["river-1"]
    await site.fault(fault="noise", thing="river-1", share=0.003)
    for junk in (b"\x03\x03\x03", b"\x00\x00\x05abc\x00", b"text glued" * 30, bytes(range(256))):
        await site.fault(fault="garbage", thing="river-1", hex=junk.hex(), to="board")
        await site.fault(fault="garbage", thing="river-1", hex=junk.hex(), to="host")
    count = len(river.samples)
    await site.until(lambda: len(river.samples) > count + 60)
    await site.fault(fault="clear")
    values = [value for name, quality, value in river.samples if quality == 1]
    assert all(0.3 < value < 1.5 for value in values)
    status = await site.fault(fault="status")
    assert status["boards"]["river-1"]["starts"] == 1


async def test_the_classroom_fan_answers(tmp_path: Path) -> None:
    site = Site(tmp_path, "classroom")
    await site.start(speed=10)
    room = site.hosts["room-1"]
    await site.until(lambda: room.latest("co2")[0] == 1)
    assert 400 < room.latest("co2")[1] < 700
    task_id = room.task(1.0, 10_000)
    await site.until(lambda: any(r.task_id == task_id and r.state == DONE for r in room.results))
    await site.until(lambda: '"fan": 1' in (tmp_path / "world.jsonl").read_text())
    await site.end()
