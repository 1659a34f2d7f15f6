"""The operators on disk: `operators.json` in the city's data folder, and what the audit log hears of them. Shell.

Every change is durable before anybody hears of it. The running aggregator holds one; while it is down the command line
works with the same class on the same file.
"""

import copy
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from service.audit import AuditLog, wall_us
from service.errors import KeyFileError
from service.files import read_summed, replace_summed
from service.host_time import boottime_us

from ..config import AggregatorConfig
from ..errors import OperatorError
from .passwords import Passwords
from .people import ANYWHERE, Person, of_roles
from .register import Register, from_map

FILE = "operators.json"
TOKEN_BYTES = 32
T = TypeVar("T")


class OperatorStore:
    """The people of one city."""

    def __init__(self, config: AggregatorConfig, audit: AuditLog, passwords: Passwords | None = None) -> None:
        """Read the file of the data folder, if there is one. Raises: KeyFileError."""
        self.folder = config.city.data_dir
        self._path = self.folder / FILE
        self._life_us = round(config.operators.login_h * 3.6e9)
        self.zones = frozenset(config.zones)
        self.audit, self.passwords = audit, passwords or Passwords()
        self.register = read_register(self._path)
        self._utc_us, self._boot_us = wall_us(), boottime_us()

    def now_us(self) -> int:
        """Return UTC that never goes slower than real time: a clock set back must not keep logins alive."""
        boot_us = boottime_us()
        self._utc_us = max(wall_us(), self._utc_us + boot_us - self._boot_us)
        self._boot_us = boot_us
        return self._utc_us

    def person(self, token: str) -> Person | None:
        """Return who holds a token now."""
        return self.register.person(token, self.now_us())

    def named(self, name: str) -> Person | None:
        """Return who has this name now."""
        found = self.register.people.get(name)
        return of_roles(name, found.roles) if found else None

    def add(self, who: str, name: str, roles: Mapping[str, str], password_hash: str) -> None:
        """Enter a new person. Raises: OperatorError, OSError."""
        self._check_zones(roles)
        self._change(
            lambda register: register.add(name, roles, password_hash, self.now_us()),
            {"event": "operator_added", "who": who, "operator": name, "roles": dict(roles)},
        )

    def remove(self, who: str, name: str) -> None:
        """Forget a person. Raises: OperatorError, OSError."""
        row = {"event": "operator_removed", "who": who, "operator": name}
        self._change(lambda register: register.remove(name), row)

    def set_roles(self, who: str, name: str, roles: Mapping[str, str]) -> None:
        """Give a person other roles. Raises: OperatorError, OSError."""
        self._check_zones(roles)
        self._change(
            lambda register: register.set_roles(name, roles, self.now_us()),
            {"event": "operator_role", "who": who, "operator": name, "roles": dict(roles)},
        )

    def set_hash(self, who: str, name: str, password_hash: str) -> None:
        """Give a person another password. Raises: OperatorError, OSError."""
        row = {"event": "operator_password", "who": who, "operator": name}
        self._change(lambda register: register.set_hash(name, password_hash, self.now_us()), row)

    def log_in(self, name: str, peer: str, fresh_hash: str = "") -> tuple[str, int]:
        """Return a token and when it ends (UTC µs), for a person whose password was right.

        `fresh_hash`: of the same password with the parameters of today. Raises: OperatorError, OSError.
        """
        token = secrets.token_urlsafe(TOKEN_BYTES)

        def do(register: Register) -> int:
            if fresh_hash:
                register.get(name).hash = fresh_hash
            return register.log_in(name, token, self.now_us(), self._life_us).until_us

        return token, self._change(do, {"event": "login", "who": name, "peer": peer})

    def log_out(self, who: str, token: str) -> None:
        """End the login of a token. Raises: OSError."""
        self._change(lambda register: register.log_out(token), {"event": "logout", "who": who})

    def _check_zones(self, roles: Mapping[str, str]) -> None:
        unknown = sorted(set(roles) - self.zones - {ANYWHERE})
        if unknown:
            known = ", ".join(sorted(self.zones)) or "none"
            text = f"no zone {unknown[0]!r} in [zones] of aggregator.toml; there are: {known}"
            raise OperatorError("no_such_zone", text)

    def _change(self, do: Callable[[Register], T], row: dict[str, Any]) -> T:
        """Change a copy, write it and the audit line, and only then let it count."""
        fresh = copy.deepcopy(self.register)
        found = do(fresh)
        self.audit.write([row])
        try:
            replace_summed(self._path, fresh.to_map())
        except OSError:
            self.audit.note([{**row, "event": f"{row['event']}_not_saved"}])
            raise
        self.register = fresh
        return found


def read_register(path: Path) -> Register:
    """Return the register in a file, an empty one if there is none. Raises: KeyFileError."""
    try:
        return from_map(read_summed(path))
    except FileNotFoundError:
        return Register()
    except (OSError, ValueError) as error:
        hint = "bring it back from a backup, or move it away and enter every operator anew"
        raise KeyFileError(f"{path}: cannot be read: {error}; {hint}") from error
