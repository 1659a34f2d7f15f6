"""What `city operator` does to a city: through its interface while it runs, else on its files."""

from collections.abc import Callable
from typing import Any

import httpx

from aggregator.errors import OperatorError
from aggregator.operators.passwords import Passwords
from aggregator.operators.register import LOCAL
from aggregator.operators.store import OperatorStore
from cityreflex import config
from cityreflex.client import UnreachableError, refused
from cityreflex.exits import CONFIG, NOT_FOUND, REFUSED, CityError
from cityreflex.offline import alone
from cityreflex.where import Where
from service.audit import AuditLog

Rows = list[dict[str, Any]]
_CODES = {"no_such_operator": NOT_FOUND, "no_such_zone": CONFIG}


class Operators:
    """The operators of the city that the options mean, running or not."""

    def __init__(self, where: Where) -> None:
        self._where = where

    def rows(self) -> Rows:
        """Return everybody. Raises: CityError."""
        found: Rows = self._do("operators", None, lambda store: store.register.rows())
        return found

    def roles_of(self, name: str) -> dict[str, str]:
        """Return {zone: role} of a person. Raises: CityError."""
        for row in self.rows():
            if row["name"] == name:
                return dict(row["roles"])
        raise CityError(NOT_FOUND, f"there is no operator {name!r}", "city operator list")

    def add(self, name: str, password: str, roles: dict[str, str]) -> None:
        """Enter a person. Raises: CityError."""
        body = {"name": name, "password": password, "roles": roles}
        self._do("operators", body, lambda store: store.add(LOCAL, name, roles, Passwords().hash(password)))

    def remove(self, name: str) -> None:
        """Forget a person. Raises: CityError."""
        self._do(f"operators/{name}/remove", {}, lambda store: store.remove(LOCAL, name))

    def set_roles(self, name: str, roles: dict[str, str]) -> None:
        """Give a person these roles. Raises: CityError."""
        self._do(f"operators/{name}/roles", {"roles": roles}, lambda store: store.set_roles(LOCAL, name, roles))

    def set_password(self, name: str, password: str, old: str) -> None:
        """Give a person another password. Raises: CityError."""
        body = {"password": password, "old": old}
        self._do(
            f"operators/{name}/password", body, lambda store: store.set_hash(LOCAL, name, Passwords().hash(password))
        )

    def _do(self, page: str, body: dict[str, Any] | None, offline: Callable[[OperatorStore], Any]) -> Any:
        try:
            with self._where.client() as city:
                return city.get(page) if body is None else city.post(page, body)
        except UnreachableError as error:
            if self._where.at:
                raise CityError(NOT_FOUND, str(error), "is the city running?") from error
            return self._offline(offline)
        except httpx.HTTPStatusError as error:
            raise _told(error) from error

    def _offline(self, do: Callable[[OperatorStore], Any]) -> Any:
        settings = config.load_aggregator(self._where.folder / "aggregator.toml", with_keys=False)
        try:
            with alone(settings.city.data_dir, self._where.address, "docs/operators.md"):
                audit = AuditLog(settings.city.data_dir, name=settings.city.id, witness=settings.audit.witness)
                try:
                    return do(OperatorStore(settings, audit))
                finally:
                    audit.close()
        except OperatorError as error:
            raise _error(error.reason, str(error)) from error


def _told(error: httpx.HTTPStatusError) -> CityError:
    detail = error.response.json().get("detail") if error.response.status_code in (404, 409) else None
    return _error(detail["reason"], detail["text"]) if isinstance(detail, dict) else refused(error)


def _error(reason: str, text: str) -> CityError:
    return CityError(_CODES.get(reason, REFUSED), text, "city operator list; docs/operators.md")
