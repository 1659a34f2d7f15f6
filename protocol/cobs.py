"""Consistent Overhead Byte Stuffing: removes every 0x00 so that 0x00 can delimit frames.

A block is a code byte c in 1..255 and c-1 non-zero bytes. A block with c < 255 stands for
its bytes and one zero, save that the zero of the last block is dropped. Overhead: at most
one byte for each 254, and one more. Runs on MicroPython and CPython.

Example:
    >>> encode(b"\\x11\\x00\\x22").hex()
    '02110222'

Source: S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing",
IEEE/ACM Transactions on Networking 7(2), 1999.
"""

from .errors import FrameError


def encoded_max(n: int) -> int:
    """Return the most bytes that `n` bytes become when encoded."""
    return n + n // 254 + 1


def stuff_plain(src: bytes | bytearray | memoryview, n: int, dst: bytearray | memoryview, at: int) -> int:
    """Return what `encode_into` does, once that has checked that there is room."""
    code_at = at
    at += 1
    code = 1
    for i in range(n):
        if code == 255:
            dst[code_at] = 255
            code_at = at
            at += 1
            code = 1
        byte = src[i]
        if byte:
            dst[at] = byte
            at += 1
            code += 1
        else:
            dst[code_at] = code
            code_at = at
            at += 1
            code = 1
    dst[code_at] = code
    return at


try:  # the one place that chooses: native code where the VM runs some, the same in Python elsewhere
    from .cobs_viper import stuff
except (ImportError, SyntaxError, ValueError):  # CPython; a VM without emitter; a file of another chip
    stuff = stuff_plain


def encode_into(src: bytes | bytearray | memoryview, n: int, dst: bytearray | memoryview, at: int = 0) -> int:
    """Return the end index in `dst` after encoding `src[:n]` from `dst[at]` on. Allocates nothing.

    Raises:
        IndexError: `src` has not `n` bytes, or `dst` not `encoded_max(n)` from `at` on; nothing is written.
    """
    if n < 0 or at < 0 or n > len(src) or len(dst) - at < n + n // 254 + 1:
        raise IndexError("COBS: buffer too short")
    return stuff(src, n, dst, at)  # type: ignore[no-any-return,unused-ignore]


def decode_into(
    src: bytes | bytearray | memoryview, start: int, end: int, dst: bytearray | memoryview
) -> int:
    """Return how many bytes `src[start:end]` (one frame, no delimiters) decoded to in `dst`.

    Allocates nothing unless it raises. `dst` may be `src` when `start` is 0.

    Raises:
        FrameError: a zero inside the frame, a block longer than the frame, or `dst` too small.
    """
    out = 0
    room = len(dst)
    left = 0
    owes_zero = False
    for i in range(start, end):
        byte = src[i]
        if byte == 0:
            raise FrameError("COBS: 0x00 inside a frame")
        if left == 0:
            left = byte
            if not owes_zero:
                owes_zero = byte != 255
                left -= 1
                continue
            owes_zero = byte != 255
            byte = 0
        if out == room:
            raise FrameError("COBS: frame longer than its buffer")
        dst[out] = byte
        out += 1
        left -= 1
    if left:
        raise FrameError("COBS: frame ends inside a block")
    return out


def encode(data: bytes | bytearray | memoryview) -> bytes:
    """Return `data` encoded, without delimiters."""
    n = len(data)
    dst = bytearray(encoded_max(n))
    return bytes(dst[: encode_into(data, n, dst)])


def decode(data: bytes | bytearray | memoryview) -> bytes:
    """Return the bytes that the frame `data` (no delimiters) stands for.

    Raises:
        FrameError: `data` is not a COBS frame.
    """
    dst = bytearray(len(data))
    return bytes(dst[: decode_into(data, 0, len(data), dst)])
