"""What a measurement must say about the machine it ran on, and the disks it refuses."""

import ctypes
import os
import platform
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

MEMORY = {0x01021994: "tmpfs", 0x858458F6: "ramfs"}
NAMES = {0xEF53: "ext", 0x9123683E: "btrfs", 0x58465342: "xfs", 0x794C7630: "overlayfs", 0xF2F52010: "f2fs", **MEMORY}
PROBES = 101


class MemoryDiskError(RuntimeError):
    """The folder is in memory, where fdatasync does nothing: what is measured there says nothing."""


def file_system(folder: Path) -> int:
    """Return the magic number of the file system a folder is on. Source: statfs(2), `f_type` comes first."""
    buffer = ctypes.create_string_buffer(256)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.statfs(os.fsencode(folder), buffer) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(folder))
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF


def on_disk(folder: Path) -> str:
    """Return the name of the folder's file system. Raises: MemoryDiskError if it is no disk."""
    magic = file_system(folder)
    if magic in MEMORY:
        raise MemoryDiskError(
            f"{folder} is on {MEMORY[magic]}, which forgets everything and syncs nothing: run `make bench` from a "
            "folder on a disk, or give one with BENCH_DIR=..."
        )
    return NAMES.get(magic, hex(magic))


def fdatasync_ms(folder: Path) -> float:
    """Return the median time in ms of a 4 KiB append with fdatasync, so that a disk that cheats is seen."""
    path = folder / "probe"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    taken = []
    for _ in range(PROBES):
        os.write(file, bytes(4096))
        start = time.perf_counter()
        os.fdatasync(file)
        taken.append(1e3 * (time.perf_counter() - start))
    os.close(file)
    path.unlink()
    return statistics.median(taken)


def machine(folder: Path) -> dict[str, Any]:
    """Return cores, load, file system and versions."""
    return {
        "cores": os.cpu_count(),
        "load_1min": os.getloadavg()[0],
        "file_system": on_disk(folder),
        "fdatasync_ms": fdatasync_ms(folder),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "versions": {name: _version(name) for name in ("pyzmq", "numpy", "numba", "msgpack", "nats-py", "paho-mqtt")},
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
