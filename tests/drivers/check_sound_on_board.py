"""Runs on MicroPython after lines `RATE = ...` and `NATIVE = ...`: the kernel and its machine code.

Prints what the kernel has after samples of all kinds ("state N ...", "native N ..."), the heap that 100 blocks took
("fed N"), then "ok".
"""

import gc
from array import array

from drivers import sound, sound_kernel

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


print("fed", fed())
print("ok")
