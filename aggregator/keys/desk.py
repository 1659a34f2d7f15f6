"""The keyring of a running city: the gate, the links and the enrolment endpoint follow it. Shell.

A revocation counts at once, whatever the disk says; everything else is durable before anybody hears of it.
"""

from collections.abc import Callable

import structlog

from protocol import enrol
from protocol.city_link import Refusal
from protocol.errors import ProtocolError
from service.audit import wall_us

from ..audit.heads import Exchange
from ..city import City, Offer, Send
from ..errors import KeyringError, SignerError
from ..link.router_socket import RouterSocket
from ..link.zap import Allowed, Gatekeeper
from ..tasks.dispatch import Now
from .enrol_socket import EnrolSocket
from .store import KeyStore, Row

USED_SAVE_US = 600_000_000
_CUT = ("key_revoked", "key_replaced")
_log = structlog.get_logger(__name__)


def allowed(store: KeyStore) -> Allowed:
    """Return whom the gate lets in by this keyring."""
    dead = {name: (dead.edge, dead.reason) for name, dead in store.ring.dead.items()}
    return Allowed(store.ring.allowed(), dead)


class KeyDesk:
    """Lets the parts of a running city follow its keyring. Call `tick` every turn of the loop.

    `identity()` gives the public keys that a new node has to know: (CURVE keys, Ed25519 keys).
    """

    def __init__(
        self, store: KeyStore, city: City, gate: Gatekeeper, router: RouterSocket, socket: EnrolSocket | None,
        identity: Callable[[], tuple[tuple[bytes, ...], tuple[bytes, ...]]],
    ) -> None:  # fmt: skip
        self.store = store
        self._city, self._gate, self._router, self._socket = city, gate, router, socket
        self._identity = identity
        self._must_cut = self._unsaved = False
        self._since_us = store.ring.now_us
        self._heads = Exchange(store.audit)
        store.changed = self._changed
        if store.older:
            _log.error(store.older)

    def serve(self, city: City) -> None:
        """Work for this city from now on: a restored one has taken over."""
        self._city = city

    async def tick(self, now: Now) -> list[Send]:
        """Serve time, offers, enrolments; write what is to be written. Returns heads and answers to offers."""
        self.store.tick()
        offers, self._city.offers = self._city.offers, []
        sends = [self._take_offer(offer, now) for offer in offers]
        if self._socket is not None:
            self._socket.tick(self.store.ring.tokens.is_open, lambda data, public: self._enrol(data, public, now))
        self._relieve(now)
        await self.follow()
        self._tell_unsaved()
        self._note_refusals(now)
        heads = self._heads.tick(self._city.sessions.by_edge.values(), now.us)
        if wall_us() - self.store.saved_us > USED_SAVE_US:
            self.store.save_quietly()
        return [*heads, *([] if self.store.unsaved else sends)]

    def _relieve(self, now: Now) -> None:
        """Let links begin anew that fill the memory: nobody can say which of them does."""
        if self._city.caps.takes_relief():
            _log.error("memory_mb is exceeded and grows: all links begin anew")
            self._city.refused.note("memory", "links", "unfinished messages filled the memory: links cut", now.us)
            self._must_cut = True
            if self._socket is not None:
                self._socket.close()

    def _tell_unsaved(self) -> None:
        if self.store.unsaved and not self._unsaved:
            _log.error("the keyring cannot be saved: is the disk full?")
        self._unsaved = self.store.unsaved

    async def follow(self, *, must: bool = False) -> None:
        """Save what changed, then cut the links of keys that died by somebody's will and were used since the start.

        libzmq cannot close one peer of a ROUTER, and may hold frames for it: so all links begin anew, which the
        others do within their reconnect interval, without loss, while the dead key no longer passes the gate.
        Raises: OSError if it `must` be durable and is not.
        """
        try:
            self.store.settle(must=must)
        finally:
            if self._must_cut:
                self._must_cut = False
                self._city.cut()
                await self._router.rebind()

    def reasons(self) -> list[str]:
        """Return what is wrong with keyring, audit log and enrolment endpoint, for /health."""
        store, socket = self.store, self._socket
        told = [*store.audit.problems, socket.problem if socket is not None else ""]
        told += self._heads.reasons(self._city.sessions.by_edge.values())
        told += [store.older] if store.older else []
        told += ["the keyring cannot be saved: is the disk full?"] if store.unsaved else []
        return [text for text in told if text]

    async def revoke(self, edge: str, start: str, who: str = "") -> list[str]:
        """Kill keys of an edge, and its links; return the fingerprints. Raises: KeyringError, OSError."""
        found = self.store.revoke(edge, start, who)
        await self.follow(must=True)
        return found

    def close(self, now: Now) -> None:
        """Write what is still untold, close file, log and endpoint."""
        self._note_refusals(now, last=True)
        if self._socket is not None:
            self._socket.close()
        self._heads.close()
        self.store.close()

    def _changed(self, events: list[Row]) -> None:
        self._gate.allow(allowed(self.store))
        for row in events:
            _log.info("key", **{"what" if name == "event" else name: value for name, value in row.items()})
        self._must_cut |= any(row["event"] in _CUT and row["used_us"] >= self._since_us for row in events)

    def _take_offer(self, offer: Offer, now: Now) -> Send:
        answer = self.store.ring.answer(*offer)
        if isinstance(answer, Refusal):
            self._city.refused.note(answer.code, offer.edge, answer.text, now.us)
        return offer.edge, answer

    def _enrol(self, data: bytes, public: bytes, now: Now) -> bytes:
        """Return the answer to a node that shows a token under its own new key."""
        try:
            ask, known = enrol.decode_ask(data), self._identity()
            edge = self.store.ring.redeem(ask.token_id, ask.secret, public)
            self.store.settle()
            if self.store.unsaved:
                raise KeyringError("not_saved", "the city cannot write its keyring now; try again")
        except KeyringError as error:
            return self._not_enrolled(error.reason, str(error), now)
        except SignerError as error:
            return self._not_enrolled("no_signature", str(error), now)
        except ProtocolError as error:
            return self._not_enrolled("malformed", str(error), now)
        self._city.sessions.add(edge, now.us, now.utc_us)
        return enrol.encode_answer(enrol.EnrolAnswer(enrol.OK, "enrolled", edge, *known))

    def _not_enrolled(self, reason: str, text: str, now: Now) -> bytes:
        self._city.refused.note(reason, "enrolment", text, now.us)
        return enrol.encode_answer(enrol.EnrolAnswer(reason, text[:300]))

    def _note_refusals(self, now: Now, last: bool = False) -> None:
        for reason, who, text, count in self._gate.take_refused():
            self._city.refused.note(reason, who, text, now.us, count)
        for line in self._city.refused.take_news(now.us):
            _log.warning("refused", **line)
        if lines := self._city.refused.take_lines(now.us, last=last):
            self.store.audit.note(lines)


