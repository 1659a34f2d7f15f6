"""Reads key files. An error names the file and what it should hold, never what it holds."""

from pathlib import Path

from service.errors import KeyFileError

BOARD_KEY_BYTES = 32
CURVE_KEY_CHARS = 40
ED25519_BYTES = 32


def read_board_key(path: Path) -> bytes:
    """Return the 32 raw bytes shared with a board. Raises: KeyFileError."""
    try:
        key = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: cannot read the board key: {error.strerror}") from error
    if len(key) != BOARD_KEY_BYTES:
        raise KeyFileError(f"{path}: expected {BOARD_KEY_BYTES} raw bytes, found {len(key)}")
    return key


def read_curve_key(path: Path) -> bytes:
    """Return the 40 bytes of z85 text in a CURVE key file. Raises: KeyFileError."""
    key = _text(path).encode()
    if len(key) != CURVE_KEY_CHARS:
        raise KeyFileError(f"{path}: expected {CURVE_KEY_CHARS} characters of z85 text, found {len(key)}")
    return key


def read_ed25519_key(path: Path) -> bytes:
    """Return the 32 raw bytes of an Ed25519 key file of 64 hex digits, public or private. Raises: KeyFileError."""
    text = _text(path)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != ED25519_BYTES:
        raise KeyFileError(f"{path}: expected {2 * ED25519_BYTES} hex digits (an Ed25519 key), found {len(text)} chars")
    return key


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except UnicodeDecodeError as error:
        raise KeyFileError(f"{path}: expected plain text, found other bytes") from error
    except OSError as error:
        raise KeyFileError(f"{path}: cannot read the key file: {error.strerror}") from error
