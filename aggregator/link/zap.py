"""The gate of the city link: ZAP (RFC 27), an allowlist of CURVE public keys that fails closed.

libzmq asks `inproc://zeromq.zap.01` about every CURVE handshake. With ZMQ_ZAP_ENFORCE_DOMAIN on the
ROUTER sockets (router_socket.py, enrol_socket.py) no handler, a dead handler or an odd answer means: refused.
The answer's User-Id comes along with each message: in the domain "city" it is "edge/fingerprint" of an admitted key,
in the domain "enrol", where any key may knock but not often, the key itself.
"""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import zmq
from zmq.utils import z85

from service.fingerprint import fingerprint

DOMAIN = b"city"
ENROL_DOMAIN = b"enrol"
ENDPOINT = "inproc://zeromq.zap.01"
KNOCKS = 10
KNOCK_EVERY_S = 5.0
MAX_WHO = 256
_VERSION = b"1.0"


@dataclass(frozen=True)
class Allowed:
    """Who is let in: {32-byte key: User-Id}; `dead`: {fingerprint: (edge, revoked or retired or replaced)}."""

    keys: Mapping[bytes, str] = field(default_factory=dict)
    dead: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """`user`: let in under this User-Id; else the reason of the refusal, who it was, and more for people."""

    user: str = ""
    reason: str = ""
    who: str = ""
    text: str = ""


def judge(request: Sequence[bytes], allowed: Allowed) -> Verdict:
    """Return the verdict on a ZAP request.

    Source: RFC 27, request frames version, id, domain, address, identity, mechanism, credentials.
    """
    if len(request) != 7 or request[0] != _VERSION:
        return Verdict(reason="zap_malformed", who="?")
    address = _address(request[3])
    if request[5] != b"CURVE" or len(request[6]) != 32:
        return Verdict(reason="zap_mechanism", who=address)
    if request[2] == ENROL_DOMAIN:
        return Verdict(user=bytes(z85.encode(request[6])).decode())
    if request[2] != DOMAIN:
        return Verdict(reason="zap_domain", who=address)
    user = allowed.keys.get(bytes(request[6]))
    if user:
        return Verdict(user=user)
    name = fingerprint(bytes(request[6]))
    edge, fate = allowed.dead.get(name, (address, "unknown"))
    return Verdict(reason=f"{fate}_key", who=edge, text=f"key {name} from {address}")


def _address(told: bytes) -> str:
    """Return the IP address of a peer, or "local" for one that came over a unix socket."""
    address = told.decode("ascii", "replace")[:60]
    return "local" if not address or address.startswith("localhost:") else address


def reply(request: Sequence[bytes], verdict: Verdict) -> list[bytes]:
    """Return the ZAP reply frames: version, id, status, text, User-Id, metadata."""
    request_id = request[1] if len(request) > 1 else b""
    if verdict.reason:
        return [_VERSION, request_id, b"400", verdict.reason.encode(), b"", b""]
    return [_VERSION, request_id, b"200", b"OK", verdict.user.encode(), b""]


class Gatekeeper:
    """Answers libzmq in a thread of its own. Start it before the ROUTER binds."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], allowed: Allowed) -> None:
        self._context = context
        self._allowed = allowed
        self._stop = context.socket(zmq.PAIR)
        self._stop_address = f"inproc://zap-stop-{id(self)}"
        self._stop.bind(self._stop_address)
        self._thread = threading.Thread(target=self._serve, name="zap", daemon=True)
        self._ready = threading.Event()
        self._counting = threading.Lock()
        self._untold: Counter[tuple[str, str, str]] = Counter()
        self._knocks, self._knocked_s = float(KNOCKS), time.monotonic()
        self.refused: Counter[str] = Counter()

    def allow(self, allowed: Allowed) -> None:
        """Judge by these keys from the next handshake on. Any thread."""
        self._allowed = allowed

    def take_refused(self) -> list[tuple[str, str, str, int]]:
        """Return (reason, who, text, count) of refusals since the last call. Any thread."""
        with self._counting:
            untold, self._untold = self._untold, Counter()
        return [(*key, count) for key, count in untold.items()]

    def start(self) -> None:
        """Return once the handler listens."""
        self._thread.start()
        if not self._ready.wait(5):
            raise RuntimeError("the ZAP handler did not start within 5 s")

    def stop(self) -> None:
        """End the thread; libzmq then refuses every newcomer."""
        self._stop.send(b"")
        self._thread.join(5)
        self._stop.close(0)

    @property
    def alive(self) -> bool:
        """Whether newcomers can be let in at all."""
        return self._thread.is_alive()

    def _serve(self) -> None:
        handler = self._context.socket(zmq.REP)
        stop = self._context.socket(zmq.PAIR)
        stop.connect(self._stop_address)
        handler.bind(ENDPOINT)
        self._ready.set()
        poller = zmq.Poller()
        poller.register(handler, zmq.POLLIN)
        poller.register(stop, zmq.POLLIN)
        while stop not in dict(poller.poll()):
            self._answer_one(handler)
        handler.close(0)
        stop.close(0)

    def _answer_one(self, handler: zmq.Socket[bytes]) -> None:
        request = handler.recv_multipart()
        verdict = judge(request, self._allowed)
        if verdict.user and request[2] == ENROL_DOMAIN and not self._may_knock():
            verdict = Verdict(reason="enrol_flood", who=_address(request[3]))
        if verdict.reason:
            self._count(verdict)
        handler.send_multipart(reply(request, verdict))

    def _may_knock(self) -> bool:
        """Whether one more stranger may come to the enrolment endpoint now (a leaky bucket)."""
        now_s = time.monotonic()
        self._knocks = min(float(KNOCKS), self._knocks + (now_s - self._knocked_s) / KNOCK_EVERY_S)
        self._knocked_s = now_s
        if self._knocks < 1.0:
            return False
        self._knocks -= 1.0
        return True

    def _count(self, verdict: Verdict) -> None:
        with self._counting:
            self.refused[verdict.reason] += 1
            key = (verdict.reason, verdict.who, verdict.text)
            if key not in self._untold and len(self._untold) >= MAX_WHO:
                key = (verdict.reason, "others", "")
            self._untold[key] += 1
