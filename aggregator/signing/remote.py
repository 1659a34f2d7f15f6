"""How the city has its tasks signed: by a key of its own, or by a signer behind a unix socket.

A signature takes a fraction of a millisecond there. The loop waits at most WAIT_S for one that does not come, and
after that does not ask again for HOLD_S: nothing is dispatched then, and everything else goes on.
"""

import contextlib
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from protocol import tasks
from service.keys import ED25519_BYTES, read_ed25519_key, read_slots

from ..config import AggregatorConfig
from ..errors import SignerError
from .judge import DONE, LENGTH_BYTES, PUBLIC, SIGN

WAIT_S = 0.25
HOLD_S = 1.0


class RemoteSigner:
    """Asks the signer at a unix socket."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._socket: socket.socket | None = None
        self._hold_until_s = 0.0

    def sign(self, payload: bytes) -> bytes:
        """Return the 64-byte signature of a task's bytes. Raises: SignerError."""
        signature = self._ask(bytes([SIGN]) + payload)
        if len(signature) != tasks.SIGNATURE_SIZE:
            raise SignerError(f"signer {self._path}: expected {tasks.SIGNATURE_SIZE} bytes, found {len(signature)}")
        return signature

    def public_keys(self) -> tuple[bytes, ...]:
        """Return its public keys, raw 32 bytes each, present first. Raises: SignerError."""
        found = self._ask(bytes([PUBLIC]))
        return tuple(found[at : at + ED25519_BYTES] for at in range(0, len(found), ED25519_BYTES))

    def _ask(self, request: bytes) -> bytes:
        if self._clock() < self._hold_until_s:
            raise SignerError(f"signer {self._path}: no answer a moment ago")
        try:
            answer = self._exchange(request)
        except OSError as error:
            self._forget()
            self._hold_until_s = self._clock() + HOLD_S
            raise SignerError(f"signer {self._path}: {error}; is `city signer run` running?") from error
        if answer[:1] != DONE:
            raise SignerError(f"signer {self._path} refuses: {answer[1:].decode(errors='replace')}")
        return answer[1:]

    def _exchange(self, request: bytes) -> bytes:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it was restarted since
                return self._say(self._socket, request)
            self._forget()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(WAIT_S)
        self._socket.connect(str(self._path))
        return self._say(self._socket, request)

    @staticmethod
    def _say(link: socket.socket, request: bytes) -> bytes:
        link.sendall(len(request).to_bytes(LENGTH_BYTES) + request)
        return _read(link, int.from_bytes(_read(link, LENGTH_BYTES)))

    def _forget(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _read(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            raise ConnectionResetError("it hung up")
        data += part
    return data


def signer_of(config: AggregatorConfig) -> Callable[[bytes], bytes]:
    """Return what signs the city's tasks. Raises: KeyFileError."""
    if config.signing is None:
        return RemoteSigner(config.city.signer_path).sign
    return partial(tasks.sign, read_ed25519_key(config.signing.secret_file, secret=True))


def verify_keys(config: AggregatorConfig) -> tuple[bytes, ...]:
    """Return the public keys that nodes have to know, present first. Raises: KeyFileError, SignerError."""
    if config.signing is None:
        return RemoteSigner(config.city.signer_path).public_keys()
    private = read_slots(config.signing.secret_file, partial(read_ed25519_key, secret=True))
    return tuple(tasks.public_of(key) for key in private)
