"""Which of its own keys, and of the city's, a node speaks under: two slots of each, a rotation step by step. Sans-IO.

A next key is offered over the present link (`offer`) until the city says that it is durable there (`taken`); then the
node connects under it. The first message that comes back proves it (`proven`): only then does it take the place of the
present one on disk. Whatever dies in between, one of the two keys is known to the city, and a node that is refused
under one tries the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from protocol.city_link import KeyOffer, Refusal

OFFER_EVERY_US = 3_000_000
UNANSWERED = 3
OWN = "own"
CITY = "city"


class Pair(NamedTuple):
    """A CURVE key pair in z85, with the fingerprint that names it. Never shows the secret."""

    public: bytes
    secret: bytes
    fingerprint: str

    def __repr__(self) -> str:
        return f"Pair({self.fingerprint!r})"


@dataclass
class NodeKeys:
    """Present and next: `own` pairs, `city` public keys. `problem`: why the city does not let us in; `said`: what it
    last refused over the link."""

    own: Sequence[Pair] = ()
    city: Sequence[bytes] = ()
    problem: str = ""
    said: str = ""
    reconnect: bool = False
    refusals: int = 0
    _own_at: int = 0
    _city_at: int = 0
    _offered_us: int | None = None
    _unanswered: int = 0
    _proven: list[str] = field(default_factory=list)

    @property
    def in_use(self) -> tuple[bytes, bytes, bytes]:
        """The city's public key, and our public and secret one."""
        pair = self.own[self._own_at]
        return self.city[self._city_at], pair.public, pair.secret

    @property
    def named(self) -> str:
        """The fingerprint of our key in use."""
        return self.own[self._own_at].fingerprint

    @property
    def state(self) -> str:
        """How far a rotation is: "steady", "offering" or "changing"."""
        if len(self.own) < 2:
            return "steady"
        return "changing" if self._own_at else "offering"

    def add(self, pair: Pair) -> None:
        """A next key of ours is on disk: begin to offer it."""
        self.own = (self.own[0], pair)
        self._own_at, self._offered_us = 0, None

    def take(self, own: Sequence[Pair], city: Sequence[bytes]) -> None:
        """These are the keys on disk now; a connection under others begins anew."""
        before = self.in_use
        self.own, self.city = own, city
        self._own_at = self._city_at = 0
        self._offered_us = None
        self.reconnect = self.reconnect or self.in_use != before

    def offer(self, now_us: int) -> KeyOffer | None:
        """Return what is to be sent to a city that is there."""
        waiting = self._offered_us is not None and now_us - self._offered_us < OFFER_EVERY_US
        if self.state != "offering" or waiting:
            return None
        self._offered_us = now_us
        return KeyOffer(self.own[1].public)

    def taken(self, public: bytes) -> None:
        """The city has the offered key durably: go on under it."""
        if self.state == "offering" and public == self.own[1].public:
            self._own_at, self.reconnect = 1, True
            self.said = ""

    def told(self, refusal: Refusal) -> None:
        """The city says why it will not do something."""
        self.said = f"{refusal.code}: {refusal.text}"

    def proven(self) -> None:
        """A message came that only the city can have sent, and only to the key in use."""
        if self.reconnect:  # it came over the link that is about to end
            return
        self._unanswered, self.problem = 0, ""
        if self._own_at:
            self.own, self._own_at = (self.own[1],), 0
            self._proven.append(OWN)
        if self._city_at:
            self.city, self._city_at = (self.city[1],), 0
            self._proven.append(CITY)

    def take_proven(self) -> list[str]:
        """Return whose next key (OWN, CITY) has to take the place of the present one on disk."""
        proven, self._proven = self._proven, []
        return proven

    def refused(self) -> None:
        """The city refused the handshake: it knows us, but not the key in use, or not any more."""
        self.refusals += 1
        name = self.own[self._own_at].fingerprint
        self.problem = (
            f"the city refused this key ({name}): it is not enrolled, or it was revoked; on the city's machine "
            "`city keys list` says which, `city keys enroll EDGE` gives a token, and with it "
            "`city keys enroll --token -` on this one makes and enrols a new key"
        )
        if len(self.own) > 1:
            self._own_at, self.reconnect = 1 - self._own_at, True

    def unanswered(self, endpoint: str) -> None:
        """A handshake ended without a word: whoever is there does not own the city's key that we know."""
        self._unanswered += 1
        if self._unanswered < UNANSWERED:
            return
        self._unanswered = 0
        self.problem = (
            f"who answers at {endpoint} is not the city of server_public_file, or lets nobody in now; after the city "
            "changed its key: `city keys trust`, see docs/keys.md"
        )
        if len(self.city) > 1:
            self._city_at, self.reconnect = 1 - self._city_at, True
