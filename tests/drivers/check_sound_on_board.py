"""Runs on MicroPython after lines `RATE = ...` and `NATIVE = ...`: the kernel, its machine code, and the microphone.

Prints what the kernel has after samples of all kinds ("state N ..."), the heap that 100 blocks took ("fed N"), and
levels and heap of a reading ("level L", "read N"), then "ok".
"""

import gc
from array import array
from math import pi, sin

from drivers import inmp441, sound, sound_kernel

COUNT = 640
buf = bytearray(4 * COUNT)
seed = 12345
for i in range(0, 4 * COUNT, 4):
    seed = (seed * 25173 + 13849) & 0xFFFF
    loud = (seed - 32768) * (256 if i < 2000 else 3)
    loud = min(0x7FFFFF, max(-0x800000, loud if i % 28 else -0x800000))
    buf[i + 1], buf[i + 2], buf[i + 3] = loud & 255, loud >> 8 & 255, loud >> 16 & 255


def states(weigh):
    state = array("i", sound.Levels(RATE, -26.0)._state)  # noqa: F821
    weigh(buf, 0, 100, state)
    weigh(buf, 100, 540, state)
    return list(state)


print("state", *states(sound_kernel.weigh))
if NATIVE:  # noqa: F821
    from drivers import sound_kernel_native

    print("native", *states(sound_kernel_native.weigh))
    assert sound.weigh is sound_kernel_native.weigh
else:
    assert sound.weigh is sound_kernel.weigh


class Tone:
    """1 kHz of 94 dB at 16 kHz, as many samples as the clock says."""

    now_ms = 0
    given = 0

    def __init__(self):
        self.words = bytearray(64)
        for i in range(16):
            value = int(420426 * sin(pi * i / 8)) << 8
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


def fed():
    levels = sound.Levels(16000, -26.0)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(100):
        levels.feed(buf, 128)
    used = gc.mem_alloc() - before
    gc.enable()
    return used


tone = Tone()
microphone = inmp441.INMP441(tone, tone.millis, {"period_ms": 250})
values = array("f", [0.0] * 3)


def reading():
    """Bytes that one start and reading take, the clock's own apart."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    wait_ms = microphone.start()
    while wait_ms:
        tone.now_ms += wait_ms
        wait_ms = microphone.read_into(values)
    used = gc.mem_alloc() - before
    gc.enable()
    return used


print("fed", fed())
for _ in range(3):
    used = reading()
print("level", *values)
print("read", used)
print("ok")
