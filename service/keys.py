"""Reads key files. An error names the file and what it should hold, never what it holds.

A secret is refused while others than its owner can read it.
"""

import shlex
from pathlib import Path

from service.errors import KeyFileError

BOARD_KEY_BYTES = 32
CURVE_KEY_CHARS = 40
ED25519_BYTES = 32
OTHERS = 0o077


def read_board_key(path: Path) -> bytes:
    """Return the 32 raw bytes shared with a board, a secret. Raises: KeyFileError."""
    key = _bytes(path, secret=True)
    if len(key) != BOARD_KEY_BYTES:
        raise KeyFileError(f"{path}: expected {BOARD_KEY_BYTES} raw bytes, found {len(key)}")
    return key


def read_curve_key(path: Path, *, secret: bool = False) -> bytes:
    """Return the 40 bytes of z85 text in a CURVE key file. Raises: KeyFileError."""
    key = _text(path, secret).encode()
    if len(key) != CURVE_KEY_CHARS:
        raise KeyFileError(f"{path}: expected {CURVE_KEY_CHARS} characters of z85 text, found {len(key)}")
    return key


def read_ed25519_key(path: Path, *, secret: bool = False) -> bytes:
    """Return the 32 raw bytes of an Ed25519 key file of 64 hex digits, public or private. Raises: KeyFileError."""
    text = _text(path, secret)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != ED25519_BYTES:
        raise KeyFileError(f"{path}: expected {2 * ED25519_BYTES} hex digits (an Ed25519 key), found {len(text)} chars")
    return key


def _text(path: Path, secret: bool) -> str:
    try:
        return _bytes(path, secret).decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise KeyFileError(f"{path}: expected plain text, found other bytes") from error


def _bytes(path: Path, secret: bool) -> bytes:
    try:
        mode = path.stat().st_mode & 0o777
        if secret and mode & OTHERS:
            remedy = f"chmod 600 {shlex.quote(str(path))}"
            raise KeyFileError(f"{path}: others may use this secret (mode {mode:03o}); {remedy}")
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: cannot read the key file: {error.strerror}") from error
