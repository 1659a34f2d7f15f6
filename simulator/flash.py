"""A NOR flash as a board has it: erased by sectors, programmed by pages, and cut off in the middle of either.

Bits go from 1 to 0 only; an erase brings a sector of 4096 bytes back to all ones. Where the power is cut, a page has
some of its bytes and a few bits of the next, a sector some bytes erased and some not.
Source: W25Q16JV datasheet, revision H: 8.2.15 page program, 8.2.17 sector erase; 9.6 tPP 0.7 ms typical, 3 ms at most,
tSE 45 ms typical, 400 ms at most.
"""

from collections.abc import Callable
from random import Random

SECTOR, PAGE = 4096, 256
ERASE_MS, PROGRAM_MS = 45.0, 0.7
ERASE_MAX_MS, PROGRAM_MAX_MS = 400.0, 3.0


class PowerCut(BaseException):
    """The power is gone; nobody may catch this and go on."""


class NorFlash:
    """A block device of MicroPython (extended protocol) over `sectors` sectors.

    `operations` counts erases and programs; number `cut_at` is done in part and raises `PowerCut`, as does whatever
    comes after it. `pause(ms)` is called with the time each takes, `worst` says whether that is the longest.
    """

    def __init__(self, sectors: int, rng: Random, pause: Callable[[float], object] = lambda ms: None) -> None:
        self.data = bytearray(b"\xff" * SECTOR * sectors)
        self.erases = [0] * sectors
        self.operations, self.cut_at = 0, 0
        self.worst = False
        self._rng, self._pause = rng, pause
        self._dead = False

    def power_on(self, cut_at: int = 0) -> None:
        """Count operations anew; `cut_at` 0: no cut."""
        self.operations, self.cut_at, self._dead = 0, cut_at, False

    def readblocks(self, block: int, buf: bytearray, offset: int = 0) -> None:
        """Fill `buf` from that place."""
        at = block * SECTOR + offset
        if at + len(buf) > len(self.data):
            raise OSError(22, "beyond the end of the flash")
        buf[:] = self.data[at : at + len(buf)]

    def writeblocks(self, block: int, buf: bytes | bytearray, offset: int) -> None:
        """Program whole pages; bits that are 0 already stay so."""
        at = block * SECTOR + offset
        if at % PAGE or len(buf) % PAGE or at + len(buf) > len(self.data):
            raise OSError(22, f"expected whole pages of {PAGE} bytes, found {len(buf)} bytes at {at}")
        for page in range(0, len(buf), PAGE):
            whole = bytes(buf[page : page + PAGE])
            cut = self.begin()
            done = self._rng.randrange(PAGE) if cut else PAGE
            self._program(at + page, whole[:done])
            if cut:
                self._program(at + page + done, bytes([whole[done] | self._rng.getrandbits(8)]))
                raise PowerCut
            self._pause(PROGRAM_MAX_MS if self.worst else PROGRAM_MS)

    def ioctl(self, op: int, arg: int) -> int:
        """4: how many blocks; 5: bytes in one; 6: erase a block."""
        if op == 6:
            self._erase(arg)
            return 0
        return {4: len(self.data) // SECTOR, 5: SECTOR}.get(op, 0)

    def _erase(self, block: int) -> None:
        cut = self.begin()
        self.erases[block] += 1
        start, end = sorted(self._rng.randrange(SECTOR + 1) for _ in range(2)) if cut else (0, SECTOR)
        at = block * SECTOR
        self.data[at + start : at + end] = b"\xff" * (end - start)
        if cut:
            raise PowerCut
        self._pause(ERASE_MAX_MS if self.worst else ERASE_MS)

    def begin(self) -> bool:
        """Count an operation, of whatever is on the same supply; return whether the power goes in it."""
        if self._dead:
            raise PowerCut
        self.operations += 1
        self._dead = self.operations == self.cut_at
        return self._dead

    def _program(self, at: int, some: bytes) -> None:
        for i, byte in enumerate(some):
            self.data[at + i] &= byte
