"""The edge's end of the city link: a DEALER socket with CURVE. One wake-up, then a NOBLOCK drain.

libzmq's descriptor is edge-triggered: after every send and receive the events are asked again. IMMEDIATE keeps
messages out of the queues of connections that do not exist, so an old heartbeat is never delivered late. A socket
monitor tells what libzmq keeps to itself: that the city refused our key, after which it does not even try again.
"""

import asyncio
from collections.abc import Callable

import zmq
from zmq.utils.monitor import recv_monitor_message

from protocol.city_link import MAX_MESSAGE

_OPTIONS = (
    (zmq.MAXMSGSIZE, MAX_MESSAGE),
    (zmq.IMMEDIATE, 1),
    (zmq.SNDHWM, 1024),
    (zmq.RCVHWM, 4096),
    (zmq.RECONNECT_IVL_MAX, 4000),
    (zmq.TCP_KEEPALIVE, 1),
    (zmq.LINGER, 0),
)
MAX_DRAIN = 1000
_POLLIN = int(zmq.POLLIN)
FIRST_RECONNECT_MS = (100, 400)
"""The first pause before TCP is tried again, one at random per node; libzmq doubles it with each try."""
_UNANSWERED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL


class UplinkSocket:
    """A connected DEALER; `on_parts(parts)` is called for each message, on the event loop."""

    def __init__(
        self,
        endpoint: str,
        keys: Callable[[], tuple[bytes, bytes, bytes]],
        on_parts: Callable[[list[bytes]], None],
        draw: Callable[[], float],
    ) -> None:
        """`keys()`: the server's public key, our public and secret key (z85), asked at every connection; `draw()`: a
        random number in [0, 1)."""
        self._endpoint, self._keys, self._on_parts = endpoint, keys, on_parts
        low, high = FIRST_RECONNECT_MS
        self._reconnect_ms = low + int(draw() * (high - low))
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._connect()

    def _connect(self) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.DEALER)
        socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = self._keys()
        for option, value in _OPTIONS:
            socket.setsockopt(option, value)
        socket.setsockopt(zmq.RECONNECT_IVL, self._reconnect_ms)
        self._monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH | _UNANSWERED)
        socket.connect(self._endpoint)
        asyncio.get_running_loop().add_reader(socket.FD, self.drain)
        return socket

    def reconnect(self) -> None:
        """Begin anew, under the keys that are in use now; also for links that are dead without TCP having noticed."""
        self._drop()
        self._socket = self._connect()

    def take_events(self) -> tuple[int, int]:
        """Return how many handshakes the city refused, and how many ended without a word, since the last call."""
        refused = unanswered = 0
        while self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)["event"]
            refused += event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
            unanswered += bool(event & _UNANSWERED)
        return refused, unanswered

    def drain(self) -> None:
        """Hand on all that has arrived."""
        for _ in range(MAX_DRAIN):
            if not self._readable():
                return
            self._on_parts(self._socket.recv_multipart(zmq.NOBLOCK))
        asyncio.get_running_loop().call_soon(self.drain)

    def send(self, parts: list[bytes]) -> bool:
        """Send without waiting; False if there is no connection, its queue is full, or this node is ending."""
        if self._socket.closed:  # what was committed last calls back after the socket
            return False
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            return False
        if self._readable():  # a send may swallow what the descriptor told
            asyncio.get_running_loop().call_soon(self.drain)
        return True

    def poll(self) -> None:
        """Drain if something is there that the descriptor did not tell of."""
        self.drain()

    def _readable(self) -> bool:
        """Ask libzmq, without an error if nothing is there; never once closed."""
        return not self._socket.closed and bool(int(self._socket.getsockopt(zmq.EVENTS)) & _POLLIN)

    def _drop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.FD)
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)

    def close(self) -> None:
        """Close; what is queued is dropped."""
        self._drop()
        self._context.term()
