"""The city's end of the city link: a ROUTER socket with CURVE, drained in one go per asyncio wake-up.

ROUTER drops silently what goes to peers that are gone, so ROUTER_MANDATORY turns that into `False` from
`send`; whoever cares sends again. Heartbeats are the application's (libzmq's own abort the process when a receive
queue is full). libzmq closes a connection that sends more than MAX_ON_WIRE in a part, before it costs memory; what
is longer than a message may be and still arrives is refused by name.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import zmq

from protocol.city_link import MAX_MESSAGE

from .zap import DOMAIN

HANDSHAKE_MS = 1000
REBIND_S = 10.0
REBIND_EVERY_S = 0.005
MAX_ON_WIRE = 2 * MAX_MESSAGE
RECEIVE_QUEUE = 64
SEND_QUEUE = 256
MAX_DRAIN_BYTES = 16 << 20
_POLLIN = int(zmq.POLLIN)  # as a number: the enum costs more than the question


class Received(NamedTuple):
    """One message as it came: over which connection, whose key (`edge`), its parts, and the key's fingerprint."""

    routing_id: bytes
    edge: str
    parts: tuple[bytes, ...]
    key: str = ""


class RouterSocket:
    """A bound ROUTER. Start the Gatekeeper first: without it, nobody is let in."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], public_z85: bytes, secret_z85: bytes,
        receive_queue: int = RECEIVE_QUEUE, send_queue: int = SEND_QUEUE,
    ) -> None:  # fmt: skip
        """Queues are in messages, for each connection. `on_full(routing_id)`: a peer does not read what it is sent."""
        self._context, self._keys = context, (public_z85, secret_z85)
        self._options = (*_OPTIONS, (zmq.RCVHWM, receive_queue), (zmq.SNDHWM, send_queue))
        self.on_full: Callable[[bytes], None] = lambda _: None
        self._socket = self._make()
        self._bound = ""
        self._woken = False
        self._waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def _make(self) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.ROUTER)
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = self._keys
        for option, value in self._options:
            socket.setsockopt(option, value)
        socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
        return socket

    def bind(self, endpoint: str) -> str:
        """Listen; return the endpoint with the real port. Raises: zmq.ZMQError."""
        self._socket.bind(endpoint)
        asyncio.get_running_loop().add_reader(self._socket.FD, self._wake)
        bound = self._socket.getsockopt(zmq.LAST_ENDPOINT)
        self._bound = bytes(bound).rstrip(b"\0").decode() if isinstance(bound, bytes) else endpoint
        return self._bound

    async def rebind(self) -> None:
        """End all connections with what is queued for them, and listen again at the same place.

        What had arrived and was not drained is gone too: it was not acked, so its senders send it again.
        Raises: zmq.ZMQError if the place is not free again within REBIND_S.
        """
        asyncio.get_running_loop().remove_reader(self._socket.FD)
        self._socket.close(0)
        self._socket = self._make()
        for left in range(round(REBIND_S / REBIND_EVERY_S), -1, -1):
            try:
                self.bind(self._bound)
                return
            except zmq.ZMQError as error:
                if error.errno != zmq.EADDRINUSE or not left:
                    raise
                await asyncio.sleep(REBIND_EVERY_S)  # the old listener closes in libzmq's own thread

    async def wait(self, timeout_s: float) -> None:
        """Return when something may be there to read, or after `timeout_s`."""
        if self._readable() or self._woken:
            self._woken = False
            return
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = loop.call_later(timeout_s, self._wake)
        try:
            await self._waiting
        finally:
            timer.cancel()
            self._woken = False

    def _wake(self) -> None:
        """Let `wait` return: now, or at once the next time."""
        self._woken = True
        if not self._waiting.done():
            self._waiting.set_result(None)

    def option(self, option: int) -> Any:
        """Return what libzmq has for an option of the socket."""
        return self._socket.getsockopt(option)

    def drain(self, limit: int, max_bytes: int = MAX_DRAIN_BYTES) -> list[Received]:
        """Return what has arrived, without waiting: at most `limit` messages, and none once `max_bytes` are there."""
        found: list[Received] = []
        size = 0
        while len(found) < limit and size < max_bytes and self._readable():  # cheaper than the error of an empty queue
            found.append(_received(self._socket.recv_multipart(zmq.NOBLOCK, copy=False)))
            size += sum(len(part) for part in found[-1].parts)
        return found

    def send(self, routing_id: bytes, parts: list[bytes]) -> bool:
        """Send without waiting; False if the peer is gone or its queue is full."""
        try:
            self._socket.send_multipart([routing_id, *parts], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            if error.errno == zmq.EAGAIN:
                self.on_full(routing_id)
            return False
        finally:
            if self._readable():
                self._wake()
        return True

    def close(self) -> None:
        """Stop listening; what is queued is dropped."""
        asyncio.get_running_loop().remove_reader(self._socket.FD)
        self._socket.close(0)

    def _readable(self) -> bool:
        """Ask libzmq; its FD is edge-triggered, so this must be asked before every wait."""
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & _POLLIN)


_OPTIONS = (
    (zmq.ROUTER_MANDATORY, 1),
    (zmq.ZAP_ENFORCE_DOMAIN, 1),
    (zmq.MAXMSGSIZE, MAX_ON_WIRE),
    (zmq.HANDSHAKE_IVL, HANDSHAKE_MS),
    (zmq.HEARTBEAT_IVL, 0),
    (zmq.TCP_KEEPALIVE, 1),
    (zmq.TCP_KEEPALIVE_IDLE, 30),
    (zmq.TCP_KEEPALIVE_INTVL, 10),
    (zmq.TCP_KEEPALIVE_CNT, 3),
    (zmq.LINGER, 0),
)


def _received(frames: list[zmq.Frame]) -> Received:
    edge, _, key = str(frames[-1].get("User-Id")).partition("/")
    return Received(frames[0].bytes, edge, tuple(frame.bytes for frame in frames[1:]), key)
