"""Looks at this host's clocks: CLOCK_BOOTTIME against CLOCK_REALTIME, and whether the kernel says it is
synchronised (adjtimex; every time daemon tells the kernel) or systemd-timesyncd left its mark."""

import ctypes
import time
from collections.abc import Callable
from pathlib import Path

from .host_clock import LEAST_SIGMA_US, Look

TIMESYNCD = Path("/run/systemd/timesync/synchronized")
TIMESYNCD_SIGMA_US = 50_000.0
_STA_UNSYNC, _STA_NANO = 0x0040, 0x2000
_ERROR = 5


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as it is read; the rest is room for what the kernel writes."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("rest", ctypes.c_char * 256),
    )  # fmt: skip


def boottime_us() -> int:
    """Return CLOCK_BOOTTIME in microseconds: the real time of everything in a service."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def kernel_says() -> tuple[bool, float]:
    """Return (synchronised, error in us) by the kernel's word; where it gives none, by timesyncd's mark."""
    timex = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (AttributeError, OSError):
        state = -1
    if state == -1:  # a container may not ask
        return TIMESYNCD.exists(), TIMESYNCD_SIGMA_US
    if state == _ERROR or timex.status & _STA_UNSYNC:
        return False, 0.0
    left_us = abs(timex.offset) / (1000.0 if timex.status & _STA_NANO else 1.0)
    return True, left_us + float(timex.esterror)


def look(trusted: bool = False, kernel: Callable[[], tuple[bool, float]] = kernel_says) -> Look:
    """Return how this host's clocks stand now. `trusted`: the configuration says that its UTC is right."""
    synced, error_us = (True, LEAST_SIGMA_US) if trusted else kernel()
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    utc_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return Look((before + after) // 2000, utc_ns // 1000, synced, error_us + (after - before) / 2000)
