"""The key under which a node signs its reflexes: what its own processes ask of its own actuators. Shell.

Each of the node's link keys has one, made here when the link key comes into use, in `reflex/FINGERPRINT.secret` of the
data folder (FINGERPRINT: of the link key). So it is offered, revoked and replaced with that key, and needs no
enrolment of its own: the public half goes to the city in EdgeHello, over the link that it belongs to.
"""

from pathlib import Path
from typing import NamedTuple

from protocol import tasks
from service.files import make_private_folder, replace_durably
from service.keys import read_ed25519_key

FOLDER = "reflex"


class ReflexKey(NamedTuple):
    """An Ed25519 pair, raw. Never shows the secret."""

    public: bytes
    private: bytes

    def __repr__(self) -> str:
        return f"ReflexKey({self.public.hex()!r})"

    def sign(self, payload: bytes) -> bytes:
        """Return the signature of an encoded task."""
        return tasks.sign_reflex(self.private, payload)


def reflex_key(data_dir: Path, link_key: str) -> ReflexKey:
    """Return the reflex key of the link key with this fingerprint, made if it is not there.

    Raises: KeyFileError, OSError.
    """
    folder = data_dir / FOLDER
    make_private_folder(folder)
    path = folder / f"{link_key}.secret"
    if not path.exists():
        replace_durably(path, tasks.new_keys()[0].hex().encode())
    private = read_ed25519_key(path, secret=True)
    return ReflexKey(tasks.public_of(private), private)


def forget(data_dir: Path, link_keys: list[str]) -> None:
    """Remove the reflex keys of all link keys but these. Raises: OSError."""
    for path in (data_dir / FOLDER).glob("*.secret"):
        if path.stem not in link_keys:
            path.unlink()
