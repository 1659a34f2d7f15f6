"""How long a connection may keep us waiting, and how many one peer may hold: uvicorn's protocol, less patient. Shell.

A connection costs a file descriptor whether or not anything is ever asked over it. So one that has not brought a whole
request within SLOW_S, or has brought no end of one between two looks, is closed, and so is what a peer opens beyond
MAX_PER_PEER. Behind a reverse proxy, which is the peer of everybody, only time counts.
"""

import asyncio
from collections import Counter
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from .rates import peer_name

SLOW_S = 30.0
MAX_PER_PEER = 100


class Patient(H11Protocol):
    """One connection. `held`: how many each peer has open."""

    held: ClassVar[Counter[str]] = Counter()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._seen: Any = None
        self._timer = self.loop.call_later(SLOW_S, self._look)
        self._peer = peer_name(self.client[0]) if self.client and not self.config.proxy_headers else ""
        self.held[self._peer] += 1
        if self._peer and self.held[self._peer] > MAX_PER_PEER:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._timer.cancel()
        self.held[self._peer] -= 1
        if not self.held[self._peer]:
            del self.held[self._peer]
        super().connection_lost(exc)

    def _look(self) -> None:
        """Close it if it still has to bring what it had to bring at the last look; what we work on has no limit."""
        request = self.cycle
        owes = request is None or request.more_body or request.response_complete
        if owes and request is self._seen:
            self.transport.abort()
            return
        self._seen = request
        self._timer = self.loop.call_later(SLOW_S, self._look)
