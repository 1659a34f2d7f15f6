"""`rp2` of a virtual board: MicroPython's part of the flash, kept in the file flash.bin of the board's folder.

It takes the time of the datasheet, and what a power cut interrupts is left half done: a page is programmed from its
start on, 16 bytes at a time. The file holds every bit inverted, so what it does not hold yet is erased. Its file
system is the whole of a real board's; here the board's folder is `/`, and it is there for the flash ring alone.
Source: W25Q16JV datasheet, revision H, 9.6: tSE 45 ms, tPP 0.7 ms, typical.
"""

import time

BYTES = 1408 * 1024
SECTOR = 4096
ERASE_MS = 45
PROGRAM_US = 700
_NAME = "/flash.bin"


class Flash:
    def __init__(self, *, start=0, len=-1):
        if len < 0:
            len = BYTES - start
        if start % SECTOR or len % SECTOR or len <= 0 or not 0 <= start <= BYTES - len:
            raise ValueError
        self._start, self._len = start, len
        try:
            self._file = open(_NAME, "r+b")  # noqa: SIM115
        except OSError:
            self._file = open(_NAME, "w+b")  # noqa: SIM115

    def readblocks(self, block, buf, offset=0):
        self._file.seek(self._start + block * SECTOR + offset)
        found = self._file.read(len(buf))
        for i in range(len(buf)):
            buf[i] = 0xFF ^ found[i] if i < len(found) else 0xFF

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            self.ioctl(6, block)
            offset = 0
        at = block * SECTOR + offset
        old = bytearray(16)
        for i in range(0, len(buf), 16):
            self.readblocks(0, old, at + i)
            self._put(at + i, bytes(0xFF ^ (old[j] & buf[i + j]) for j in range(16)))
        time.sleep_us(PROGRAM_US * ((len(buf) + 255) // 256))

    def ioctl(self, op, arg):
        if op == 4:
            return self._len // SECTOR
        if op == 5:
            return SECTOR
        if op == 6:
            self._put(arg * SECTOR, bytes(SECTOR))
            time.sleep_ms(ERASE_MS)
        return 0

    def _put(self, at, data):
        self._file.seek(self._start + at)
        self._file.write(data)
        self._file.flush()
