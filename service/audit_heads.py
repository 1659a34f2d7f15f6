"""Signed heads of an audit log: who has one knows that the log was at least that long, and what was in it.

A head is signed with a key of the log's own, made at its first start in the folder `audit` beside the log, so that no
other signer has to lie where the log does. Heads are kept in books, one file for each log, only appended.
"""

import contextlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .files import make_private_folder, replace_durably, sync_folder, write_once
from .keys import read_ed25519_key

PRIVATE = "audit"
SECRET, PUBLIC = "sign.secret", "sign.public"
EVERY_S = 60.0
MAX_BOOK = 4 << 20
JOIN_S = 10.0
RECEIVED = "received_utc_us"
_DOMAIN = b"cityreflex audit head 1\0"
_HEX = {"sha256": 64, "key": 64, "sig": 128}


@dataclass(frozen=True)
class Head:
    """The log `name` has `n` lines, the last with this hash, signed (hex) at `utc_us` with the key `key` (hex)."""

    name: str
    n: int
    sha256: str
    utc_us: int
    key: str
    sig: str = ""

    def genuine(self) -> bool:
        """Whether the signature is that of the key in it."""
        return is_signed(self.key, _signed(self), self.sig)


def is_signed(key: str, data: bytes, sig: str) -> bool:
    """Whether `sig` (hex) is the signature of `data` by the Ed25519 key `key` (hex)."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(sig), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(head: Head) -> bytes:
    rows = asdict(head)
    del rows["sig"]
    return _DOMAIN + json.dumps(rows, sort_keys=True, separators=(",", ":")).encode()


def from_map(row: object) -> Head | None:
    """Return the head that somebody sent or kept, None if it is none."""
    if not isinstance(row, dict) or set(row) != set(Head.__dataclass_fields__):
        return None
    texts = all(isinstance(row[name], str) and len(row[name]) == size for name, size in _HEX.items())
    numbers = all(type(row[name]) is int and 0 <= row[name] < 1 << 63 for name in ("n", "utc_us"))
    named = isinstance(row["name"], str) and 0 < len(row["name"]) <= 64
    return Head(**row) if texts and numbers and named else None


class Kept(NamedTuple):
    """A head in a book. `received_utc_us`: when it came from whose log it is; 0 in a book of that log's own."""

    head: Head
    received_utc_us: int = 0


class Signer:
    """The key of one log, made if it is not there."""

    def __init__(self, folder: Path) -> None:
        """Raises: KeyFileError, OSError."""
        make_private_folder(folder)
        path = folder / SECRET
        if not path.exists():
            write_once(path, Ed25519PrivateKey.generate().private_bytes_raw().hex().encode())
        self._key = Ed25519PrivateKey.from_private_bytes(read_ed25519_key(path, secret=True))
        self.public = self._key.public_key().public_bytes_raw().hex()
        if not (folder / PUBLIC).exists():
            replace_durably(folder / PUBLIC, self.public.encode(), 0o644)

    def sign(self, name: str, n: int, sha256: str, utc_us: int) -> Head:
        """Return a signed head."""
        head = Head(name, n, sha256, utc_us, self.public)
        return Head(**{**asdict(head), "sig": self.sign_bytes(_signed(head))})

    def sign_bytes(self, data: bytes) -> str:
        """Return the signature of bytes that begin with what they are for, in hex."""
        return self._key.sign(data).hex()


