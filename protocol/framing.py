"""Frames on the line: 00 COBS(body, CRC-32 little-endian) 00. MicroPython and CPython.

After a zero everything up to the next zero is a candidate. One that is not a frame is
counted and thrown away, and the zero that ended it begins the next candidate: so every
intact frame with its two zeros is delivered, whatever stands before it.
"""

from . import cobs, crc32
from .mpack import Packer

NOTHING = 0
FRAME = 1
TEXT = 2


class FrameWriter:
    """Builds frames in two preallocated buffers.

    Write the body with `.packer` (reset it first), then `finish()`; `.wire[:n]` is what to send.
    """

    def __init__(self, max_body: int) -> None:
        """Reserve room for bodies of at most `max_body` bytes."""
        self.packer = Packer(bytearray(max_body + 4))
        self.wire = bytearray(cobs.encoded_max(max_body + 4) + 2)

    def finish(self) -> int:
        """Return the length of the frame now in `.wire`, delimiters included. Allocates nothing."""
        end = crc32.append(self.packer.buf, self.packer.pos)
        at = cobs.encode_into(self.packer.buf, end, self.wire, 1)
        self.wire[at] = 0
        return at + 1


class Decoder:
    """Finds frames in a byte stream; allocates nothing.

    A body is in `.buf[:.length]` until the next byte is fed. Counters: `frames` good ones, `cobs`, `crc`
    and `oversize` bad candidates, `resync` good frames right after bad ones, `noise` bytes thrown away.
    """

    def __init__(self, max_body: int) -> None:
        """Accept bodies of 1 to `max_body` bytes."""
        self.max_body = max_body
        self._longest = cobs.encoded_max(max_body + 4)
        self.buf = bytearray(self._longest)
        self.length = 0
        self.frames = self.cobs = self.crc = self.oversize = self.resync = self.noise = 0
        self._lost = False
        self._chunk = self.buf
        self._at = self._end = 0
        self.reset()

    def reset(self) -> None:
        """Forget what was begun and wait for a zero; bytes before it are text. Counters stay."""
        self.inside = False
        self._begin()

    def _begin(self) -> None:
        """Start a new candidate."""
        self._seen = 0
        self._fill = 0
        self._left = 0
        self._owes_zero = False

    def feed_byte(self, byte: int) -> int:
        """Return FRAME if `byte` completed a frame, TEXT if it stands before any frame, else NOTHING."""
        if byte == 0:
            return self._close()
        if not self.inside:
            self.noise += 1
            return TEXT
        self._seen += 1
        if self._seen > self._longest:
            return NOTHING
        if self._left:
            self._left -= 1
            self._put(byte)
        else:
            if self._owes_zero:
                self._put(0)
            self._owes_zero = byte != 255
            self._left = byte - 1
        return NOTHING

    def _put(self, byte: int) -> None:
        """Keep one decoded byte; there is room for all that the longest frame can hold."""
        self.buf[self._fill] = byte
        self._fill += 1

    def _close(self) -> int:
        """Judge the candidate that a zero ended, and start the next."""
        good = self.inside and self._seen > 0 and self._judge()
        self.length = self._fill - 4 if good else 0
        self.inside = True
        self._begin()
        return FRAME if good else NOTHING

    def _judge(self) -> bool:
        """Return whether the candidate is a frame; count it."""
        if self._seen > self._longest:
            self.oversize += 1
        elif self._left:
            self.cobs += 1
        elif self._fill > self.max_body + 4:
            self.oversize += 1
        elif self._fill < 5 or not crc32.check(self.buf, self._fill):
            self.crc += 1
        else:
            self.frames += 1
            self.resync += self._lost
            self._lost = False
            return True
        self.noise += self._seen
        self._lost = True
        return False

    def feed(self, chunk: bytearray, n: int) -> None:
        """Take `chunk[:n]` as the next bytes; call `next()` until it returns False."""
        self._chunk = chunk
        self._at = 0
        self._end = n

    def next(self) -> bool:
        """Return True when the next frame is in `.buf[:.length]`, False when the chunk is used up."""
        while self._at < self._end:
            self._at += 1
            if self.feed_byte(self._chunk[self._at - 1]) == FRAME:
                return True
        return False
