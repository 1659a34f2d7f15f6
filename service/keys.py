"""Reads key files. An error names the file and what it should hold, never what it holds.

A secret is refused while others than its owner can read it, or could put another one in its place. Every key has two
slots: FILE, and beside it FILE.next while a rotation is under way. `credential:NAME` in place of a path is a file that
systemd hands to the service (LoadCredential=, docs/keys.md).
"""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

from service.errors import KeyFileError

BOARD_KEY_BYTES = 32
CURVE_KEY_CHARS = 40
ED25519_BYTES = 32
OTHERS = 0o077
OTHERS_WRITE = 0o022
STRANGERS = 0o007  # systemd's credentials show the service's right to read as the group's
CREDENTIAL = "credential:"
MADE_BY = "a city's keys are made by `city keys init`, a node's by `city keys enroll`"
CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"


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


def read_secret(path: Path) -> bytes:
    """Return the bytes of a file that nobody but its owner may read. Raises: KeyFileError."""
    return _bytes(path, secret=True)


def second_slot(path: Path) -> Path:
    """Return where the next key lies that shall take the place of the one in `path`."""
    return path.with_name(path.name + ".next")


def read_slots(path: Path, read: Callable[[Path], bytes]) -> tuple[bytes, ...]:
    """Return the present key and, if there is one, the next. Raises: KeyFileError."""
    after = second_slot(path)
    return (read(path), read(after)) if locate(after).exists() else (read(path),)


def is_credential(path: Path) -> bool:
    """Whether a path of a configuration file means a credential from systemd."""
    return str(path).startswith(CREDENTIAL)


def locate(path: Path) -> Path:
    """Return the file behind a path of a configuration file, credential or not. Raises: KeyFileError."""
    if not is_credential(path):
        return path
    folder, name = os.environ.get(CREDENTIALS_DIRECTORY), str(path).removeprefix(CREDENTIAL)
    if not folder:
        raise KeyFileError(
            f"{path}: ${CREDENTIALS_DIRECTORY} is not set: only a systemd unit with LoadCredential={name}:... has it, "
            "see docs/keys.md"
        )
    if "/" in name or not name:
        raise KeyFileError(f"{path}: the name of a credential has no slash and is not empty")
    return Path(folder) / name


def _text(path: Path, secret: bool) -> str:
    try:
        return _bytes(path, secret).decode("ascii").strip()
    except KeyFileError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise KeyFileError(f"{error}; {MADE_BY}") from error
        raise
    except UnicodeDecodeError:
        # Without its cause, which carries the bytes of the file.
        raise KeyFileError(f"{path}: expected plain text, found other bytes") from None


def _bytes(path: Path, secret: bool) -> bytes:
    try:
        file = locate(path)
        mode = file.stat().st_mode & 0o777
        if secret and mode & (STRANGERS if is_credential(path) else OTHERS):
            remedy = f"chmod 600 {shlex.quote(str(file))}"
            raise KeyFileError(f"{path}: others may use this secret (mode {mode:03o}); {remedy}")
        if secret and not is_credential(path):
            _check_folder(file.parent)
        return file.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: cannot read the key file: {error.strerror}") from error


def _check_folder(folder: Path) -> None:
    mode = folder.stat().st_mode & 0o777
    if mode & OTHERS_WRITE:
        remedy = f"chmod 700 {shlex.quote(str(folder))}"
        raise KeyFileError(f"{folder}: others could put keys of their own in here (mode {mode:03o}); {remedy}")
