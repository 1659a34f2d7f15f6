"""One-time enrolment tokens: a public id, a secret of 128 bits of which only the hash is kept, and a lapse. Sans-IO.

Guessing is hopeless at 128 bits; the limits below keep a guesser from costing anything. TRIES wrong secrets burn a
token, and after WRONG_PER_MINUTE wrong tokens in a minute nobody is heard for the rest of it.
"""

import hashlib
import hmac
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import KeyringError

ID_BYTES = 8
SECRET_BYTES = 16
TRIES = 5
WRONG_PER_MINUTE = 10
MINUTE_US = 60_000_000
MIN_LIFE_US = 10_000_000
MAX_LIFE_US = 7 * 24 * 3600 * 1_000_000
MAX_OPEN = 256


@dataclass
class Token:
    """One token for one key of `edge`. `used_by`: the fingerprint of the key that it enrolled."""

    edge: str
    id: str
    hash: str
    opened_us: int
    lapses_us: int
    tries: int = TRIES
    used_by: str = ""


@dataclass
class Tokens:
    """Tokens by id (hex), and when wrong ones were shown."""

    by_id: dict[str, Token] = field(default_factory=dict)
    _wrong: deque[int] = field(default_factory=deque)

    def open(self, edge: str, now_us: int, life_us: int, token_id: bytes, secret: bytes) -> Token:
        """Return a new token in place of an earlier one for the same edge. Raises: KeyringError."""
        if len(token_id) != ID_BYTES or len(secret) != SECRET_BYTES:
            raise ValueError(f"a token has {ID_BYTES} and {SECRET_BYTES} random bytes")
        if not MIN_LIFE_US <= life_us <= MAX_LIFE_US:
            raise KeyringError("token_life", "a token lives 10 seconds to 7 days")
        self.close(edge)
        if len(self.by_id) >= MAX_OPEN:
            raise KeyringError("too_many_tokens", f"{MAX_OPEN} tokens are open: wait until some lapse, or revoke them")
        token = Token(edge, token_id.hex(), _hash(secret), now_us, now_us + life_us)
        self.by_id[token.id] = token
        return token

    @property
    def is_open(self) -> bool:
        """Whether somebody may still come with a token, or ask again because the answer was lost."""
        return bool(self.by_id)

    def check(self, token_id: bytes, secret: bytes, now_us: int) -> Token:
        """Return the token that is shown. Raises: KeyringError."""
        while self._wrong and now_us - self._wrong[0] > MINUTE_US:
            self._wrong.popleft()
        if len(self._wrong) >= WRONG_PER_MINUTE:
            raise KeyringError("too_many_tries", "too many wrong tokens: nobody is enrolled for a minute")
        token = self.by_id.get(token_id.hex())
        if token is None or now_us >= token.lapses_us:
            self._wrong.append(now_us)
            raise KeyringError("token_unknown", "no such token: it lapsed, was replaced, or never was")
        if not hmac.compare_digest(token.hash, _hash(secret)):
            self._wrong.append(now_us)
            token.tries -= 1
            if not token.tries:
                del self.by_id[token.id]
                raise KeyringError("token_burnt", f"the token of {token.edge} is void after {TRIES} wrong secrets")
            raise KeyringError("token_wrong", f"wrong secret for the token of {token.edge}")
        return token

    def lapse(self, now_us: int) -> list[Token]:
        """Return the tokens whose time is over; they are gone."""
        gone = [token for token in self.by_id.values() if now_us >= token.lapses_us]
        for token in gone:
            del self.by_id[token.id]
        return gone

    def close(self, edge: str) -> bool:
        """Void the tokens of an edge; return whether there was one."""
        gone = [token.id for token in self.by_id.values() if token.edge == edge]
        for token_id in gone:
            del self.by_id[token_id]
        return bool(gone)

    def to_list(self) -> list[dict[str, Any]]:
        """Return all tokens as JSON types."""
        return [asdict(token) for token in self.by_id.values()]

    @classmethod
    def of_list(cls, rows: Iterable[dict[str, Any]]) -> "Tokens":
        """Return the tokens that `to_list` described."""
        return cls({row["id"]: Token(**row) for row in rows})


def _hash(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()
