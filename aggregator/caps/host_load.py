"""Asks the host for room and memory, at most once a second. Shell."""

import os
from pathlib import Path

from .caps import Load

EVERY_US = 1_000_000


class HostLoad:
    """The load of this process and the disk of `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # kept open: descriptors may run out when connections take them all
        self._memory = Path("/proc/self/statm").open("rb", buffering=0)  # noqa: SIM115
        self._asked_us = -EVERY_US
        self._load = Load(0, 0)

    def at(self, now_us: int) -> Load:
        """Return the load, at most a second old."""
        if now_us - self._asked_us >= EVERY_US:
            self._asked_us = now_us
            disk = os.statvfs(self._folder)
            pages = int(os.pread(self._memory.fileno(), 100, 0).split()[1])
            self._load = Load(disk.f_bavail * disk.f_frsize, pages * os.sysconf("SC_PAGE_SIZE"))
        return self._load
