"""The gate before every page that changes something: who asks, and may he?

    async def post_reset(actuator: str, person: Annotated[Person, Depends(needs("reset"))]) -> ...:
        demand(api, person, "reset", actuator)      # in the zones of that Thing

`needs` answers 401 (not logged in), 403 (nowhere allowed); `demand` 403 (not there); a flood gets 429. The body is
{"error": code, "text": what and what to do}. Whoever opens the unix socket, which only its owner can, needs no token.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from service.rates import peer_name

from ..errors import GateError
from .people import ANYWHERE, RIGHTS, Person, Zones, may_at
from .register import LOCAL

UNAUTHORISED, FORBIDDEN, TOO_MANY = 401, 403, 429
OWNER = Person(LOCAL, frozenset(RIGHTS), frozenset({ANYWHERE}))
OPEN_TO_ALL = frozenset({"/login", "/notifications/{message_id}/ack", "/requests.json", "/requests.xml"})
"""Pages that anybody may ask: they check a password, the token of a message, or how often reports come."""
FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})
READS = frozenset({"GET", "HEAD"})
ALWAYS_READ = frozenset({"/health"})
_BEARER = "bearer "


def nobody_refused(code: str, who: str, text: str) -> None:
    """Count nothing."""


@dataclass(frozen=True)
class Gate:
    """What the gate needs: who holds a token or has a name, which zones there are, and where refusals are counted.

    `owner_on_socket`: the interface is a unix socket, and its owner needs no login. `reads_need_login`: reading too.
    """

    person_of: Callable[[str], Person | None] = lambda token: None
    zones: Zones = field(default_factory=Zones)
    person_named: Callable[[str], Person | None] = lambda name: None
    owner_on_socket: bool = False
    reads_need_login: bool = False
    refused: Callable[[str, str, str], None] = nobody_refused

    def known(self, name: str) -> Person | None:
        """Return who has a name now, with the rights of today; None: nobody has it any more."""
        return OWNER if name == LOCAL and self.owner_on_socket else self.person_named(name)

    def who(self, scope: Scope) -> Person:
        """Return who asks. Raises: GateError."""
        token = token_of(scope)
        if not token and self.owner_on_socket and not _came_through_a_proxy(scope):
            return OWNER
        person = self.person_of(token) if token else None
        if person is None:
            text = "this token is not valid: it has expired, or was logged out" if token else "you are not logged in"
            raise GateError(UNAUTHORISED, "not_logged_in", f"{text}; next: city login NAME", peer_of(scope))
        return person


def token_of(scope: Scope) -> str:
    """Return the bearer token of a request, "" if there is none."""
    for name, value in scope["headers"]:
        if name == b"authorization" and value[: len(_BEARER)].decode("latin-1").lower() == _BEARER:
            return str(value[len(_BEARER) :].decode("latin-1").strip())
    return ""


def _came_through_a_proxy(scope: Scope) -> bool:
    """Whether a proxy says that it asks for somebody else: then it is not the socket's owner who asks."""
    return any(name in FORWARDED for name, _ in scope["headers"])


def peer_of(scope: Scope) -> str:
    """Return under which name the peer of a request is counted."""
    client = scope.get("client")
    return peer_name(client[0]) if client and client[0] else LOCAL


def needs(right: str) -> Callable[[Request], Awaitable[Person]]:
    """Return a dependency that gives the Person who asks, if he has this right in some zone."""
    if right not in RIGHTS:
        raise ValueError(f"found right {right!r}; expected one of {', '.join(RIGHTS)}")

    async def person(request: Request) -> Person:
        found = _gate(request.app).who(request.scope)
        if not found.may_somewhere(right):
            raise _not_allowed(found, right, "any zone")
        return found

    person.right = right  # type: ignore[attr-defined]  # for the test that no page lacks it
    return person


def demand(api: FastAPI, person: Person, right: str, thing: str) -> None:
    """Let pass who has the right at this Thing, or at what belongs to it ("gate-1/opening"). Raises: GateError."""
    zones = _gate(api).zones.of(thing)
    if not may_at(person, right, zones):
        names = ", ".join(sorted(zones))
        raise _not_allowed(person, right, f"zone {names}" if names else f'every zone ("*"): {thing} lies in none')


def still_may(api: FastAPI, name: str, right: str, thing: str) -> bool:
    """Whether a person of this name is there, and has the right at this Thing, today."""
    gate = _gate(api)
    person = gate.known(name)
    return person is not None and may_at(person, right, gate.zones.of(thing))


def demand_everywhere(person: Person, right: str) -> None:
    """Let pass who has the right in every zone, for what concerns the whole city. Raises: GateError."""
    if not person.may(right, ANYWHERE):
        raise _not_allowed(person, right, 'every zone ("*"), which this concerns')


def _not_allowed(person: Person, right: str, where: str) -> GateError:
    text = f"{person.name} has not the right {right!r} in {where}; next: ask an administrator (city operator role)"
    return GateError(FORBIDDEN, "not_allowed", text, person.name)


def _gate(api: FastAPI) -> Gate:
    gate: Gate | None = getattr(api.state, "gate", None)
    return gate or Gate()


def install(api: FastAPI, gate: Gate) -> None:
    """Put the gate before all pages: without it no page changes anything, whatever the page itself forgot."""

    async def refuse(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, GateError)
        return answer(gate, error)

    api.state.gate = gate
    api.add_exception_handler(GateError, refuse)
    api.add_middleware(Doorkeeper, gate=gate)


def answer(gate: Gate, error: GateError) -> JSONResponse:
    """Return the answer to whom the gate refuses, and count it."""
    gate.refused(error.code, error.who, error.text)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == UNAUTHORISED else None
    return JSONResponse({"error": error.code, "text": error.text}, error.status, headers)


class Doorkeeper:
    """Lets only known people change anything, and read where reading needs a login. ASGI."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        try:
            if scope["type"] == "http" and self._asks(scope):
                self._gate.who(scope)
        except GateError as error:
            await answer(self._gate, error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _asks(self, scope: Scope) -> bool:
        if scope["method"] in READS:
            return self._gate.reads_need_login and scope["path"] not in ALWAYS_READ
        return not any(_matches(page, scope["path"]) for page in OPEN_TO_ALL)


def _matches(page: str, path: str) -> bool:
    """Whether a path is one of a page whose {parts} may be any one word."""
    parts, words = page.split("/"), path.split("/")
    return len(parts) == len(words) and all(p == w or (p[:1] == "{" and w) for p, w in zip(parts, words, strict=True))
