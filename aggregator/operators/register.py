"""Who may log in and who has: roles, password hashes, tokens by their hash. Sans-IO; times are UTC µs."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import OperatorError
from .people import ANYWHERE, ROLES, Person, of_roles

VERSION = 1
MAX_PEOPLE = 1000
MAX_TICKETS = 16
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
LOCAL = "local"


@dataclass
class Operator:
    """One person. `roles`: {zone: role}; `hash`: of the password, self-describing."""

    roles: dict[str, str]
    hash: str
    since_us: int
    changed_us: int = 0


@dataclass
class Ticket:
    """One login."""

    name: str
    since_us: int
    until_us: int


@dataclass
class Register:
    """All people and their logins. What changes it returns nothing; whoever calls makes it durable first."""

    people: dict[str, Operator] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)

    def add(self, name: str, roles: Mapping[str, str], password_hash: str, now_us: int) -> None:
        """Enter a new person. Raises: OperatorError."""
        if not NAME.fullmatch(name) or name == LOCAL:
            raise OperatorError("bad_name", f"found {name!r}; expected a-z, 0-9, _ . -, at most 32, and not {LOCAL!r}")
        if name in self.people:
            raise OperatorError("exists", f"there is an operator {name!r} already")
        if len(self.people) >= MAX_PEOPLE:
            raise OperatorError("too_many", f"there are {MAX_PEOPLE} operators already")
        self.people[name] = Operator(checked(roles), password_hash, now_us)

    def get(self, name: str) -> Operator:
        """Return the entry of a person. Raises: OperatorError."""
        if name not in self.people:
            raise OperatorError("no_such_operator", f"there is no operator {name!r}")
        return self.people[name]

    def remove(self, name: str) -> None:
        """Forget a person with all logins. Raises: OperatorError."""
        self.get(name)
        del self.people[name]
        self.log_out_all(name)

    def set_roles(self, name: str, roles: Mapping[str, str], now_us: int) -> None:
        """Give a person other roles; they count at once. Raises: OperatorError."""
        found = self.get(name)
        found.roles, found.changed_us = checked(roles), now_us

    def set_hash(self, name: str, password_hash: str, now_us: int) -> None:
        """Give a person another password, and end all logins. Raises: OperatorError."""
        found = self.get(name)
        found.hash, found.changed_us = password_hash, now_us
        self.log_out_all(name)

    def log_in(self, name: str, token: str, now_us: int, life_us: int) -> Ticket:
        """Open a login under a token; of too many the oldest ends. Raises: OperatorError."""
        self.get(name)
        self.expire(now_us)
        mine = sorted((t.since_us, key) for key, t in self.tickets.items() if t.name == name)
        for _, key in mine[: max(0, len(mine) - MAX_TICKETS + 1)]:
            del self.tickets[key]
        ticket = self.tickets[digest(token)] = Ticket(name, now_us, now_us + life_us)
        return ticket

    def log_out(self, token: str) -> str:
        """End a login; return whose it was, "" if it was none."""
        ticket = self.tickets.pop(digest(token), None)
        return ticket.name if ticket else ""

    def log_out_all(self, name: str) -> None:
        """End all logins of a person."""
        self.tickets = {key: ticket for key, ticket in self.tickets.items() if ticket.name != name}

    def expire(self, now_us: int) -> None:
        """Forget logins whose time is over."""
        self.tickets = {key: ticket for key, ticket in self.tickets.items() if now_us < ticket.until_us}

    def person(self, token: str, now_us: int) -> Person | None:
        """Return who holds a token, None if nobody does any more.

        The look-up is by hash: how long it takes tells of the hash of a guess, never of a token.
        """
        ticket = self.tickets.get(digest(token))
        if ticket is None or not ticket.since_us <= now_us < ticket.until_us or ticket.name not in self.people:
            return None
        return of_roles(ticket.name, self.people[ticket.name].roles)

    def rows(self) -> list[dict[str, Any]]:
        """Return {name, roles, since_utc_us, changed_utc_us, logins} of everybody; nothing in it is secret."""
        logins = [ticket.name for ticket in self.tickets.values()]
        return [
            {
                "name": name, "roles": dict(who.roles), "since_utc_us": who.since_us,
                "changed_utc_us": who.changed_us or None, "logins": logins.count(name),
            }
            for name, who in sorted(self.people.items())
        ]  # fmt: skip

    def to_map(self) -> dict[str, Any]:
        """Return what is kept on disk."""
        people = {name: asdict(who) for name, who in self.people.items()}
        return {"version": VERSION, "people": people, "tickets": {key: asdict(t) for key, t in self.tickets.items()}}


def from_map(kept: Mapping[str, Any]) -> Register:
    """Return the register that `to_map` gave. Raises: OperatorError."""
    try:
        if kept["version"] != VERSION:
            raise OperatorError("malformed", f"version {kept['version']}; expected {VERSION}")
        people = {name: Operator(**row) for name, row in kept["people"].items()}
        for who in people.values():
            checked(who.roles)
        return Register(people, {key: Ticket(**row) for key, row in kept["tickets"].items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise OperatorError("malformed", f"it is no register of operators: {error}") from error


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def checked(roles: Mapping[str, str]) -> dict[str, str]:
    """Return the roles if they are some. Raises: OperatorError."""
    if not roles:
        raise OperatorError("bad_role", "found no role; expected one at least")
    for zone, role in roles.items():
        if role not in ROLES:
            raise OperatorError("bad_role", f"found {role!r}; expected one of {', '.join(ROLES)}")
        if role == "administrator" and zone != ANYWHERE:
            raise OperatorError("bad_role", f"an administrator is one everywhere, not in zone {zone!r} alone")
    return dict(roles)
