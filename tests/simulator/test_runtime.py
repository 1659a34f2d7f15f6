"""A run of `riverside` with small programs on the boards: the loop closes, faults bite, nothing stays."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator import faults
from simulator.runtime import BoardSpec, plan_window, run
from simulator.scenario import load
from simulator.world.rain import HOUR_US
from tests.waiting import LIMIT_S

pytestmark = [pytest.mark.system, pytest.mark.anyio]
PROGRAMS = {
    "river-1": """
import machine, time
uart = machine.UART(1, 9600, rxbuf=64)
buf = bytearray(4)
while True:
    time.sleep_ms(20)
    if uart.any() >= 4:
        uart.readinto(buf, 4)
        if buf[0] == 0xFF and (buf[0] + buf[1] + buf[2]) & 0xFF == buf[3]:
            print("mm", buf[1] << 8 | buf[2])
        else:
            uart.read(1)
""",
    "mast-1": """
import machine, time
n = 0
def tip(pin):
    global n
    n += 1
machine.Pin("GP15", machine.Pin.IN, machine.Pin.PULL_UP).irq(tip, machine.Pin.IRQ_FALLING)
i2c = machine.I2C(0, sda=machine.Pin("GP4"), scl=machine.Pin("GP5"))
while True:
    time.sleep_ms(100)
    try:
        print("tips", n, "id", i2c.readfrom_mem(0x76, 0xD0, 1)[0])
    except OSError as error:
        print("tips", n, "errno", error.errno, "sda", machine.Pin("GP4").value())
""",
    "gate-1": """
import machine, time
up = machine.Pin("GP10", machine.Pin.OUT, value=0)
limit = machine.Pin("GP12", machine.Pin.IN, machine.Pin.PULL_UP)
print("limit", limit.value())
up.on()
while limit.value():
    time.sleep_ms(10)
up.off()
print("limit", limit.value())
while True:
    time.sleep_ms(100)
""",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Site:
    """A run in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.specs = []
        for thing, program in PROGRAMS.items():
            files = folder / "boards" / thing
            files.mkdir(parents=True)
            (files / "main.py").write_text(program)
            self.specs.append(BoardSpec(thing, files))

    def log(self, thing: str) -> str:
        path = self.folder / "logs" / f"{thing}.vm.log"
        return path.read_text() if path.exists() else ""

    def trace(self) -> list[dict[str, Any]]:
        path = self.folder / "world.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    async def until(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                while not condition():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            logs = "\n".join(f"{thing}: {self.log(thing)[-500:]}" for thing in PROGRAMS)
            pytest.fail(f"not reached within {LIMIT_S} s\n{logs}")

    async def pids(self) -> list[int]:
        status = await self.fault(fault="status")
        return [counters["pid"] for counters in status["boards"].values()]

    async def fault(self, **fault: Any) -> dict[str, Any]:
        return await asyncio.to_thread(faults.send, self.folder / "faults.sock", fault)


async def test_the_loop_closes_faults_bite_and_nothing_stays(tmp_path: Path) -> None:
    site = Site(tmp_path)
    stop = asyncio.Event()
    window = plan_window(load("riverside"), seed=1)
    start = window.start_utc_us + HOUR_US
    going = asyncio.create_task(
        run("riverside", tmp_path, site.specs, speed=480, start=start, end=start + HOUR_US, stop=stop)
    )
    await site.until(lambda: site.log("gate-1").count("limit") == 2)
    await site.until(lambda: site.trace()[-1:] == [{"done": True}])
    status = await site.fault(fault="status")
    made = status["boards"]["mast-1"]["rain_pulses"]
    assert made > 10
    await site.until(lambda: f"tips {made} id 96" in site.log("mast-1"))
    await _check_faults(site)
    pids = await site.pids()
    assert len(pids) == 3
    stop.set()
    await going
    assert not [pid for pid in pids if _alive(pid)]
    assert not list((tmp_path / "dev").iterdir())
    _check_trace(site)


def _alive(pid: int) -> bool:
    """Whether a board's process still runs; a dead one nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


async def _check_faults(site: Site) -> None:
    assert (await site.fault(fault="nack", thing="mast-1", sensor="air"))["ok"]
    await site.until(lambda: "errno 5 sda 1" in site.log("mast-1"))
    assert (await site.fault(fault="sda_low", thing="mast-1", bus="i2c0"))["ok"]
    await site.until(lambda: "errno 110 sda 0" in site.log("mast-1"))
    assert (await site.fault(fault="silent", thing="river-1", sensor="level"))["ok"]
    assert (await site.fault(fault="clear"))["ok"]
    before = site.log("mast-1").count("id 96")
    await site.until(lambda: site.log("mast-1").count("id 96") > before)
    assert (await site.fault(fault="reset_board", thing="gate-1"))["ok"]
    await site.until(lambda: site.log("gate-1").count("limit 0") >= 2)
    for wrong in ({"fault": "nonsense"}, {"fault": "nack", "thing": "nobody", "sensor": "x"}, {}):
        assert not (await site.fault(**wrong))["ok"]


def _check_trace(site: Site) -> None:
    lines = site.trace()[:-1]
    assert lines[0]["gate_opening"] == pytest.approx(0.2, abs=0.05)
    assert lines[-1]["gate_opening"] > 0.99
    assert lines[-1]["level_m"] < lines[0]["level_m"]
    assert lines[-1]["utc_us"] - lines[0]["utc_us"] > 0.9 * HOUR_US
    heard = [int(line.split()[1]) for line in site.log("river-1").splitlines() if line.startswith("mm")]
    levels = [4.0 - value / 1000 for value in heard]
    assert levels[0] == pytest.approx(lines[0]["level_m"], abs=0.03)
    assert levels[-1] == pytest.approx(lines[-1]["level_m"], abs=0.03)


async def test_boards_die_with_a_killed_simulator(tmp_path: Path) -> None:
    site = Site(tmp_path)
    code = (
        "import asyncio, sys; from pathlib import Path; from simulator.runtime import BoardSpec, run\n"
        "folder = Path(sys.argv[1])\n"
        "specs = [BoardSpec(path.name, path) for path in (folder / 'boards').iterdir()]\n"
        "asyncio.run(run('riverside', folder, specs))\n"
    )
    simulator = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(tmp_path))
    await site.until(lambda: "limit 0" in site.log("gate-1"))
    pids = await site.pids()
    simulator.kill()
    await simulator.wait()
    await site.until(lambda: not any(_alive(pid) for pid in pids))
    assert len(pids) == 3
