"""Password hashes: Argon2id.

Source: RFC 9106, section 4, the second recommended option: 3 passes, 64 MiB, 4 lanes, 128-bit salt, 256-bit tag. OWASP
(Password Storage Cheat Sheet) asks for at least 19 MiB with 2 passes, which this exceeds.
"""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from ..errors import OperatorError

MIN_CHARS, MAX_BYTES = 12, 1024


class Passwords:
    """Hashes and compares; each call takes about a tenth of a second and 64 MiB, so call it in a thread."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._nobody = ""

    def hash(self, password: str) -> str:
        """Return the hash to keep. Raises: OperatorError for a password that is too short or too long."""
        if len(password) < MIN_CHARS:
            raise OperatorError("weak_password", f"a password has {MIN_CHARS} characters or more, not {len(password)}")
        if len(password.encode()) > MAX_BYTES:
            raise OperatorError("weak_password", f"a password has at most {MAX_BYTES} bytes")
        return self._hasher.hash(password)

    def matches(self, kept: str | None, password: str) -> bool:
        """Whether the password is the one of this hash; None (nobody has that name) takes as long, and never is."""
        try:
            self._hasher.verify(kept or self._decoy(), password)
        except (VerificationError, InvalidHashError):
            return False
        return kept is not None

    def is_old(self, kept: str) -> bool:
        """Whether the hash was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(kept)

    def _decoy(self) -> str:
        self._nobody = self._nobody or self._hasher.hash("nobody has this password")
        return self._nobody
