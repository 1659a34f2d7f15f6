"""COBS and frame search for hosts, by whole chunks instead of bytes. CPython.

The same frames and counters as `framing.Decoder`, which is what a test compares it with.
"""

import zlib

from . import frames
from .cobs import encoded_max
from .errors import FrameError


def stuff(data: bytes) -> bytes:
    """Return `data` COBS-encoded, equal to `cobs.encode`."""
    blocks = []
    runs = data.split(b"\0")
    for run in runs:
        full = len(run) // 254
        blocks += [b"\xff" + run[254 * i : 254 * i + 254] for i in range(full)]
        blocks.append(bytes([len(run) - 254 * full + 1]) + run[254 * full :])
    if runs[-1] and len(runs[-1]) % 254 == 0:
        blocks.pop()
    return b"".join(blocks)


def unstuff(data: bytes) -> bytes:
    """Return the bytes that a COBS frame without delimiters stands for.

    Raises:
        FrameError: it ends inside a block.
    """
    blocks = []
    at, end = 0, len(data)
    while at < end:
        code = data[at]
        blocks.append(data[at + 1 : at + code])
        at += code
        if code < 255:
            blocks.append(b"\0")
    if at > end:
        raise FrameError("COBS: frame ends inside a block")
    if blocks and data and blocks[-1] == b"\0":
        blocks.pop()
    return b"".join(blocks)


class HostDecoder:
    """Finds frames in a byte stream.

    Counters as in `framing.Decoder`: frames, cobs, crc, oversize, resync, noise (bytes thrown away).
    """

    def __init__(self, max_body: int = frames.MAX_BODY_TO_HOST) -> None:
        """Accept bodies of 1 to `max_body` bytes."""
        self.max_body = max_body
        self.frames = self.cobs = self.crc = self.oversize = self.resync = self.noise = 0
        self._longest = encoded_max(max_body + 4)
        self._pending = bytearray()
        self._dropped = 0
        self._inside = False
        self._lost = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the bodies of the frames that `chunk` completed, in order."""
        first, *rest = bytes(chunk).split(b"\0")
        self._collect(first)
        bodies = []
        for piece in rest:
            body = self._close()
            if body is not None:
                bodies.append(body)
            self._collect(piece)
        return bodies

    def counters(self) -> dict[str, int]:
        """Return the counters by name."""
        names = ("frames", "cobs", "crc", "oversize", "resync", "noise")
        return {name: getattr(self, name) for name in names}

    def _collect(self, piece: bytes) -> None:
        """Add bytes to the candidate; keep no more than the longest frame needs."""
        if not self._inside:
            self.noise += len(piece)
            return
        self._pending += piece
        if len(self._pending) > self._longest:
            self._dropped += len(self._pending) - self._longest
            del self._pending[self._longest :]

    def _close(self) -> bytes | None:
        """Judge the candidate that a zero ended, and start the next."""
        candidate, dropped = bytes(self._pending), self._dropped
        self._pending.clear()
        self._dropped = 0
        was_inside, self._inside = self._inside, True
        if not candidate or not was_inside:
            return None
        body = self._judge(candidate, dropped)
        if body is None:
            self.noise += len(candidate) + dropped
        self.resync += body is not None and self._lost
        self._lost = body is None
        return body

    def _judge(self, candidate: bytes, dropped: int) -> bytes | None:
        """Return the body if the candidate is a frame; count it."""
        if dropped:
            self.oversize += 1
            return None
        try:
            data = unstuff(candidate)
        except FrameError:
            self.cobs += 1
            return None
        if len(data) > self.max_body + 4:
            self.oversize += 1
        elif len(data) < 5 or zlib.crc32(data[:-4]).to_bytes(4, "little") != data[-4:]:
            self.crc += 1
        else:
            self.frames += 1
            return data[:-4]
        return None
