"""How a CURVE key is named in files, logs and User-Ids: the first 128 bits of the SHA-256 of its public half."""

import hashlib
import struct

from zmq.utils import z85

KEY_BYTES = 32
Z85_CHARS = 40


def raw_key(public_z85: bytes) -> bytes:
    """Return the 32 bytes of a public key given as 40 bytes of z85. Raises: ValueError."""
    if len(public_z85) != Z85_CHARS:
        raise ValueError(f"expected {Z85_CHARS} characters of z85, found {len(public_z85)}")
    try:
        raw = bytes(z85.decode(public_z85))
    except (KeyError, struct.error, ValueError):
        raw = b""
    if not any(raw):
        raise ValueError("that is no CURVE public key in z85")
    return raw


def fingerprint(raw: bytes) -> str:
    """Return the 32 hex digits that name a public key of 32 bytes."""
    return hashlib.sha256(raw).hexdigest()[:32]
