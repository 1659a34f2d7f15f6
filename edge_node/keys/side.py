"""Keys of a running node: their files, the socket that follows them, and the audit log of what was refused. Shell."""

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog
import zmq

from service.audit import AuditLog
from service.errors import KeyFileError
from service.files import rename_durably, replace_durably
from service.fingerprint import fingerprint, raw_key
from service.keys import is_credential, read_curve_key, read_ed25519_key, read_slots, second_slot

from ..audit.city_heads import CityHeads
from ..config import CitySection
from .node_keys import OWN, NodeKeys, Pair
from .reflex import forget, reflex_key

if TYPE_CHECKING:  # `city keys` needs the files alone, and the core brings kernels with it
    from ..core import Core

AUDIT_EVERY_US = 500_000
PUBLIC_MODE = 0o644
_log = structlog.get_logger("edge_node")


class Socket(Protocol):
    """What keys need of the uplink's socket."""

    def reconnect(self) -> None:
        """Begin anew under the keys in use."""

    def take_events(self) -> tuple[int, int]:
        """Return how many handshakes were refused, and how many ended without a word, since the last call."""


def read_pair(secret: bytes) -> Pair:
    """Return the key pair of a secret key in z85. Raises: KeyFileError."""
    try:
        public = bytes(zmq.curve_public(secret))
    except (ValueError, zmq.ZMQError):
        raise KeyFileError("the secret CURVE key is no z85 text") from None
    return Pair(public, secret, fingerprint(raw_key(public)))


def read_keys(city: CitySection) -> NodeKeys:
    """Return the node's keys and the city's, as the files have them. Raises: KeyFileError."""
    secrets = read_slots(city.secret_file, partial(read_curve_key, secret=True))
    return NodeKeys([read_pair(secret) for secret in secrets], read_slots(city.server_public_file, read_curve_key))


def read_verify_keys(city: CitySection) -> tuple[bytes, ...]:
    """Return the Ed25519 keys whose tasks are genuine, present first. Raises: KeyFileError."""
    return read_slots(city.verify_key_file, read_ed25519_key)


