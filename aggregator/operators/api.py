"""Pages of `city login|logout|whoami` and `city operator`: who may change something, and proof of who it is."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

from service.host_time import boottime_us

from ..errors import GateError, OperatorError
from .gate import FORBIDDEN, TOO_MANY, UNAUTHORISED, needs, peer_of, token_of
from .people import ANYWHERE, Person
from .store import OperatorStore
from .throttle import Throttle

CONFLICT, NOT_FOUND, NO_ROOM = 409, 404, 507
AT_ONCE, WAITING = 2, 16
Name = Annotated[str, Field(min_length=1, max_length=64)]
Password = Annotated[str, Field(max_length=1024)]
Roles = Annotated[dict[str, str], Field(max_length=100)]
T = TypeVar("T")


class LoginBody(BaseModel):
    """Who wants to log in, and the proof."""

    name: Name
    password: Password


class OperatorBody(BaseModel):
    """A new person."""

    name: Name
    password: Password
    roles: Roles


class RolesBody(BaseModel):
    """{zone: role}; "*" is everywhere."""

    roles: Roles


class PasswordBody(BaseModel):
    """Another password; `old` for people who change their own and are no administrators."""

    password: Password
    old: Password = ""


class Desk:
    """Compares passwords in threads, two at a time, strangers after those who are known from the same peer."""

    def __init__(self, store: OperatorStore, throttle: Throttle | None = None) -> None:
        self.store, self.throttle = store, throttle or Throttle()
        self._lanes = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)
        self._waiting = [0, 0]

    async def check(self, name: str, password: str, peer: str) -> str:
        """Return a fresh hash if the kept one is of old parameters, else ""; the password is right.

        Raises: GateError when it is wrong, or when it was tried too often.
        """
        self._ask(name, peer)
        who, passwords = self.store.register.people.get(name), self.store.passwords
        kept = who.hash if who else None
        known = self.throttle.knows(name, peer)
        if not await self._turn(known, lambda: passwords.matches(kept, password)):
            text = "name or password is wrong; who forgot it asks an administrator: city operator passwd NAME"
            raise GateError(UNAUTHORISED, "wrong_password", text, name[:64] if who else peer)
        self.throttle.right(name, peer, boottime_us())
        if kept is not None and passwords.is_old(kept):
            return await self._turn(known, lambda: passwords.hash(password))
        return ""

    def _ask(self, name: str, peer: str) -> None:
        wait_s = self.throttle.ask(name, peer, boottime_us())
        if wait_s:
            raise GateError(TOO_MANY, "too_many_logins", f"too many wrong passwords; next: wait {wait_s:.0f} s", peer)

    async def hash(self, password: str) -> str:
        """Return the hash of a new password. Raises: OperatorError, GateError."""
        return await self._turn(True, lambda: self.store.passwords.hash(password))

    async def _turn(self, known: bool, do: Callable[[], T]) -> T:
        """Do something that takes 64 MiB and a tenth of a second; the line is short, so that memory is bounded."""
        if self._waiting[known] >= WAITING:
            raise GateError(TOO_MANY, "busy", "too many logins at once; next: try again in some seconds")
        self._waiting[known] += 1
        try:
            async with self._lanes[known]:
                return await asyncio.to_thread(do)
        finally:
            self._waiting[known] -= 1


def add_operator_pages(api: FastAPI, desk: Desk) -> None:
    """Add POST /login, POST /logout, GET /whoami and the pages of /operators."""
    _add_logins(api, desk)
    _add_people(api, desk)
    _add_password(api, desk)


def _add_logins(api: FastAPI, desk: Desk) -> None:
    async def post_login(body: LoginBody, request: Request) -> dict[str, Any]:
        peer = peer_of(request.scope)
        fresh = await desk.check(body.name, body.password, peer)
        token, until_us = _told(lambda: desk.store.log_in(body.name, peer, fresh))
        return {"name": body.name, "token": token, "until_utc_us": until_us}

    async def post_logout(request: Request, person: Annotated[Person, Depends(needs("view"))]) -> dict[str, Any]:
        _told(lambda: desk.store.log_out(person.name, token_of(request.scope)))
        return {"name": person.name}

    async def get_whoami(person: Annotated[Person, Depends(needs("view"))]) -> dict[str, Any]:
        zones = person.by_zone or dict.fromkeys(person.zones, person.rights)
        return {"name": person.name, "rights": {zone: sorted(rights) for zone, rights in zones.items()}}

    api.post("/login")(post_login)
    api.post("/logout")(post_logout)
    api.get("/whoami")(get_whoami)


def _add_people(api: FastAPI, desk: Desk) -> None:
    admin = Annotated[Person, Depends(needs("administer"))]
    store = desk.store

    async def get_operators(person: admin) -> list[dict[str, Any]]:
        return store.register.rows()

    async def post_operators(body: OperatorBody, person: admin) -> dict[str, Any]:
        hashed = await _hashed(desk, body.password)
        _told(lambda: store.add(person.name, body.name, body.roles, hashed))
        return {"name": body.name}

    async def post_roles(name: str, body: RolesBody, person: admin) -> dict[str, Any]:
        _told(lambda: store.set_roles(person.name, name, body.roles))
        return {"name": name}

    async def post_remove(name: str, person: admin) -> dict[str, Any]:
        _told(lambda: store.remove(person.name, name))
        return {"name": name}

    api.get("/operators")(get_operators)
    api.post("/operators")(post_operators)
    api.post("/operators/{name}/roles")(post_roles)
    api.post("/operators/{name}/remove")(post_remove)


def _add_password(api: FastAPI, desk: Desk) -> None:
    async def post_password(
        name: str, body: PasswordBody, request: Request, person: Annotated[Person, Depends(needs("view"))]
    ) -> dict[str, Any]:
        if not person.may("administer", ANYWHERE):
            if person.name != name:
                raise GateError(FORBIDDEN, "not_allowed", "you change your own password only", person.name)
            await desk.check(name, body.old, peer_of(request.scope))
        hashed = await _hashed(desk, body.password)
        _told(lambda: desk.store.set_hash(person.name, name, hashed))
        return {"name": name}

    api.post("/operators/{name}/password")(post_password)


async def _hashed(desk: Desk, password: str) -> str:
    try:
        return await desk.hash(password)
    except OperatorError as error:
        raise _refusal(error) from error


def _told(do: Callable[[], T]) -> T:
    try:
        return do()
    except OSError as error:
        told = {"reason": "not_saved", "text": f"nothing was changed, it could not be saved: {error.strerror}"}
        raise HTTPException(NO_ROOM, told) from error
    except OperatorError as error:
        raise _refusal(error) from error


def _refusal(error: OperatorError) -> HTTPException:
    status = NOT_FOUND if error.reason == "no_such_operator" else CONFLICT
    return HTTPException(status, {"reason": error.reason, "text": str(error)})
