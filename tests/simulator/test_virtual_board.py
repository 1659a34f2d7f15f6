"""The shims on the real MicroPython VM: ticks, interrupts, I2C, UART, watchdog, reset."""

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from simulator.bridge import BoardIO
from simulator.bus import Nack, Stuck
from simulator.chips import ds18b20
from simulator.onewire import VirtualOneWire
from simulator.pins import FALLING, RISING, PinBank
from simulator.pty_port import PtyPort
from simulator.uart import VirtualUart
from tests.simulator.vm_bench import Bench
from tests.waiting import until

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.system, pytest.mark.anyio]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class RegisterChip:
    """A bus with one chip of 256 registers at 0x40."""

    def __init__(self) -> None:
        self.sda_stuck = self.scl_stuck = False
        self.registers = bytearray(range(256))
        self.pointer = self.clocks = 0

    def transfer(self, address: int, write: bytes, nread: int) -> bytes:
        if self.sda_stuck or self.scl_stuck:
            raise Stuck("stuck")
        if address != 0x40:
            raise Nack("nobody there")
        if write:
            self.pointer = write[0]
            self.registers[write[0] : write[0] + len(write) - 1] = write[1:]
        return bytes(self.registers[self.pointer : self.pointer + nread])

    def clock(self) -> None:
        self.clocks += 1


async def test_ticks_wrap_soon_after_boot(tmp_path: Path) -> None:
    program = """
import time
a = time.ticks_us(); m = time.ticks_ms()
print("start", a > (1 << 30) - 6_000_000, a < 1 << 30, m > (1 << 30) - 20_000)
before = a; wrapped = False; total = 0
while not wrapped:
    time.sleep_ms(50)
    now = time.ticks_us()
    wrapped = now < before
    total += time.ticks_diff(now, before)
    before = now
top = 1 << 30
print("wrapped", 4_000_000 < total < 8_000_000, time.ticks_diff(3, top - 2), time.ticks_add(top - 1, 2))
print("end")
"""
    bench = Bench(tmp_path, program)
    bench.board.power_on()
    text = await bench.prints("end")
    await bench.board.stop()
    assert "start True True True" in text
    assert "wrapped True 5 1" in text


async def test_edges_arrive_while_polling_with_their_own_time(tmp_path: Path) -> None:
    program = """
import machine, select, time
times = [0] * 8; levels = [0] * 8; n = 0
def on_edge(pin):
    global n
    times[n & 7] = time.ticks_ms(); levels[n & 7] = pin.value(); n += 1
machine.Pin("GP15", machine.Pin.IN, machine.Pin.PULL_UP).irq(on_edge, machine.Pin.IRQ_FALLING)
poll = select.poll(); print("ready")
while n < 3:
    poll.poll(1000)
print("gaps", time.ticks_diff(times[1], times[0]), time.ticks_diff(times[2], times[1]), levels[:3])
print("end")
"""
    bench = Bench(tmp_path, program)
    bench.board.power_on()
    await bench.prints("ready")
    base = 10_000_000
    for start_us in (base, base + 40_000, base + 60_000):
        bench.io.pins.drive(15, 0, start_us)
        bench.io.pins.drive(15, None, start_us + 3000)
    text = await bench.prints("end")
    await bench.board.stop()
    assert "gaps 40 20 [0, 0, 0]" in text


async def test_a_handler_that_allocates_is_caught(tmp_path: Path) -> None:
    program = """
import machine, time
machine.Pin(3, machine.Pin.IN).irq(lambda pin: [0] * 100, machine.Pin.IRQ_RISING)
print("ready")
while True:
    time.sleep_ms(20)
"""
    bench = Bench(tmp_path, program)
    bench.board.power_on()
    await bench.prints("ready")
    bench.io.pins.drive(3, 1, 0)
    await bench.until(lambda: bench.io.irq_failures == 1)
    await bench.board.stop()
    assert "MemoryError" in bench.text()


