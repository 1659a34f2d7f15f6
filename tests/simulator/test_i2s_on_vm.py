"""`machine.I2S` of a virtual board in its three modes, and the firmware's own way to a microphone, on the real VM."""

import shutil
import time
from pathlib import Path

import pytest

from simulator.bridge import BoardIO
from simulator.chips import inmp441
from simulator.i2s import VirtualI2S
from tests.simulator.test_firmware_end_to_end import Site
from tests.simulator.test_virtual_board import ROOT, Bench

pytestmark = [pytest.mark.system, pytest.mark.anyio]
PROGRAM = """
import sys
sys.path.append("/lib")
import machine, select, time
from drivers import inmp441
from firmware.port.i2s import open_i2s

pins = {"sck": machine.Pin("GP10"), "ws": machine.Pin("GP11"), "sd": machine.Pin("GP12")}
kind = {"mode": machine.I2S.RX, "bits": 32, "format": machine.I2S.MONO, "rate": 16000, "ibuf": 5120}
try:
    machine.I2S(0, **dict(pins, ws=machine.Pin("GP12")), **kind)
except ValueError as error:
    print("refused", error)
i2s = machine.I2S(0, **pins, **kind)
buf = bytearray(6400)
start = time.ticks_us()
print("blocking", i2s.readinto(buf), time.ticks_diff(time.ticks_us(), start) >= 95000)
full = []
i2s.irq(lambda which: full.append(bytearray(8)))  # with the heap free
start = time.ticks_us()
print("callback", i2s.readinto(buf), len(full), time.ticks_diff(time.ticks_us(), start) < 50000)
while not full:
    time.sleep_ms(5)
print("called", len(full))
i2s.irq(None)
i2s.deinit()


class Io:
    def i2s(self, name, rate_hz, buffer_bytes):
        return open_i2s({"id": 0, "sck": "GP10", "ws": "GP11", "sd": "GP12"}, rate_hz, buffer_bytes)

    def millis(self):
        return time.ticks_ms() & 0xFFFFFF


microphone = inmp441.make(Io(), {"bus": "i2s0", "period_ms": 500})
print("stream", microphone._i2s.readinto(bytearray(64000)) < 64000)
values = [0.0] * 3
wait_ms = microphone.start()
while wait_ms:
    time.sleep_ms(wait_ms)
    wait_ms = microphone.read_into(values)
print("level", values[0])
print("end")
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_microphone_on_the_vm(tmp_path: Path) -> None:
    chip = inmp441.make(time.monotonic_ns)
    chip.tone_db = 88.0
    io = BoardIO()
    io.i2s[0] = VirtualI2S([chip], time.monotonic_ns)
    bench = Bench(tmp_path, PROGRAM, io)
    for name in ("drivers", "firmware"):
        (bench.files / "lib").mkdir(exist_ok=True)
        shutil.copytree(ROOT / name, bench.files / "lib" / name)
    bench.board.power_on()
    try:
        text = await bench.prints("end")
    finally:
        await bench.board.stop()
    lines = dict(line.partition(" ")[::2] for line in text.splitlines())
    assert "end" in lines, text
    assert lines["refused"] == "invalid ws (must be sck+1)"
    assert lines["blocking"] == "6400 True"
    assert lines["callback"] == "6400 0 True"
    assert lines["called"] == "1"
    assert lines["stream"] == "True"
    assert float(lines["level"]) == pytest.approx(88.0, abs=0.2)


SCENARIO = """
name = "mast"
world = "classroom"
[window]
start = "2026-03-02T07:00:00"
hours = 1.0

[[boards]]
thing = "mast-1"
board = "sound_mast"

[[boards.chips]]
name = "sound"
chip = "inmp441"
i2s = "i2s0"
measures = { tone_db = { of = "air_temperature_cel", offset = 60.0 } }

[[boards.chips]]
name = "air"
chip = "sht4x"
bus = "i2c0"
address = 0x44
measures = { temperature_cel = { of = "air_temperature_cel" } }
"""


async def test_a_mast_hears_what_the_world_says_and_notices_a_pulled_wire(tmp_path: Path) -> None:
    """The whole firmware, a host at its port: 60 dB and one more for each degree."""
    path = tmp_path / "mast.toml"
    path.write_text(SCENARIO)
    site = Site(tmp_path, str(path))
    await site.start(speed=1)
    mast = site.hosts["mast-1"]
    try:
        await site.until(lambda: mast.latest("sound_level")[0] == mast.latest("air_temperature")[0] == 1)
        await site.until(lambda: abs(mast.latest("sound_level")[1] - 60 - mast.latest("air_temperature")[1]) < 1)
        await site.fault(fault="silent", thing="mast-1", sensor="sound")
        await site.until(lambda: mast.latest("sound_level")[0] == 9)
        assert mast.latest("air_temperature")[0] == 1
        await site.fault(fault="clear")
        await site.until(lambda: mast.latest("sound_level")[0] == 1)
    finally:
        await site.end()
