"""A board written from docs/protocol.md alone: it shares no code with us. Pure Python, msgpack by u-msgpack.

Sans-IO: `feed(data, now_ms)`, `tick(now_ms)`, then `out` holds what to send. One channel, no actuator.
"""

import hmac
import struct
from typing import Any

import umsgpack

WINDOW, FLUSH, RESEND_MS, SILENCE_MS, STATUS_MS = 16, 16, 2000, 5000, 1000


def crc32(data: bytes) -> int:
    """Return the CRC-32 of IEEE 802.3, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def cobs(data: bytes) -> bytes:
    """Return the data without zeros."""
    out = bytearray()
    for piece in data.split(b"\0"):
        rest = piece
        while len(rest) >= 254:
            out += b"\xff" + rest[:254]
            rest = rest[254:]
        out += bytes([len(rest) + 1]) + rest
    return bytes(out)


def uncobs(data: bytes) -> bytes | None:
    """Return the data with its zeros; None if a block is longer than what is there."""
    out, at = bytearray(), 0
    while at < len(data):
        n = data[at]
        if at + n > len(data):
            return None
        out += data[at + 1 : at + n]
        at += n
        if n < 255 and at < len(data):
            out += b"\0"
    return bytes(out)



class StrangerBoard:
    """Answers hellos, keeps samples until they are acked, sends them again, tells its status and the time."""

    def __init__(self, thing: str, boot: bytes, nonce: bytes, key: bytes = bytes(32)) -> None:
        self.thing, self.boot, self.nonce, self.key = thing, boot, nonce, key
        self.ring: dict[int, bytes] = {}
        self.head = self.acked = self.hellos = self.bad = 0
        self.sent_ms: dict[int, int] = {}
        self.session: int | None = None
        self.heard_ms = self.status_ms = self.now_ms = 0
        self.out = b""
        self._line = b""
        self._inside = False

    def manifest(self) -> bytes:
        """Return [thing, board, sensors, channels, actuators]."""
        sensor = [0, "level", "a02yyuw", "uart1", "uart1", 100]
        channel = [0, "water_level", 0, "water_surface_height", "m", 0.0, 4.0, 0.002, False, None]
        return umsgpack.packb([self.thing, "foreign_gauge", [sensor], [channel], []])

    def sample(self, value: float) -> None:
        """Acquire one sample now."""
        self.ring[self.head] = struct.pack("<BB", 0, 1) + self._stamp() + struct.pack("<f", value)
        self.head += 1

    def feed(self, data: bytes, now_ms: int) -> None:
        """Take bytes in."""
        self.now_ms = now_ms
        for byte in data:
            if byte:
                self._line += bytes([byte])
                continue
            candidate, self._line = self._line, b""
            if candidate and self._inside:
                self._candidate(candidate)
            self._inside = True

    def _candidate(self, candidate: bytes) -> None:
        data = uncobs(candidate)
        if data is None or len(data) < 5 or crc32(data[:-4]).to_bytes(4, "little") != data[-4:]:
            self.bad += 1
            return
        body = umsgpack.unpackb(data[:-4])
        if body[0] == 1:
            self._hello(*body[1:4])
        elif self.session is not None:
            self.heard_ms = self.now_ms
            if body[0] == 5:
                self._send([5, body[1], self._stamp(), self._stamp()])
            elif body[0] == 13 and hmac.digest(self.key, body[1], "sha256") == body[2]:
                nonce, boot, ranges, _ = umsgpack.unpackb(body[1])
                self._forget(ranges if (nonce, boot) == (self.nonce, self.boot) else [])
            elif body[0] == 6 and body[1] == self.boot:
                self._forget(body[2])

    def _forget(self, ranges: list[list[int]]) -> None:
        for first, end in ranges:
            for seq in range(first, min(end, self.head)):
                self.acked += self.ring.pop(seq, None) is not None

    def _hello(self, low: int, high: int, session: int) -> None:
        self.hellos += 1
        proto = min(high, 2)
        self._send(
            [1, proto if proto >= low else 2, session, self.thing, self.boot, self.nonce, "stranger 1", bytes(32),
             self.manifest()]
        )  # fmt: skip
        if proto < low:
            return
        self.heard_ms = self.now_ms
        if session != self.session:
            self.session = session
            self.sent_ms.clear()

    def tick(self, now_ms: int) -> None:
        """Send what is due."""
        self.now_ms = now_ms
        if self.session is None:
            return
        if now_ms - self.heard_ms >= SILENCE_MS:
            self.session = None
            return
        if now_ms - self.status_ms >= STATUS_MS:
            self.status_ms = now_ms
            tail = min(self.ring, default=self.head)
            self._send([3, self.boot, self._stamp(), tail, self.head, 0, [], [], {"bad": self.bad}])
        due = [seq for seq in sorted(self.ring) if now_ms - self.sent_ms.get(seq, -RESEND_MS) >= RESEND_MS]
        for first in due[: WINDOW * FLUSH : FLUSH]:
            seqs = [seq for seq in range(first, first + FLUSH) if seq in self.ring]
            run = [seq for place, seq in enumerate(seqs) if seq == first + place]
            self.sent_ms.update(dict.fromkeys(run, now_ms))
            self._send([2, self.boot, first, b"".join(self.ring[seq] for seq in run)])

    def _stamp(self) -> bytes:
        return (self.now_ms * 1000).to_bytes(6, "little")

    def _send(self, body: list[Any]) -> None:
        data = umsgpack.packb(body)
        self.out += b"\0" + cobs(data + crc32(data).to_bytes(4, "little")) + b"\0"
