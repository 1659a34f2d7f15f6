"""The city's end of the city link: a ROUTER socket with CURVE, drained in one go per asyncio wake-up.

ROUTER drops silently what goes to peers that are gone, so ROUTER_MANDATORY turns that into `False` from
`send`; whoever cares sends again. A frame is at most 64 KiB before it costs memory. Heartbeats are the
application's (libzmq's own abort the process when a receive queue is full).
"""

import asyncio
from typing import NamedTuple

import zmq

from protocol.city_link import MAX_MESSAGE

from .zap import DOMAIN

HANDSHAKE_MS = 1000
RECEIVE_QUEUE = 4096
SEND_QUEUE = 4096


class Received(NamedTuple):
    """One message as it came: who sent it by key (`edge`), over which connection, and its parts."""

    routing_id: bytes
    edge: str
    parts: tuple[bytes, ...]


class RouterSocket:
    """A bound ROUTER. Start the Gatekeeper first: without it, nobody is let in."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], public_z85: bytes, secret_z85: bytes) -> None:
        self._socket = context.socket(zmq.ROUTER)
        self._socket.curve_server = True
        self._socket.curve_publickey = public_z85
        self._socket.curve_secretkey = secret_z85
        for option, value in _OPTIONS:
            self._socket.setsockopt(option, value)
        self._socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
        self._wake = asyncio.Event()

    def bind(self, endpoint: str) -> str:
        """Listen; return the endpoint with the real port. Raises: zmq.ZMQError."""
        self._socket.bind(endpoint)
        asyncio.get_running_loop().add_reader(self._socket.FD, self._wake.set)
        bound = self._socket.getsockopt(zmq.LAST_ENDPOINT)
        return bytes(bound).rstrip(b"\0").decode() if isinstance(bound, bytes) else endpoint

    async def wait(self, timeout_s: float) -> None:
        """Return when something may be there to read, or after `timeout_s`."""
        if self._readable():
            return
        try:
            await asyncio.wait_for(self._wake.wait(), timeout_s)
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    def drain(self, limit: int) -> list[Received]:
        """Return what has arrived, at most `limit` messages, without waiting."""
        found: list[Received] = []
        while len(found) < limit:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            found.append(_received(frames))
        return found

    def send(self, routing_id: bytes, parts: list[bytes]) -> bool:
        """Send without waiting; False if the peer is gone or its queue is full."""
        try:
            self._socket.send_multipart([routing_id, *parts], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                return False
            raise
        finally:
            if self._readable():
                self._wake.set()
        return True

    def close(self) -> None:
        """Stop listening; what is queued is dropped."""
        asyncio.get_running_loop().remove_reader(self._socket.FD)
        self._socket.close(0)

    def _readable(self) -> bool:
        """Ask libzmq; its FD is edge-triggered, so this must be asked before every wait."""
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)


_OPTIONS = (
    (zmq.ROUTER_MANDATORY, 1),
    (zmq.ZAP_ENFORCE_DOMAIN, 1),
    (zmq.MAXMSGSIZE, MAX_MESSAGE),
    (zmq.HANDSHAKE_IVL, HANDSHAKE_MS),
    (zmq.RCVHWM, RECEIVE_QUEUE),
    (zmq.SNDHWM, SEND_QUEUE),
    (zmq.TCP_KEEPALIVE, 1),
    (zmq.LINGER, 0),
)


def _received(frames: list[zmq.Frame]) -> Received:
    user = frames[-1].get("User-Id")
    return Received(frames[0].bytes, str(user), tuple(frame.bytes for frame in frames[1:]))
