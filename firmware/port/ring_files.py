"""Makes room for the flash ring in the file system of an unchanged MicroPython, and finds where it is.

The ring has a file for each of its blocks. littlefs keeps a file of at most one block in one block, with nothing of
its own in there, and moves it only when somebody writes the file. So the files are made once and never written again:
the ring erases and programs their blocks itself. Where they are is asked anew at each start, of the file system and
not of what a block contains: it is mounted once more, over a device that can not write and notes what is read. If a
file was removed its block belongs to the file system again, and a new one is made.
Loaded before the program and forgotten again. Sources: littlefs 2, SPEC.md, "CTZ skip-lists" (the first block has no
pointers) and DESIGN.md, "Wear leveling" (dynamic: what is not written stays); docs/decisions/0009.
"""

import os
import sys
from array import array

from .blocks import Blocks

FOLDER = "/ring"
BLOCK = 4096
PIECE = 256
SPARE = 8  # blocks that stay free: littlefs writes anew, then frees


class Watched:
    """The chip's flash for a file system that only reads; `block` is the one that was read last."""

    def __init__(self, device) -> None:  # type: ignore[no-untyped-def]
        """Nothing was read yet."""
        self._device = device
        self.block = -1

    def readblocks(self, block: int, buf, offset: int = 0) -> None:  # type: ignore[no-untyped-def]
        """Fill `buf` from that place."""
        self.block = block
        self._device.readblocks(block, buf, offset)

    def writeblocks(self, block: int, buf, offset: int = 0) -> int:  # type: ignore[no-untyped-def]
        """Refuse: EROFS."""
        return -30

    def ioctl(self, op: int, arg: int) -> int:
        """4: how many blocks; 5: their size; 6, to erase one, is refused."""
        return -30 if op == 6 else self._device.ioctl(op, arg)


def chip():  # type: ignore[no-untyped-def]
    """Return the block device that MicroPython's own start mounts as `/`."""
    try:
        from flashbdev import bdev  # type: ignore[import-not-found]  # noqa: PLC0415 (of the esp32 port)
    except ImportError:
        from rp2 import Flash  # noqa: PLC0415

        return Flash()
    return bdev


def open_ring(n: int) -> tuple:  # type: ignore[type-arg]
    """Return (block device of n blocks or None, why there is none)."""
    try:
        device = chip()
        watch(device)
        make(n)
        return Blocks(device, places(device, n)), ""
    except (ImportError, OSError, ValueError) as error:
        return None, "no flash ring of %d blocks: %r; see docs/flash.md" % (n, error)


def forget() -> None:
    """Let the code of this module go when its caller is done with it."""
    del sys.modules["firmware.port.ring_files"], sys.modules["firmware.port"].ring_files


def watch(device) -> tuple:  # type: ignore[no-untyped-def,type-arg]
    """Return (`Watched`, the file system that reads over it). Raises: ImportError; OSError, it is no littlefs 2."""
    from vfs import VfsLfs2  # noqa: PLC0415 (not every MicroPython has it)

    watched = Watched(device)
    return watched, VfsLfs2(watched)  # type: ignore[abstract, arg-type]


def make(n: int) -> None:
    """Make the files that are not there whole, and remove those beyond n. Raises: OSError; ValueError, no room."""
    there, beyond = bytearray(n), []
    try:
        os.mkdir(FOLDER)
    except OSError:
        pass
    for entry in os.ilistdir(FOLDER):
        if len(entry[0]) != 3 or entry[0].strip("0123456789abcdef"):
            continue  # not ours, such as .DS_Store
        i = int(entry[0], 16)
        if i >= n:
            beyond.append(i)
        elif entry[3] == BLOCK:  # type: ignore[misc]
            there[i] = 1
    for i in beyond:
        os.remove(name_of(i))
    missing = n - sum(there)
    free = os.statvfs(FOLDER)[3]
    if missing and free < missing + missing // 32 + SPARE:
        raise ValueError("%d blocks are free, expected %d" % (free, missing + missing // 32 + SPARE))
    blank = b"\xff" * PIECE
    for i in range(n):
        if not there[i]:
            with open(name_of(i), "wb") as file:
                for _ in range(BLOCK // PIECE):
                    file.write(blank)


def name_of(i: int) -> str:
    """Return the path of a file."""
    return "%s/%03x" % (FOLDER, i)


def places(device, n: int) -> array:  # type: ignore[no-untyped-def,type-arg]
    """Return the number of the block of each file. Raises: OSError; ValueError, a file that is not one block."""
    watched, files = watch(device)
    taken = bytearray(device.ioctl(4, 0))
    try:
        files.stat(FOLDER)
        skip = 0
    except OSError:  # the file system itself is mounted there
        skip = len(FOLDER)
    found = array("H")
    for i in range(n):
        with files.open(name_of(i)[skip:], "rb") as file:
            block = read_at(file, 0, watched)
            if read_at(file, BLOCK - 1, watched) != block or file.seek(0, 2) != BLOCK or block < 2 or taken[block]:
                raise ValueError("%s is not one block of its own" % name_of(i))
        taken[block] = 1
        found.append(block)
    return found


def read_at(file, at: int, watched: Watched) -> int:  # type: ignore[no-untyped-def]
    """Return the block that a byte of a file was read from."""
    watched.block = -1
    file.seek(at)
    file.read(1)
    return watched.block