class KeySide:
    """Does what `core.keys` and `core.guard` decide about keys. Call `tick` with the others."""

    def __init__(self, section: CitySection, core: "Core", socket: Socket, audit: AuditLog) -> None:
        self._section, self._core, self._socket, self.audit = section, core, socket, audit
        self.heads = CityHeads(audit)
        self._take_reflex_key()
        self._has_next = bool(core.guard.next_verify_key)
        self._audit_us = 0
        self._problem = ""

    def tick(self) -> None:
        """Follow handshakes, proofs and answers; write refusals to the audit log."""
        keys, now_us = self._core.keys, self._core.now()
        refused, unanswered = self._socket.take_events()
        for _ in range(refused):
            keys.refused()
        for _ in range(unanswered):
            keys.unanswered(self._section.endpoint)
        for whose in keys.take_proven():
            self._promote(self._section.secret_file if whose == OWN else self._section.server_public_file, whose)
        self._follow_guard()
        if keys.reconnect:
            keys.reconnect = False
            self._take_reflex_key()
            self._socket.reconnect()
        self._tell_problem(keys.problem)
        if now_us - self._audit_us >= AUDIT_EVERY_US:
            self._audit_us = now_us
            self._write_audit(now_us)
            self.heads.tick(now_us)
            problems = [*self.audit.problems, *self.heads.problems(), *filter(None, [self._reflex_problem])]
            self._core.audit = {"head": self.audit.head, "problems": problems, "city": self.heads.row()}

    def _take_reflex_key(self) -> None:
        """Sign reflexes with the key that belongs to the link key in use; without it they go unsigned: told."""
        keys, guard = self._core.keys, self._core.guard
        guard.reflex, self._reflex_problem = None, ""
        try:
            guard.reflex = reflex_key(self.audit.folder, keys.named)
            forget(self.audit.folder, [pair.fingerprint for pair in keys.own])
        except (KeyFileError, OSError) as error:
            self._reflex_problem = f"reflexes are not signed: {error}"
            _log.error("reflexes are not signed", detail=str(error))

    def _tell_problem(self, problem: str) -> None:
        if problem != self._problem and problem:
            _log.warning("the city does not let this node in", detail=problem)
        self._problem = problem

    def _write_audit(self, now_us: int, last: bool = False) -> None:
        if deeds := self._core.guard.take_deeds():
            self.audit.note(deeds)
        for line in self._core.guard.refused.take_news(now_us):
            _log.warning("refused", **line)
        if lines := self._core.guard.refused.take_lines(now_us, last=last):
            self.audit.note(lines)

    def _follow_guard(self) -> None:
        """The city signed with its next key: the present one is no longer genuine, here and on disk."""
        has_next = bool(self._core.guard.next_verify_key)
        if self._has_next and not has_next:
            self._promote(self._section.verify_key_file, "signing")
        self._has_next = has_next

    def _promote(self, path: Path, whose: str) -> None:
        """Let the next key take the place of the present one on disk; what fails is done at the next proof."""
        try:
            rename_durably(second_slot(path), path)
            if whose == OWN:
                self._write_public()
        except OSError as error:
            _log.error("a proven key could not take its place", file=str(path), detail=error.strerror)
            return
        self._tell({"event": "key_current", "whose": whose})

    def _write_public(self) -> None:
        """Keep the public half for people, if the configuration names a place."""
        path = self._section.public_file
        if path is not None and not is_credential(path):
            replace_durably(path, self._core.keys.own[0].public, PUBLIC_MODE)

    def _tell(self, row: dict[str, Any]) -> None:
        _log.info("key", what=row["event"], whose=row["whose"])
        self.audit.note([row])

    def rotate(self) -> dict[str, Any]:
        """Make the next key, unless one is under way, and begin to offer it; return `rows`. Raises: KeyFileError."""
        if self._core.keys.state == "steady":
            make_next(self._section.secret_file)
            self._core.keys.add(read_pair(read_curve_key(second_slot(self._section.secret_file), secret=True)))
            self._tell({"event": "key_made", "whose": OWN, "key": self._core.keys.own[1].fingerprint})
        return self.rows()

    def reload(self) -> dict[str, Any]:
        """Take all keys of the city link from their files; return `rows`. Raises: KeyFileError."""
        keys, (verify, *after) = read_keys(self._section), read_verify_keys(self._section)
        old, guard = self._core.keys.own[0], self._core.guard
        self._core.keys.take(keys.own, keys.city)
        guard.verify_key, guard.next_verify_key = verify, after[0] if after else b""
        self._has_next = bool(after)
        if old != keys.own[0]:
            self._tell({"event": "key_enrolled", "whose": OWN, "key": keys.own[0].fingerprint})
        return self.rows()

    def rows(self) -> dict[str, Any]:
        """Return what `city keys list` shows of this node; nothing in it is secret."""
        keys = self._core.keys
        return {
            **key_rows(self._core.edge, keys, 1 + bool(self._core.guard.next_verify_key)),
            "state": keys.state,
            "connected": self._core.uplink.connected,
            "problem": keys.problem or keys.said,
        }

    def close(self) -> None:
        """Write what is untold, then close the log."""
        self._write_audit(self._core.now(), last=True)
        self.heads.close()
        self.audit.close()


def key_rows(edge: str, keys: NodeKeys, verify_keys: int) -> dict[str, Any]:
    """Return which keys a node has, by slot and fingerprint."""
    own = [pair.fingerprint for pair in keys.own]
    city = [fingerprint(raw_key(key)) for key in keys.city]
    return {"edge": edge, "keys": _slots(own), "city": _slots(city), "verify_keys": verify_keys}


def _slots(names: list[str]) -> list[dict[str, str]]:
    return [{"slot": slot, "fingerprint": name} for slot, name in zip(("current", "next"), names, strict=False)]


def make_next(secret_file: Path, pair: Callable[[], tuple[bytes, bytes]] = zmq.curve_keypair) -> None:
    """Write a new secret key beside the present one; one that is there stays. Raises: KeyFileError."""
    if is_credential(secret_file):
        raise KeyFileError(
            f"{secret_file}: a credential of systemd is read only: put {secret_file.name}.next beside it in the unit, "
            "or enroll anew; see docs/keys.md"
        )
    path = second_slot(secret_file)
    with contextlib.suppress(FileNotFoundError):
        path.stat()
        return
    try:
        replace_durably(path, pair()[1])
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be written: {error.strerror}") from error
