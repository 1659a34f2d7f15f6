"""`time` of a virtual board: ticks wrap at 2**30 and start shortly before a wrap, as they may on a Pico."""

import os

import _bridge  # type: ignore[import-not-found]
import utime
from utime import gmtime, localtime, mktime, time, time_ns  # noqa: F401

_MASK = 0x3FFFFFFF
_HALF = 0x20000000
_START_US = (1 << 30) - 5_000_000
_START_MS = (1 << 30) - 8_000
_boot_us = utime.ticks_us()
_now = _bridge.now
_ppb = int(os.getenv("BOARD_CLOCK_PPB", "0"))


def _elapsed_us():
    elapsed_us = (_now[1] if _now[0] else utime.ticks_us()) - _boot_us
    return elapsed_us + elapsed_us * _ppb // 1_000_000_000


def ticks_us():
    return (_elapsed_us() + _START_US) & _MASK


def ticks_ms():
    return (_elapsed_us() // 1000 + _START_MS) & _MASK


def ticks_cpu():
    return ticks_us()


def ticks_add(ticks, delta):
    return (ticks + delta) & _MASK


def ticks_diff(later, earlier):
    return ((later - earlier + _HALF) & _MASK) - _HALF


def sleep_us(duration_us):
    _bridge.sleep_us(duration_us)


def sleep_ms(duration_ms):
    _bridge.sleep_us(duration_ms * 1000)


def sleep(duration_s):
    _bridge.sleep_us(int(duration_s * 1_000_000))