async def test_i2c_reaches_a_chip_and_tells_nack_from_a_stuck_bus(tmp_path: Path) -> None:
    program = """
import machine, time
i2c = machine.I2C(0, sda=machine.Pin("GP4"), scl=machine.Pin("GP5"), freq=400000)
print("scan", i2c.scan(), i2c.readfrom_mem(0x40, 0x10, 3))
i2c.writeto_mem(0x40, 0x20, b"\\x99\\x98")
i2c.writeto(0x40, b"\\x20", False)
buf = bytearray(2); i2c.readfrom_into(0x40, buf); print("back", buf)
try:
    i2c.writeto(0x41, b"")
except OSError as e:
    print("nack", e.errno, machine.Pin("GP4").value())
print("ready")
while machine.Pin("GP4").value():
    time.sleep_ms(10)
try:
    i2c.readfrom(0x40, 1)
except OSError as e:
    print("stuck", e.errno)
scl = machine.Pin("GP5", machine.Pin.OPEN_DRAIN, value=1)
for _ in range(9):
    scl.value(0)
    scl.value(1)
print("end", scl.value())
"""
    bus = RegisterChip()
    bench = Bench(tmp_path, program, BoardIO(i2c={0: bus}))
    bench.board.power_on()
    await bench.prints("ready")
    bus.sda_stuck = True
    text = await bench.prints("end")
    await bench.board.stop()
    assert "scan [64] b'\\x10\\x11\\x12'" in text
    assert "back bytearray(b'\\x99\\x98')" in text
    assert "nack 5 1" in text
    assert "stuck 110" in text
    assert bus.clocks == 9


ECHO = """
import machine, select
uart = machine.UART(0, 115200, tx=machine.Pin("GP0"), rx=machine.Pin("GP1"), rxbuf=RXBUF, timeout=0)
poll = select.poll(); poll.register(uart, select.POLLIN)
buf = bytearray(256); print("ready")
while True:
    poll.poll(1000)
    n = uart.any()
    if n:
        n = uart.readinto(buf, min(n, 256))
        uart.write(memoryview(buf)[:n])
"""


def _open_raw(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)


async def _read_exactly(bench: Bench, descriptor: int, count: int) -> bytes:
    received = bytearray()

    def complete() -> bool:
        try:
            received.extend(os.read(descriptor, 4096))
        except BlockingIOError:
            return False
        return len(received) >= count

    await bench.until(complete)
    return bytes(received)


async def test_all_byte_values_pass_the_link_and_the_host_may_reopen_it(tmp_path: Path) -> None:
    uart = VirtualUart(115200)
    bench = Bench(tmp_path, ECHO.replace("RXBUF", "512"), BoardIO(uarts={0: uart}))
    port = PtyPort(tmp_path / "dev/test-1", uart)
    bench.board.power_on()
    await bench.prints("ready")
    payload = bytes(range(256))
    for _ in range(3):
        descriptor = _open_raw(port.link)
        os.write(descriptor, payload)
        assert await _read_exactly(bench, descriptor, 256) == payload
        os.close(descriptor)
    await bench.board.stop()
    port.close()
    assert uart.to_board.carried == uart.from_board.carried == 768
    assert uart.counters.overrun == 0


async def test_a_link_nobody_listens_to_loses_bytes_but_not_the_board(tmp_path: Path) -> None:
    program = """
import machine
uart = machine.UART(0, 921600)
for block in range(100):
    uart.write(bytes(256))
print("written")
while True:
    n = uart.any()
    if n:
        uart.write(uart.read(n))
"""
    uart = VirtualUart(921600)
    bench = Bench(tmp_path, program, BoardIO(uarts={0: uart}))
    port = PtyPort(tmp_path / "dev/test-1", uart)
    bench.board.power_on()
    await bench.until(lambda: uart.from_board.carried == 25600)
    assert uart.counters.unheard > 0
    descriptor = _open_raw(port.link)
    await _read_exactly(bench, descriptor, 25600 - uart.counters.unheard)
    garbage = b"\x03\x03\x00\r\n>>> " + random.Random(1).randbytes(200) + b"\x04\x03"
    os.write(descriptor, garbage)
    assert await _read_exactly(bench, descriptor, len(garbage)) == garbage
    assert bench.board.running
    os.close(descriptor)
    await bench.board.stop()
    port.close()


async def test_receive_fifo_overruns_when_the_board_does_not_read(tmp_path: Path) -> None:
    program = """
import machine
uart = machine.UART(1, 9600, rxbuf=64)
print("ready")
while uart.any() < 64:
    pass
print("full", uart.any())
while machine.Pin(2).value() == 0:
    pass
print("kept", uart.any(), uart.read())
print("end")
"""
    uart = VirtualUart(9600)
    bench = Bench(tmp_path, program, BoardIO(uarts={1: uart}))
    bench.board.power_on()
    await bench.prints("ready")
    uart.send(bytes(range(100)))
    await bench.until(lambda: uart.to_board.carried == 100)
    bench.io.pins.drive(2, 1, 0)
    text = await bench.prints("end")
    await bench.board.stop()
    assert f"kept 64 {bytes(range(64))!r}" in text
    assert uart.counters.overrun == 36


