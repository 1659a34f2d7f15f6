"""Under which name a request may come in: a page in somebody's browser must not read this machine's interface by giving
its own name our address (DNS rebinding). ASGI.

Browsers send the name in `Host`. On loopback without TLS, whose certificate would have to bear it, only addresses and
localhost are answered. A reverse proxy may pass on what it was asked for, so behind one nothing is checked.
"""

import ipaddress
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .addresses import UNIX, is_loopback
from .sections import ServiceSection

MISDIRECTED = 421
Refused = Callable[[str, str, str], None]


def check_hosts(api: FastAPI, section: ServiceSection, refused: Refused) -> None:
    """Put the check before all pages of an interface that needs it; `refused(code, who, text)` counts."""
    reached = not section.api.startswith(UNIX) and is_loopback(section.api.rpartition(":")[0])
    if reached and section.api_cert is None and not section.api_behind_proxy:
        api.add_middleware(Hosts, refused=refused)


class Hosts:
    """Answers 421 to who asks for another name than that of this machine."""

    def __init__(self, app: ASGIApp, refused: Refused) -> None:
        self._app, self._refused = app, refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        foreign = [name for name in _hosts(scope) if not is_here(name)] if scope["type"] == "http" else []
        if not foreign:
            await self._app(scope, receive, send)
            return
        text = f"found host {foreign[0][:64]!r}; expected localhost or an address; next: ask for 127.0.0.1"
        self._refused("foreign_host", foreign[0][:64], text)
        await JSONResponse({"error": "foreign_host", "text": text}, MISDIRECTED)(scope, receive, send)


def is_here(host: str) -> bool:
    """Whether a Host header, with or without a port, is localhost or an address: those lead nowhere else tomorrow."""
    bare, _, port = host.rpartition(":")
    name = (bare if bare and port.isdigit() else host).strip("[]").lower()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return True


def _hosts(scope: Scope) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