class Book:
    """The heads of one log in a folder; the newest MAX_BOOK bytes and as many before them."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.jsonl"

    def kept(self) -> list[Kept]:
        """Return all heads, oldest first; what is no head is skipped. Raises: OSError."""
        there = [path for path in (self._older(), self.path) if path.exists()]
        lines = [line for path in there for line in path.read_bytes().splitlines()]
        return [kept for kept in map(_kept, lines) if kept is not None]

    def heads(self) -> list[Head]:
        """Return all heads, oldest first. Raises: OSError."""
        return [kept.head for kept in self.kept()]

    def top(self) -> Head | None:
        """Return the head of most lines, None if there is none. Raises: OSError."""
        return max(self.heads(), key=lambda head: head.n, default=None)

    def keep(self, head: Head, received_utc_us: int = 0) -> None:
        """Append a head; durable on return. Raises: OSError."""
        make_private_folder(self.path.parent)
        if self.path.exists() and self.path.stat().st_size > MAX_BOOK:
            self.path.replace(self._older())
        row = {**asdict(head), **({RECEIVED: received_utc_us} if received_utc_us else {})}
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(file).st_size
            os.write(file, b"\n" * bool(size) + json.dumps(row).encode())
            os.fsync(file)
        finally:
            os.close(file)
        if not size:
            sync_folder(self.path.parent)

    def _older(self) -> Path:
        return self.path.with_suffix(".old.jsonl")


def _kept(line: bytes) -> Kept | None:
    """Return what a line of a book holds, None if that is no head."""
    with contextlib.suppress(ValueError):
        row = json.loads(line)
        received = row.pop(RECEIVED, 0) if isinstance(row, dict) else 0
        head = from_map(row)
        if head is not None and type(received) is int:
            return Kept(head, received)
    return None


def _what(head: Head) -> tuple[str, str, int, str]:
    return head.name, head.key, head.n, head.sha256


def contradiction(before: Head | None, head: Head) -> str:
    """Return why a head cannot come after another of the same log, "" if it can."""
    if before is None or _what(head) == _what(before):
        return ""
    if head.name != before.name:
        return f"this is the audit log of {head.name!r}, which was that of {before.name!r} before"
    if head.key != before.key:
        return f"the audit log is signed with another key than before: {head.key[:16]}, not {before.key[:16]}"
    if head.n < before.n:
        return f"the audit log was rolled back: it had {before.n} lines and now has {head.n}"
    return f"the audit log forked: line {head.n} is another one than before" if head.n == before.n else ""


class HeadKeeper:
    """Signs the head of a log every minute in a thread of its own and hands it to books. `problem`: what failed."""

    def __init__(
        self, folder: Path, name: str, at: Callable[[], tuple[int, str]], wall: Callable[[], int],
        witness: Path | None = None, every_s: float = EVERY_S,
    ) -> None:  # fmt: skip
        """`at()` returns number and hash of the last line that is durable. Raises: KeyFileError, OSError."""
        self._name, self._at, self._wall, self._every_s = name, at, wall, every_s
        self._signer = Signer(folder / PRIVATE)
        self._books = [Book(folder / PRIVATE, name), *([Book(witness, name)] if witness else [])]
        self.latest: Head | None = None
        self.problem = ""
        self._owed: list[Head | None] = [None] * len(self._books)
        self._compared: dict[Path, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit-heads", daemon=True)
        self._thread.start()

    def row(self) -> dict[str, Any]:
        """Return the newest head as it is sent to others, empty if there is none yet."""
        return asdict(self.latest) if self.latest else {}

    def close(self) -> None:
        """Hand over the last head; a disk that hangs is not waited for longer than JOIN_S."""
        self._stop.set()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s if self.latest or self._at()[0] == 0 else 0.0):
            self._turn()
        self._turn()

    def _turn(self) -> None:
        n, sha256 = self._at()
        if n and (self.latest is None or (n, sha256) != (self.latest.n, self.latest.sha256)):
            self.latest = self._signer.sign(self._name, n, sha256, self._wall())
            self._owed = [self.latest] * len(self._books)
        problems = []
        for index, book in enumerate(self._books):
            head = self._owed[index]
            try:
                if head is not None:
                    self._compare(book, head)
                    book.keep(head)
                    self._owed[index] = None
            except OSError as error:
                problems.append(f"the head of the audit log cannot be kept at {book.path}: {error.strerror}")
        self.problem = "; ".join([*problems, *filter(None, self._compared.values())])

    def _compare(self, book: Book, head: Head) -> None:
        """Once after the start: does a book know of a longer log than the one that is here? Raises: OSError."""
        if book.path not in self._compared:
            text = contradiction(book.top(), head)
            self._compared[book.path] = f"{text}, says {book.path}; next: city audit verify" if text else ""