async def test_watchdog_cannot_be_stopped_and_restarts_on_the_same_files(tmp_path: Path) -> None:
    program = """
import machine
print("cause", machine.reset_cause())
relay = machine.Pin(10, machine.Pin.OUT, value=1)
if machine.reset_cause() == machine.PWRON_RESET:
    with open("/mark", "w") as file:
        file.write("kept")
    machine.WDT(timeout=200)
    while True:
        pass
print("mark", open("/mark").read(), relay.value())
if machine.reset_cause() == machine.WDT_RESET:
    print("end")
"""
    bench = Bench(tmp_path, program)
    levels: list[int] = []
    bench.io.pins.watch(10, levels.append)
    bench.board.power_on()
    text = await bench.prints("end")
    await bench.board.stop()
    assert text.count("cause 1") == text.count("cause 3") == 1
    assert "mark kept" in text
    assert bench.board.counters.watchdog_resets == 1
    assert levels == [1, 0, 1, 0]


async def test_a_watchdog_that_is_started_again_has_its_new_period(tmp_path: Path) -> None:
    program = """
import machine, time
if machine.reset_cause() == machine.PWRON_RESET:
    machine.WDT(timeout=8388)
    machine.WDT(timeout=100)
    time.sleep_ms(4000)
    print("late")
print("end")
"""
    bench = Bench(tmp_path, program)
    bench.board.power_on()
    text = await bench.prints("end")
    await bench.board.stop()
    assert "late" not in text


async def test_a_level_carries_the_time_it_was_set_however_late_it_is_read(tmp_path: Path) -> None:
    program = """
import machine, time
busy = machine.Pin(9, machine.Pin.OUT, value=0)
pin = machine.Pin(10, machine.Pin.OUT, value=0)
busy.value(1)
pin.value(1)
time.sleep_ms(30)
pin.value(0)
print("end")
"""
    bench, far = Bench(tmp_path, program), PinBank()
    stamps_us: list[int] = []
    far.on_edge = lambda _pin, _level, _edge, stamp_us: stamps_us.append(stamp_us)
    bench.io.pins.wire(10, far, 3)
    far.listen(3, FALLING | RISING)
    bench.io.pins.watch(9, lambda _: until(lambda: "end" in bench.text()))  # the simulator stands still meanwhile
    bench.board.power_on()
    await bench.until(lambda: len(stamps_us) == 2)
    await bench.board.stop()
    assert stamps_us[1] - stamps_us[0] >= 30_000


async def test_software_reset_and_a_fed_watchdog(tmp_path: Path) -> None:
    program = """
import machine, time, os
watchdog = machine.WDT(timeout=300)
for _ in range(20):
    time.sleep_ms(50); watchdog.feed()
if "again" not in os.listdir("/"):
    open("/again", "w").close()
    machine.reset()
print("uid", len(machine.unique_id()), "end")
while True:
    time.sleep_ms(50); watchdog.feed()
"""
    bench = Bench(tmp_path, program)
    bench.board.power_on()
    await bench.prints("uid 8 end")
    await bench.board.stop()
    assert bench.board.counters.starts == 2
    assert bench.board.counters.watchdog_resets == 0
    assert not bench.board.running


async def test_a_thermometer_on_a_1_wire_pin(tmp_path: Path) -> None:
    """Firmware's own line over the VM's `onewire`, parasitic power and all."""
    program = """
import sys
sys.path.append("/lib")
import time
from drivers import ds18b20
from firmware.port.one_wire import OneWireLine
probe = ds18b20.DS18B20(OneWireLine("GP22"), "GP22")
values = [0.0]
for _ in range(2):
    time.sleep_ms(probe.start())
    probe.read_into(values)
print("read", values[0])
try:
    ds18b20.DS18B20(OneWireLine("GP21"), "GP21").start()
except OSError as error:
    print("nobody", error)
print("end")
"""
    chip = ds18b20.make(time.monotonic_ns)
    chip.temperature_cel, chip.supplied = -7.5, False
    io = BoardIO()
    io.onewires[22] = VirtualOneWire([chip])
    bench = Bench(tmp_path, program, io)
    for name in ("drivers", "firmware"):
        (bench.files / "lib").mkdir(exist_ok=True)
        shutil.copytree(ROOT / name, bench.files / "lib" / name)
    bench.board.power_on()
    try:
        text = await bench.prints("end")
    finally:
        await bench.board.stop()
    assert "read -7.5" in text
    assert "nobody SILENT" in text
