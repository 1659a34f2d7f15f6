"""The city's keyring as a part: which key signs what a node does by itself, over rotation, revocation and restart.

Link keys are numbers; each has a reflex key of its own, and a thief has one more. What is believed is judged by a
reading of the rules of its own: the first reflex key named over a link key is that one's, and goes with it.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from zmq.utils import z85

from aggregator.errors import KeyringError
from aggregator.keys import reflexes
from aggregator.keys.keyring import GRACE_US, Keyring, from_map
from aggregator.tasks.book import UNSIGNED
from protocol import task_codes as codes
from protocol import tasks
from protocol.city_link import EdgeHello, TaskReport
from service.fingerprint import fingerprint, raw_key
from service.refusals import Refusals

from .lone import Doings, LonePlan
from .parts import Broken, Event

EDGE = "edge-1"
LINKS = (0, 1, 2)
THIEF = 3
TOKEN = b"i" * 8, b"s" * 16


@cache
def link(number: int) -> tuple[bytes, str]:
    """Return (public key in z85, fingerprint) of the n-th link key."""
    public = z85.encode(bytes([number + 1]) * 32)
    return public, fingerprint(raw_key(public))


@cache
def reflex(number: int) -> tuple[bytes, bytes]:
    """Return (private, public) reflex key that belongs to the n-th link key."""
    private = bytes([number + 17]) * 32
    return private, tasks.public_of(private)


@cache
def told(number: int) -> TaskReport:
    """Return what a node tells of a task that it gave itself, signed with the n-th reflex key."""
    task = tasks.Task(bytes(16), "gate/opening", 1.0, 1000, "p", 1, EDGE, "boot", 1, 1)
    payload = tasks.encode(task)
    return TaskReport(
        task.task_id, codes.ACCEPTED, 0, "", 0.5, {}, tasks.sign_reflex(reflex(number)[0], payload), payload
    )


@dataclass
class KeyPart:
    """A keyring, and the check's own reading: who was named where, under which key each was offered, what is over."""

    ring: dict[str, Any] = field(default_factory=dict)
    named: dict[int, int] = field(default_factory=dict)
    by: dict[int, int] = field(default_factory=dict)
    revoked: tuple[int, ...] = ()
    replaced: tuple[int, ...] = ()
    believed: int = 0
    enrolled: bool = False

    def __post_init__(self) -> None:
        ring = Keyring()
        ring.tick(1)
        ring.adopt(EDGE, link(0)[0])
        ring.heard(link(0)[1])
        ring.take_events()
        self.ring = ring.to_map()

    def do(self, event: Event) -> tuple[Any, ...]:
        """Take an event; each finds the keyring as it was kept."""
        ring = from_map(json.loads(json.dumps(self.ring)))
        name, *words = event
        getattr(self, f"_{name}")(ring, *words)
        self._dead_stay_dead(ring)
        ring.take_events()
        self.ring = ring.to_map()
        return ()

    def facts(self) -> Doings:
        """What may happen now."""
        ring = from_map(self.ring)
        live = [number for number in LINKS if not ring.reason(EDGE, link(number)[1])]
        actions: list[tuple[Any, ...]] = [("offer", a, b) for a in live for b in LINKS if b not in live]
        actions += [("says_hello", number, named) for number in live for named in (number, THIEF)]
        actions += [("tells", number, signer) for number in live for signer in (*LINKS, THIEF)]
        actions += [("revoke", number) for number in live]
        actions += [("grace",)] + [("enrol",)] * (not self.enrolled)
        return Doings(tuple(actions), self.believed)

    # what happens

    def _offer(self, ring: Keyring, by: int, new: int) -> None:
        try:
            ring.offer(EDGE, link(by)[1], link(new)[0])
        except KeyringError:
            return
        self.by[new] = by

    def _says_hello(self, ring: Keyring, number: int, named: int) -> None:
        """A node says hello over a link key and names a key for its reflexes; the first stays."""
        refused = Refusals()
        ring.heard(link(number)[1])
        reflexes.take(ring, link(number)[1], EdgeHello(2, EDGE, "boot", 1, reflex=reflex(named)[1]), refused, 1)
        if bool(refused) != (self.named.setdefault(number, named) != named):
            raise Broken("another_key", f"key {number} names reflex key {named}: {dict(refused) or 'not refused'}")

    def _tells(self, ring: Keyring, number: int, signer: int) -> None:
        """A node tells of a task of its own over a link key."""
        refused = Refusals()
        ring.heard(link(number)[1])
        found = reflexes.signer(ring, link(number)[1], EDGE, told(signer), refused, 1)
        keys = {self.named[one] for one in self._line(number) if one in self.named}
        expected = fingerprint(reflex(signer)[1]) if signer in keys else UNSIGNED
        if found != expected:
            how = "believed" if found != UNSIGNED else "not believed"
            raise Broken(how.replace(" ", "_"), f"what reflex key {signer} signs is {how} over key {number}")
        if bool(refused) != bool(keys and signer not in keys):
            raise Broken("not_counted", f"reflex key {signer} over key {number}: refused is {dict(refused)}")
        self.believed += found != UNSIGNED and not self.believed

    def _revoke(self, ring: Keyring, number: int) -> None:
        ring.revoke(EDGE, link(number)[1])
        under = tuple(one for one in LINKS if number in self._line(one))
        self.revoked = tuple(sorted({*self.revoked, *under}))

    def _grace(self, ring: Keyring) -> None:
        """A minute passes."""
        ring.tick(ring.now_us + 2 * GRACE_US)

    def _enrol(self, ring: Keyring) -> None:
        """A person enrols the node anew: a key from outside, under none of the old ones."""
        ring.open_token(EDGE, GRACE_US, *TOKEN)
        new = next((one for one in LINKS if link(one)[1] not in {*ring.keys, *ring.dead}), None)
        if new is None:
            return
        ring.redeem(*TOKEN, link(new)[0])
        self.replaced = tuple(one for one in LINKS if one != new and link(one)[1] in ring.dead)
        self.by.pop(new, None)
        self.enrolled = True

    def _settle(self, ring: Keyring) -> None:
        """Whoever may speak and named a key is believed."""
        for number in (one for one in LINKS if not ring.reason(EDGE, link(one)[1])):
            if number in self.named:
                self._tells(ring, number, self.named[number])

    # what must hold

    def _line(self, number: int) -> list[int]:
        """Return a key and those under which it was offered."""
        line = [number]
        while line[-1] in self.by:
            line.append(self.by[line[-1]])
        return line

    def _dead_stay_dead(self, ring: Keyring) -> None:
        for number in (*self.revoked, *self.replaced):
            if not ring.reason(EDGE, link(number)[1]):
                raise Broken("dead_key_lives", f"key {number} was revoked or replaced, and is admitted")


KEYS = LonePlan(
    "keys", "who signs what a node does by itself: keys named, rotated, revoked, enrolled anew, a thief's",
    KeyPart,
    {"offer": "key {1} is offered over the link of key {0}", "says_hello": "hello over key {0} names reflex key {1}",
     "tells": "over key {0} comes a task that reflex key {1} signed", "revoke": "key {0} is revoked",
     "grace": "a minute passes", "enrol": "a person enrols a key by a token"},
    depth=4,
)  # fmt: skip
