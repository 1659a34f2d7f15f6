"""The gate of the city link: ZAP (RFC 27), an allowlist of CURVE public keys that fails closed.

libzmq asks `inproc://zeromq.zap.01` about every CURVE handshake. With ZMQ_ZAP_ENFORCE_DOMAIN on the
ROUTER socket (router_socket.py) no handler, a dead handler or an odd answer means: refused. The answer's
User-Id is the edge's id and comes along with each of its messages.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence

import structlog
import zmq
from zmq.utils import z85

DOMAIN = b"city"
ENDPOINT = "inproc://zeromq.zap.01"
_VERSION = b"1.0"
_log = structlog.get_logger(__name__)


def answer(request: Sequence[bytes], allowed: Mapping[bytes, str]) -> tuple[list[bytes], str]:
    """Return (the ZAP reply, the reason of a refusal or '').

    `allowed` maps 32-byte public keys to edge ids. Source: RFC 27, request frames version, id, domain,
    address, identity, mechanism, credentials.
    """
    request_id = request[1] if len(request) > 1 else b""
    reason, edge = _judge(request, allowed)
    if reason:
        return [_VERSION, request_id, b"400", reason.encode(), b"", b""], reason
    return [_VERSION, request_id, b"200", b"OK", edge.encode(), b""], ""


def _judge(request: Sequence[bytes], allowed: Mapping[bytes, str]) -> tuple[str, str]:
    if len(request) != 7 or request[0] != _VERSION:
        return "zap_malformed", ""
    if request[2] != DOMAIN:
        return "zap_domain", ""
    if request[5] != b"CURVE" or len(request[6]) != 32:
        return "zap_mechanism", ""
    edge = allowed.get(bytes(request[6]))
    return ("", edge) if edge else ("unknown_key", "")


class Gatekeeper:
    """Answers libzmq in a thread of its own. Start it before the ROUTER binds."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], allowed_z85: Mapping[bytes, str]) -> None:
        self._context = context
        self._allowed = {z85.decode(key): edge for key, edge in allowed_z85.items()}
        self._stop = context.socket(zmq.PAIR)
        self._stop_address = f"inproc://zap-stop-{id(self)}"
        self._stop.bind(self._stop_address)
        self._thread = threading.Thread(target=self._serve, name="zap", daemon=True)
        self._ready = threading.Event()
        self.refused: Counter[str] = Counter()

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
        reply, reason = answer(handler.recv_multipart(), self._allowed)
        if reason:
            self.refused[reason] += 1
            _log.warning("connection refused", reason=reason)
        handler.send_multipart(reply)
