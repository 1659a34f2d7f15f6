"""Runs on the 32-bit VM: prints the heap that each hot path takes in 100 rounds; handlers run with the heap locked."""

import gc
import json

import machine
import micropython
import time

from firmware.core.link import LINK
from firmware.core.outbox import Outbox
from firmware.core.pack import SLACK, Packer
from firmware.core.ring import Ring
from firmware.core.schedule import Clock, Every
from firmware.port import start
from firmware.port.app import App
from firmware.port.pulses import Pulses

VALUE = 1.5
LATE = (1 << 30) - 1
ROUNDS = 100

ring = Ring(128)
clock = Clock(time.ticks_us)
every = Every(100)
outbox = Outbox(ring)
place = 0
full = Ring(128)
for i in range(128):
    full.push(i % 4, 1 + i % 2, i >> 3, i * 1000001 & LATE, i * 1.37 - 60)
pulses = Pulses("GP22", 2)
pin = machine.pins["GP22"]
with open("board.json") as file:
    config = json.load(file)
start.program(config)
app = App(config)
node = app.node
link = node.link
for _ in range(300):
    app.turn()
    time.forward_ms(1)
link.mode = LINK
link.outbox.new_session()
chunk = bytearray(64)
for i in range(64):
    chunk[i] = i


def control():
    bytearray(1)


def ring_push():
    ring.push(255, 9, LATE >> 12, LATE, VALUE)
    ring.ack(ring.head - 1, ring.head)


def ring_overflow():
    ring.push(255, 9, LATE >> 12, LATE, VALUE)


def clock_tick():
    time.forward_ms(1)
    clock.tick()


def schedule_due():
    every.due(every.due_ms + 30)


def samples_frame():
    """Choose a batch, frame it, give it to the wire buffer, ack it."""
    node.ring.push(0, 1, 0, LATE, VALUE)
    if not link.outbox.choose(node.clock.ms) and not link.outbox.choose(node.clock.ms + 50):
        raise RuntimeError("nothing to send")
    link._write_samples(link.outbox.first, link.outbox.n)
    link.writer.finish()
    node.ring.ack(link.outbox.first, link.outbox.first + link.outbox.n)
    link.outbox.acked()


page = bytearray(256 + SLACK)
packer = Packer(4, [None] * 4)
counts = Packer(4, [(-45, 175, 65535, 1, 0)] * 4)
counts.begin(page, 24, 256)
words = Ring(128)
for i in range(128):
    words.push(i % 4, 1, i >> 3, i * 1000001 & LATE, (26000 + i * 7 % 50) * 175 / 65535 - 45)


def flash_ring_packs():
    """A record of the ring, of another channel, stamp and value than the one before, goes into a page."""
    global place
    if place % 16 == 0:
        packer.begin(page, 24, 256)
    place = (place + 1) % 128
    if not packer.put(full.buf, place * 12):
        raise RuntimeError("no room")


def counts_pack():
    """The same for channels whose driver says what a count is worth: floats are needed for that."""
    global place
    place = (place + 1) % 128
    if not counts.put(words.buf, place * 12):
        counts.begin(page, 24, 256)


def noise_received():
    link.feed(chunk, 64)


def tick():
    """A turn of the scheduler with nothing due: clock, sensors, actuators, silence, next due time."""
    node.clock.tick()
    for sensor in node.sensors.sensors:
        sensor.every.due_ms = node.clock.ms + 1000
        sensor.waiting = False
    for actuator in node.actuators.actuators:
        actuator.next_ms = node.clock.ms + 1000
    link._heard_ms = node.clock.ms
    node.step()
    node.idle_ms()
    app.healthy()


def pulse():
    pin.handler(pin)


def measure(path):
    for _ in range(3):
        path()
    before = gc.mem_alloc()
    for _ in range(ROUNDS):
        path()
    return gc.mem_alloc() - before


for path in (
    control, ring_push, ring_overflow, clock_tick, schedule_due, samples_frame, noise_received, tick, pulse,
    flash_ring_packs, counts_pack,
):  # fmt: skip
    print("path", path.__name__, measure(path))

before = pulses.count
time.forward_ms(10)
micropython.heap_lock()
pin.handler(pin)
pin.handler(pin)
micropython.heap_unlock()
print("pulses", pulses.count - before)
micropython.heap_lock()
try:
    bytearray(64)
    found = "nothing"
except MemoryError:
    found = "MemoryError"
micropython.heap_unlock()
print("locked", found)
