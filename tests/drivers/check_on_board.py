"""Runs on MicroPython after lines `TRANSCRIPTS = '...'`, `ORDERS = '...'`: replays recorded traffic into the drivers.

Prints "<driver> <bytes allocated by the first start and read> <by the last one>", then "ok"; of an actuator a step.
"""

import gc
import json
import math
from array import array

import drivers.gate_drive
import drivers.inmp441
import drivers.machine_bus
import drivers.mcp4725
import drivers.relay
from drivers import a02yyuw, anemometer, contact, errors, flow_meter, tipping_bucket
from drivers.bus import I2CBus


class Replay(I2CBus):
    def __init__(self, steps):
        super().__init__("i2c0")
        self.steps = [(s[0], bytes(s[1]) if s[1] is not None else None, bytes(s[2])) for s in steps]
        self.at = 0

    def transaction(self, address, write, read):
        step = self.steps[self.at]
        self.at += 1
        if step[0] != address or (step[1] is not None and step[1] != write):
            raise AssertionError(f"step {self.at}: expected {step}, found {write} to {address}")
        if read is not None:
            answer = step[2]
            for i in range(len(read)):
                read[i] = answer[i]


class ReplayCalls:
    """A UART or a 1-Wire line."""

    def __init__(self, steps):
        self.steps = [(what, bytes(content) if isinstance(content, list) else content) for what, content in steps]
        self.at = 0

    def step(self, what):
        found = self.steps[self.at]
        self.at += 1
        if found[0] != what:
            raise AssertionError(f"step {self.at}: expected {found}, found {what}")
        return found[1]

    def any(self):
        return self.step("any")

    def readinto(self, buf, count=0):
        data = self.step("readinto")
        for i in range(len(data)):
            buf[i] = data[i]
        return len(data)

    def write(self, data):
        if self.step("write") != data:
            raise AssertionError(f"step {self.at}: found {data}")
        return len(data)

    def reset(self):
        return self.step("reset")

    def read_bit(self):
        return self.step("read_bit")

    def strong_pull_up(self, on):
        pass


class ReplayCount:
    def __init__(self, steps):
        self.steps = steps
        self.at = 0

    @property
    def count(self):
        self.at += 1
        return self.steps[self.at - 1]


class IO:
    def __init__(self, case):
        self.case = case
        self.clock = case["millis"]
        self.at = 0

    def i2c(self, name):
        return Replay(self.case["steps"])

    def uart(self, name, baud):
        return ReplayCalls(self.case["steps"])

    def onewire(self, pin):
        return ReplayCalls(self.case["steps"])

    def input(self, pin, pull):
        return lambda: 1

    def pulses(self, pin, debounce_ms, rising=False):
        return ReplayCount(self.case["steps"])

    def millis(self):
        self.at += 1
        return self.clock[self.at - 1]


def replay(case):
    module = __import__("drivers." + case["name"], None, None, ("make",))
    driver = module.make(IO(case), case["cfg"])
    values = [0.0] * len(case["values"])

    def reading():
        driver.start()
        while driver.read_into(values):
            pass

    first, later = taken(reading), 0
    for _ in range(case["cycles"] - 1):
        later = max(later, taken(reading))
    for found, expected in zip(values, case["values"]):  # noqa: B905 (MicroPython)
        if abs(found - expected) > 1e-5 * (1 + abs(expected)):
            raise AssertionError(f"{case}: found {values}")
    print(case["name"], first, later)


