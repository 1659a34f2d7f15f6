"""Bounds what one peer can ask of an HTTP interface over a network: how often, and how much at once. ASGI.

On a unix socket there is one peer, its owner, and no limit.
"""

import time
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .addresses import UNIX
from .rates import Rates, peer_name

PER_S, BURST = 50.0, 200
MAX_BODY = 1 << 20
TOO_MANY, TOO_LARGE = 429, 413
Refused = Callable[[str, str, str], None]


def limit(api: FastAPI, address: str, refused: Refused) -> None:
    """Put the limits before all pages of an interface that listens at `address`; `refused(code, who, text)` counts."""
    if not address.startswith(UNIX):
        api.add_middleware(Limits, refused=refused)


class Limits:
    """Answers 429 to a peer that asks too often, 413 to a body that is too large, before any page hears of it."""

    def __init__(
        self, app: ASGIApp, refused: Refused, rates: Rates | None = None, now_us: Callable[[], int] | None = None
    ) -> None:
        self._app, self._refused = app, refused
        self._rates = rates or Rates(PER_S, BURST)
        self._now_us = now_us or (lambda: time.monotonic_ns() // 1000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        peer = peer_name(client[0]) if client else "?"
        wait_s = self._rates.take(peer, self._now_us())
        if wait_s:
            text = f"more than {PER_S:.0f} requests a second; next: wait {max(wait_s, 0.1):.1f} s"
            await self._answer(TOO_MANY, "too_many_requests", peer, text)(scope, receive, send)
        elif _length(scope) > MAX_BODY:
            await self._answer(TOO_LARGE, "too_large", peer, _TOO_LARGE)(scope, receive, send)
        else:
            await self._app(scope, _bounded(receive), send)

    def _answer(self, status: int, code: str, peer: str, text: str) -> JSONResponse:
        self._refused(code, peer, text)
        return JSONResponse({"error": code, "text": text}, status, {"Connection": "close"})


_TOO_LARGE = f"a request has at most {MAX_BODY} bytes"


def _length(scope: Scope) -> int:
    told = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(told[0]) if told and told[0].isdigit() else 0


def _bounded(receive: Receive) -> Receive:
    """Return a `receive` that ends a body without a length once it is too long."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message: Any = await receive()
        seen += len(message.get("body", b""))
        return message if seen <= MAX_BODY else {"type": "http.disconnect"}

    return bounded
