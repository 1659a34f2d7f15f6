"""Which keys may speak for which edge node: two slots each, one-time tokens, and what was revoked. Sans-IO.

    ring.tick(now_utc_us)                        # wall clock; nothing else tells the time
    ring.reason(edge, fingerprint)               # "": admitted; asked about every message
    message = ring.answer(edge, fingerprint, public)   # to a KeyOffer
    events = ring.take_events()                  # for the audit log; if not empty, save ring.to_map() first

The life of a key: *next* (offered over the link of the current one, or nothing yet), *current*, then dead: revoked by
a person, retired by its successor, or replaced by a new enrolment. The first message under the next key lets the
current one live for a grace, so that what is on its way still counts. A dead key never lives again, whatever
a configuration file says. Nothing in here is secret: of tokens only a hash is kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from protocol.city_link import KeyTaken, Refusal
from service.fingerprint import fingerprint, raw_key

from ..errors import KeyringError
from .tokens import Token, Tokens

CURRENT = "current"
NEXT = "next"
GRACE_US = 30_000_000
ANSWER_US = 60_000_000  # how long the key that used a token may ask again, should the answer have been lost
OFFER_AGAIN_US = 60_000_000  # how soon another next key may take the place of one that was never used
MAX_ROTATED = 1000
VERSION = 1


@dataclass
class Key:
    """A key that is admitted. `retire_us`: when its successor has taken over for good.

    `by`: the fingerprint of the key over whose link it was offered; "" for one from outside the link; `reflex`: the
    Ed25519 key (hex) that the node named over the link of this key, for its reflexes.
    """

    edge: str
    public: str
    slot: str
    origin: str  # config, token or rotation
    since_us: int
    used_us: int = 0
    retire_us: int = 0
    by: str = ""
    reflex: str = ""


@dataclass(frozen=True)
class Dead:
    """A key that is never admitted again, and why: revoked, retired or replaced; the rest as of the key."""

    edge: str
    reason: str
    at_us: int
    origin: str = ""
    by: str = ""
    reflex: str = ""


@dataclass
class Keyring:
    """All keys by fingerprint. Times are UTC µs of the wall clock, which in here never goes back."""

    keys: dict[str, Key] = field(default_factory=dict)
    dead: dict[str, Dead] = field(default_factory=dict)
    tokens: Tokens = field(default_factory=Tokens)
    now_us: int = 0
    grace_us: int = GRACE_US
    _events: list[dict[str, Any]] = field(default_factory=list)

    def tick(self, now_us: int) -> None:
        """Tell the time; a key whose grace is over dies, a token that lapsed is gone."""
        self.now_us = max(self.now_us, now_us)
        for name, key in list(self.keys.items()):
            if key.retire_us and self.now_us >= key.retire_us:
                self._kill(name, "retired")
                self._promote(key.edge)
        for token in self.tokens.lapse(self.now_us):
            self._tell("token_closed" if token.used_by else "token_lapsed", token.edge)

    def edges(self) -> list[str]:
        """Return the edge nodes that have a key."""
        return sorted({key.edge for key in self.keys.values()})

    def shut_out(self) -> set[str]:
        """Return the edge nodes that have no key any more because theirs were revoked."""
        return {dead.edge for dead in self.dead.values() if dead.reason == "revoked"}.difference(self.edges())

    def reason(self, edge: str, name: str) -> str:
        """Return "" if the key of this fingerprint speaks for `edge`, else the name of the refusal."""
        key = self.keys.get(name)
        if key is not None and key.edge == edge:
            return ""
        dead = self.dead.get(name)
        return f"{dead.reason}_key" if dead else "unknown_key"

    def heard(self, name: str) -> None:
        """Note an authenticated message under an admitted key; the first under a next key begins the change."""
        key = self.keys[name]
        key.used_us = self.now_us
        if key.slot == CURRENT:
            return
        current = self._slot(key.edge, CURRENT)
        if current is None:
            self._promote(key.edge)
        elif not self.keys[current].retire_us:
            self.keys[current].retire_us = self.now_us + self.grace_us
            self._tell("key_first_used", key.edge, name, retires=current)

    def vouch(self, name: str, reflex: bytes) -> None:
        """Note the key of a node's reflexes, named over the link of key `name`; the first named there stays.

        Raises: KeyringError for another one.
        """
        key = self.keys[name]
        if not reflex or key.reflex == reflex.hex():
            return
        if key.reflex:
            text = f"{key.edge} names another key for its reflexes than before over key {name}; rotate that one instead"
            raise KeyringError("another_reflex_key", text)
        key.reflex = reflex.hex()
        self._tell("reflex_key", key.edge, name, reflex=key.reflex)

    def reflex_keys(self, name: str) -> list[bytes]:
        """Return the reflex keys of a link key, and of those that it followed by rotation and nobody revoked."""
        dead = [self.dead[one] for one in self._lineage(name) if one in self.dead]
        past = [one.reflex for one in dead if one.reason == "retired"]
        live = [self.keys[one].reflex for one in self._lineage(name) if one in self.keys]
        return [bytes.fromhex(key) for key in [*live, *past] if key]

    def answer(self, edge: str, name: str, public: bytes) -> KeyTaken | Refusal:
        """Return the answer to a KeyOffer; it may leave once what changed is durable."""
        try:
            self.offer(edge, name, public)
        except KeyringError as error:
            return Refusal(error.reason, str(error)[:200])
        return KeyTaken(public)

    def offer(self, edge: str, name: str, public: bytes) -> None:
        """Put the key that `edge` offers over the link of key `name` into the second slot; again is no change.

        Raises: KeyringError.
        """
        refusal = self.reason(edge, name)
        if refusal:
            raise KeyringError(refusal, f"key {name} does not speak for {edge}")
        new = self._checked(edge, public)
        if new in self.keys:
            return
        if self.keys[name].slot != CURRENT or self.keys[name].retire_us:
            raise KeyringError("rotation_under_way", self._standing(edge))
        old = self._slot(edge, NEXT)
        if old is not None:
            if self.now_us - self.keys[old].since_us < OFFER_AGAIN_US:
                raise KeyringError("offers_too_often", f"{edge} offered another key less than a minute ago")
            self._kill(old, "replaced")
        self._add(edge, public, NEXT, "rotation", by=name)

    def adopt(self, edge: str, public: bytes) -> str:
        """Take the key that the configuration names for `edge`; return why not, if it is dead.

        Raises: KeyringError for what is no key, or another edge's.
        """
        name = fingerprint(raw_key(public))
        if name in self.dead:
            return f"the key that the configuration names for {edge} is {self.dead[name].reason}"
        self._checked(edge, public)
        if name not in self.keys:
            self._replace(edge, public, "config")
        return ""

    def open_token(self, edge: str, life_us: int, token_id: bytes, secret: bytes) -> Token:
        """Return a token that enrols one key for `edge` within `life_us`; an earlier one is void.

        Raises: KeyringError.
        """
        token = self.tokens.open(edge, self.now_us, life_us, token_id, secret)
        self._tell("token_opened", edge, lapses_us=token.lapses_us)
        return token

    def redeem(self, token_id: bytes, secret: bytes, public: bytes) -> str:
        """Enrol the key of who shows a token; return the edge it is for. The same key may ask again.

        Raises: KeyringError; `reason` says which of the checks failed.
        """
        token = self._token(token_id, secret)
        new = self._checked(token.edge, public)
        if token.used_by == new:
            return token.edge
        if token.used_by:
            raise KeyringError("token_used", f"the token for {token.edge} was used by another key")
        token.used_by, token.lapses_us = new, min(token.lapses_us, self.now_us + ANSWER_US)
        self._tell("token_used", token.edge, new)
        if new not in self.keys:
            self._replace(token.edge, public, "token")
        return token.edge

    def revoke(self, edge: str, start: str = "") -> list[str]:
        """Kill the keys of `edge` whose fingerprint begins with `start`, and its token; return the fingerprints.

        So die the keys that were offered under one of these, or under one of those: a stolen key may have made them,
        even if it is dead by now. Raises: KeyringError if there is none.
        """
        named = {name for name, key in self.keys.items() if key.edge == edge and name.startswith(start)}
        named = named or {name for name, dead in self.dead.items() if dead.edge == edge and name.startswith(start)}
        found = [name for name, key in self.keys.items() if key.edge == edge and named & self._lineage(name)]
        closed = not start and self.tokens.close(edge)
        if not found and not closed:
            raise KeyringError("no_such_key", f"{edge} has no key{f' {start}...' if start else ''} to revoke")
        for name in found:
            self._kill(name, "revoked")
        if closed:
            self._tell("token_closed", edge)
        self._promote(edge)
        return found

    def bury(self, name: str, dead: Dead) -> None:
        """Let a key be dead that is known from elsewhere to be: this keyring may be an older copy."""
        if name not in self.dead:
            self.keys.pop(name, None)
            self.dead[name] = dead
            self._tell("key_buried", dead.edge, name, reason=dead.reason)
            self._promote(dead.edge)

    def allowed(self) -> dict[bytes, str]:
        """Return {32-byte public key: "edge/fingerprint"}, which is what the gate lets in, as User-Id."""
        return {raw_key(key.public.encode()): f"{key.edge}/{name}" for name, key in self.keys.items()}

    def take_events(self) -> list[dict[str, Any]]:
        """Return what changed since the last call, as rows of the audit log."""
        events, self._events = self._events, []
        return events

    def to_map(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return {
            "version": VERSION,
            "now_us": self.now_us,
            "keys": {name: asdict(key) for name, key in self.keys.items()},
            "dead": {name: asdict(dead) for name, dead in self.dead.items()},
            "tokens": self.tokens.to_list(),
        }

    def _token(self, token_id: bytes, secret: bytes) -> Token:
        shown = self.tokens.by_id.get(token_id.hex())
        try:
            return self.tokens.check(token_id, secret, self.now_us)
        except KeyringError as error:
            if shown is not None and error.reason == "token_burnt":
                self._tell("token_burnt", shown.edge)
            raise

    def _checked(self, edge: str, public: bytes) -> str:
        """Return the fingerprint of a key that `edge` may have. Raises: KeyringError."""
        try:
            name = fingerprint(raw_key(public))
        except ValueError as error:
            raise KeyringError("bad_key", str(error)) from error
        if name in self.dead:
            raise KeyringError(f"{self.dead[name].reason}_key", f"key {name} is {self.dead[name].reason}: make another")
        if name in self.keys and self.keys[name].edge != edge:
            raise KeyringError("foreign_key", f"key {name} is that of {self.keys[name].edge}")
        return name

    def _replace(self, edge: str, public: bytes, origin: str) -> None:
        """A key from outside the link: whatever the edge had before is over."""
        for name in [name for name, key in self.keys.items() if key.edge == edge]:
            self._kill(name, "replaced")
        self._add(edge, public, CURRENT, origin)

    def _add(self, edge: str, public: bytes, slot: str, origin: str, by: str = "") -> None:
        name = fingerprint(raw_key(public))
        self.keys[name] = Key(edge, public.decode(), slot, origin, self.now_us, by=by)
        self._tell("key_added", edge, name, slot=slot, origin=origin, **({"by": by} if by else {}))

    def _lineage(self, name: str) -> set[str]:
        """Return a key, the key under which it was offered, and so on."""
        found: set[str] = set()
        while name and name not in found:
            found.add(name)
            key = self.keys.get(name) or self.dead.get(name)
            name = key.by if key is not None else ""
        return found

    def _kill(self, name: str, reason: str) -> None:
        key = self.keys.pop(name)
        self.dead[name] = Dead(key.edge, reason, self.now_us, key.origin, key.by, key.reflex)
        self._tell(f"key_{reason}", key.edge, name, used_us=key.used_us)
        self._forget_rotated(key.edge)

    def _forget_rotated(self, edge: str) -> None:
        """Of the keys that an edge itself offered and left behind, the newest stay; no configuration names them.

        A key that a configuration or a token brought stays dead for good: else the next start would adopt it anew.
        """
        mine = [n for n, dead in self.dead.items() if (dead.edge, dead.origin) == (edge, "rotation")]
        gone = [name for name in mine if self.dead[name].reason != "revoked"]
        for oldest in gone[: max(0, len(gone) - MAX_ROTATED)]:
            self._inherit(oldest, self.dead.pop(oldest).by)

    def _inherit(self, gone: str, by: str) -> None:
        """What was offered under a key that is forgotten counts as offered under the one before."""
        for name, dead in self.dead.items():
            if dead.by == gone:
                self.dead[name] = replace(dead, by=by)
        for key in self.keys.values():
            key.by = by if key.by == gone else key.by

    def _promote(self, edge: str) -> None:
        """The next key of an edge becomes the current one, if that place is free and it was used."""
        name = self._slot(edge, NEXT)
        if name is not None and self._slot(edge, CURRENT) is None and self.keys[name].used_us:
            self.keys[name].slot = CURRENT
            self._tell("key_current", edge, name)

    def _standing(self, edge: str) -> str:
        """Return which key of an edge is in which slot, and until when, while its last rotation is not over."""
        current, after = self._slot(edge, CURRENT), self._slot(edge, NEXT)
        until = _clock(self.keys[current].retire_us) if current is not None else ""
        return f"the last rotation is not over: {after} is next, {current} current until {until}; offer again then"

    def _slot(self, edge: str, slot: str) -> str | None:
        found: Iterable[str] = (name for name, key in self.keys.items() if (key.edge, key.slot) == (edge, slot))
        return next(iter(found), None)

    def _tell(self, event: str, edge: str, key: str = "", **more: Any) -> None:
        self._events.append({"event": event, "edge": edge, **({"key": key} if key else {}), **more})


def _clock(utc_us: int) -> str:
    """Return a time as `2026-03-01 14:07:30Z`; until a next key is used nobody knows when the current one ends."""
    return f"{datetime.fromtimestamp(utc_us / 1e6, UTC):%Y-%m-%d %H:%M:%SZ}" if utc_us else "the next one is used"


def from_map(kept: Mapping[str, Any]) -> Keyring:
    """Return the keyring that `to_map` described. Raises: KeyringError."""
    if kept.get("version") != VERSION:
        raise KeyringError("version", f"expected a keyring of version {VERSION}, found {kept.get('version')!r}")
    try:
        keys = {fingerprint(raw_key(row["public"].encode())): Key(**row) for row in kept["keys"].values()}
        if list(keys) != list(kept["keys"]):
            raise ValueError("a fingerprint is not that of its key")
        dead = {name: Dead(**row) for name, row in kept["dead"].items()}
        return Keyring(keys, dead, Tokens.of_list(kept["tokens"]), int(kept["now_us"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise KeyringError("malformed", f"the keyring is damaged: {error!r}") from error