def taken(call, *args):
    """Bytes of heap that a call takes."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    call(*args)
    used = gc.mem_alloc() - before
    gc.enable()
    return used


class Uart:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def any(self):
        return len(self.data) - self.at

    def readinto(self, buf, count):
        count = min(count, len(self.data) - self.at)
        for i in range(count):
            buf[i] = self.data[self.at + i]
        self.at += count
        return count


def small_ones():
    uart = Uart(b"\x00\xff\x07\xa1\xa7")
    sensor = a02yyuw.A02YYUW(uart, lambda: 5)
    values = [0.0]
    sensor.read_into(values)
    assert values == [1953]
    try:
        a02yyuw.A02YYUW(Uart(b""), lambda: 5).read_into(values)
    except errors.DriverError as error:
        assert error.code == errors.SILENT and isinstance(error, OSError), error
        assert "nothing" in str(error)
    else:
        raise AssertionError("silence gave a reading")
    contact.Contact(lambda: 0).read_into(values)
    assert values == [1]
    tipping_bucket.TippingBucket(Pulses(), 0.5).read_into(values)
    assert values == [1.5]
    counted()


class Pulses:
    count = 3


def counted():
    now_ms = [0]
    pulses = Pulses()
    cups = anemometer.Anemometer(pulses, lambda: now_ms[0], {"period_ms": 1000, "slope": 0.5, "offset": 0.25})
    meter = flow_meter.FlowMeter(pulses, lambda: now_ms[0], 600)
    values = [0.0, 0.0]
    assert cups.read_into(values) == 200 and meter.read_into(values) == 200
    now_ms[0] = 1000
    pulses.count = 23
    assert cups.read_into(values) == 0
    assert values == [10.25, 10.25]
    assert meter.read_into(values) == 0
    assert abs(values[0] - 2.0) < 1e-5 and abs(values[1] - 23 / 600) < 1e-6


class Output:
    level = 0

    def on(self):
        self.level = 1

    def off(self):
        self.level = 0


def actuators():
    fan = drivers.relay.Relay(Output())
    fan.command(1.0)
    first = taken(fan.step, 0)
    assert fan.position == 1.0
    print("relay", first, taken(fan.step, 20))
    opening, closing = Output(), Output()
    position = [0.2]

    def limit():
        return False

    gate = drivers.gate_drive.GateDrive(
        (opening, closing), (limit, limit), lambda: (position[0], 1, 0), {"travel_ms": 4000}
    )
    gate.command(0.6)
    first, most = taken(gate.step, 0), 0
    for step in range(400):
        position[0] += 0.005 * (opening.level - closing.level)
        assert not (opening.level and closing.level)
        most = max(most, taken(gate.step, step * 20))
    print("gate_drive", first, most)
    assert gate.settled and abs(gate.position - 0.6) < 0.02, gate.position


class Tone:
    """1 kHz of 94 dB at 16 kHz, as many samples as its clock says."""

    def __init__(self):
        self.now_ms = self.given = 0
        self.words = bytearray(64)
        for i in range(16):
            value = int(420426 * math.sin(math.pi * i / 8)) << 8
            for j in range(4):
                self.words[4 * i + j] = value >> 8 * j & 255

    def readinto(self, into):
        count = min(len(into) // 4, self.now_ms * 16 - self.given)
        for i in range(4 * count):
            into[i] = self.words[(4 * self.given + i) & 63]
        self.given += count
        return 4 * count

    def millis(self):
        return self.now_ms


def microphone():
    """Its samples would fill the memory of the VM as a transcript."""
    tone = Tone()
    driver = drivers.inmp441.INMP441(tone, tone.millis, {"period_ms": 250})
    values = array("f", [0.0] * 3)

    def reading():
        wait_ms = driver.start()
        while wait_ms:
            tone.now_ms += wait_ms
            wait_ms = driver.read_into(values)

    first, later = taken(reading), 0
    for _ in range(2):
        later = max(later, taken(reading))
    assert max(abs(found - expected) for found, expected in zip(values, (94.0, 94.0, 97.0))) < 0.05, values  # noqa: B905
    print("inmp441", first, later)


class AnalogueOutput(I2CBus):
    """An MCP4725: answers with what it was told, and not at all while it is off."""

    code = 0x800
    off = False

    def transaction(self, address, write, read):
        if self.off:
            raise errors.BusError(errors.NACK, "scripted")
        if write:
            self.code = write[0] << 8 | write[1]
        if read:
            read[0] = 0xC0
            read[1] = self.code >> 4
            read[2] = self.code << 4 & 0xF0


def remote():
    chip = AnalogueOutput()
    valve = drivers.mcp4725.MCP4725(chip, {"address": 0x60, "safe": 0.5})
    valve.command(0.25)
    valve.step(0)
    assert (chip.code, valve.position, valve.settled) == (0x400, 0.25, True)
    chip.off = True
    valve.step(600)
    assert (valve.state, valve.settled, valve.position == valve.position) == (3, False, False)
    valve.safe()
    chip.off = False
    valve.step(2000)
    assert (chip.code, valve.position, valve.settled) == (0x800, 0.5, True)


def order(case):
    """What is told and read back of one order, then of looks at it."""
    driver = __import__("drivers." + case["name"], None, None, ("make",)).make(IO(case), case["cfg"])
    driver.command(0.25)
    first = taken(driver.step, 0)
    later = 0
    for now_ms in (20, 40, 600, 620, 1200):
        later = max(later, taken(driver.step, now_ms))
    assert abs(driver.position - case["position"]) < 1e-5, driver.position
    print(case["name"], first, later)


for case in json.loads(TRANSCRIPTS):  # noqa: F821
    replay(case)
for case in json.loads(ORDERS):  # noqa: F821
    order(case)
print("control 0", taken(bytearray, 2048))
small_ones()
actuators()
microphone()
remote()
print("ok")
