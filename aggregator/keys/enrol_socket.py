"""The enrolment endpoint: the one door that unknown keys may knock at. Closed unless a token is open.

CURVE proves that whoever knocks owns its key; the gate (zap.py, domain "enrol") lets few knock. A message is at most
one kilobyte, a turn takes at most MAX_DRAIN of them, and queues hold no more. Nothing but EnrolAsk is understood.
"""

from collections.abc import Callable

import zmq

from protocol.enrol import MAX_BYTES

from ..link.zap import ENROL_DOMAIN

MAX_DRAIN = 4
_OPTIONS = (
    (zmq.ROUTER_MANDATORY, 1),
    (zmq.ZAP_ENFORCE_DOMAIN, 1),
    (zmq.MAXMSGSIZE, MAX_BYTES),
    (zmq.HANDSHAKE_IVL, 1000),
    (zmq.BACKLOG, 8),
    (zmq.RCVHWM, 4),
    (zmq.SNDHWM, 4),
    (zmq.LINGER, 0),
)
Serve = Callable[[bytes, bytes], bytes]


class EnrolSocket:
    """A ROUTER that is bound only while it is needed."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, public: bytes, secret: bytes) -> None:
        self._context, self._endpoint, self._keys = context, endpoint, (public, secret)
        self._socket: zmq.Socket[bytes] | None = None
        self.problem = ""

    def tick(self, wanted: bool, serve: Serve) -> None:
        """Open or close; answer what came with `serve(message, public key of the sender in z85)`."""
        if wanted and self._socket is None:
            self._try_to_open()
        if self._socket is not None:
            self._answer(self._socket, serve)
        if not wanted:
            self.close()

    def close(self) -> None:
        """Shut the door."""
        if self._socket is not None:
            self._socket.close(0)
            self._socket = None

    def _try_to_open(self) -> None:
        try:
            self._socket, self.problem = self._open(), ""
        except zmq.ZMQError as error:
            self.problem = f"the enrolment endpoint {self._endpoint} cannot be opened: {error}"

    def _open(self) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.ROUTER)
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = self._keys
        for option, value in _OPTIONS:
            socket.setsockopt(option, value)
        socket.setsockopt(zmq.ZAP_DOMAIN, ENROL_DOMAIN)
        try:
            socket.bind(self._endpoint)
        except zmq.ZMQError:
            socket.close(0)
            raise
        return socket

    def _answer(self, socket: "zmq.Socket[bytes]", serve: Serve) -> None:
        for _ in range(MAX_DRAIN):
            try:
                frames = socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            public = str(frames[-1].get("User-Id")).encode()
            data = frames[1].bytes if len(frames) == 2 else b""
            try:
                socket.send_multipart([frames[0].bytes, serve(data, public)], zmq.NOBLOCK)
            except zmq.ZMQError as error:
                if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                    raise
