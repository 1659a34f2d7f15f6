"""HMAC-SHA256 for commands to boards. Runs on MicroPython and CPython.

micropython-lib's `hmac` defaults to MD5 and has no constant-time compare, hence our own.
Source: RFC 2104 (construction), RFC 4231 (test vectors).
"""

import hashlib

SIZE = 32
_BLOCK = 64


def _padded(key: bytes, mask: int) -> bytearray:
    """Return the key filled up to one block with zeros, each byte XORed with `mask`."""
    block = bytearray(_BLOCK)
    for at in range(_BLOCK):
        block[at] = mask
    for at in range(len(key)):
        block[at] ^= key[at]
    return block


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return the 32-byte HMAC-SHA256 of `message` under `key`."""
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    inner = hashlib.sha256(_padded(key, 0x36))
    inner.update(message)
    outer = hashlib.sha256(_padded(key, 0x5C))
    outer.update(inner.digest())
    return outer.digest()


def equal(a: bytes, b: bytes) -> bool:
    """Return whether both are the same bytes, in time that depends on the length only."""
    if len(a) != len(b):
        return False
    different = 0
    for x, y in zip(a, b):  # noqa: B905 - MicroPython's zip has no strict
        different |= x ^ y
    return different == 0
