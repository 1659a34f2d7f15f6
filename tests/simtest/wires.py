"""The oracle's own eyes for the board link: frames out of bytes, by another way than the product's."""

import zlib
from functools import lru_cache
from typing import Any

import msgpack


class Eye:
    """Finds frames in a stream of bytes, whatever chunks it comes in."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[list[Any]]:
        """Return the frames that these bytes completed."""
        *pieces, self._rest = (self._rest + data).split(b"\0")
        if len(self._rest) > 4096:
            self._rest = b""
        return [body for piece in pieces if len(piece) > 5 and (body := _body(piece)) is not None]


def frames_in(data: bytes) -> list[list[Any]]:
    """Return the msgpack arrays of all intact frames between zeros."""
    found = []
    for piece in data.split(b"\0"):
        if len(piece) > 5:
            body = _body(piece)
            if body is not None:
                found.append(body)
    return found


@lru_cache(256)
def _body(piece: bytes) -> list[Any] | None:
    """Return the items of a frame, for reading only: one is looked at where it leaves and where it arrives."""
    plain, at = bytearray(), 0
    end = len(piece)
    while at < end:
        code = piece[at]
        plain += piece[at + 1 : at + code]
        at += code
        if code < 255 and at < end:
            plain.append(0)
    if at != end or zlib.crc32(plain[:-4]) != int.from_bytes(plain[-4:], "little"):
        return None
    try:
        items = msgpack.unpackb(bytes(plain[:-4]))
    except (TypeError, ValueError):  # all that msgpack raises for bytes that are none
        return None
    return items if isinstance(items, list) and items else None
