"""What `city keys` does to a city or a node: through its interface while it runs, else on its files."""

import select
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx

from aggregator.errors import KeyringError
from aggregator.keys.store import KeyStore
from cityreflex import config, key_files
from cityreflex.address import of_section
from cityreflex.client import Client, UnreachableError, refused
from cityreflex.exits import CONFIG, FAILED, NOT_FOUND, PERMISSION, REFUSED, CityError
from cityreflex.offline import alone
from edge_node.errors import EnrolError
from edge_node.keys.enrolling import enrol
from edge_node.keys.side import key_rows, make_next, read_keys, read_verify_keys
from protocol.enrol import TokenText
from service.errors import KeyFileError
from service.sections import ServiceSection

POLL_S = 0.2
ENROL_S = 15.0
NOT_RUNNING = "the node is not running"
Rows = dict[str, Any]
_CODES = {
    "no_such_key": NOT_FOUND, "no_endpoint": CONFIG, "key_file": CONFIG, "not_local": PERMISSION, "not_saved": FAILED,
    "unreachable": NOT_FOUND,
}  # fmt: skip
_HINTS = {
    "no_such_key": "city keys list",
    "no_endpoint": "the city was started before [enrol] came into its file: restart the aggregator, then try again",
    "not_local": 'set [city] api = "unix:api.sock"',
    "not_saved": "make room on the city's disk, then do it again",
    "unreachable": "on the city: city keys enroll EDGE prints a new token; check the way to the endpoint",
}


def refusal(reason: str, text: str) -> CityError:
    """Return the error for what a city or a node refused."""
    return CityError(_CODES.get(reason, REFUSED), text, _HINTS.get(reason, "see docs/keys.md"))


class CityKeys:
    """The keys of the city that a configuration is of, running or not."""

    def __init__(self, path: Path) -> None:
        """Raises: CityError."""
        self._path = path
        self._config = config.load_aggregator(path)

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing stays open."""

    def enroll(self, edge: str, life_s: float) -> Rows:
        """Return {edge, token, lapses_utc_us}. Raises: CityError."""
        if self._config.enrol is None:
            raise _no_door(self._path, edge)
        body = {"edge": edge, "life_s": life_s}
        return self._do("keys/enroll", body, lambda store: store.open_token(edge, life_s))

    def revoke(self, edge: str, start: str) -> Rows:
        """Return {edge, revoked}. Raises: CityError."""
        return self._do("keys/revoke", {"edge": edge, "key": start}, lambda store: _revoked(store, edge, start))

    @classmethod
    def rows_of(cls, path: Path) -> Rows:
        """Return keys, dead keys and tokens. Raises: CityError."""
        return cls(path)._do("keys", None, lambda store: store.rows())

    def _do(self, page: str, body: Rows | None, offline: Callable[[KeyStore], Rows]) -> Rows:
        try:
            return _asked(self._config.city, page, body)
        except UnreachableError:
            return self._offline(offline)

    def _offline(self, do: Callable[[KeyStore], Rows]) -> Rows:
        try:
            with alone(self._config.city.data_dir, self._config.city.api, "docs/keys.md"):
                store = KeyStore(self._config)
                try:
                    return do(store)
                finally:
                    store.close()
        except KeyringError as error:
            raise refusal(error.reason, str(error)) from error


def _no_door(path: Path, edge: str) -> CityError:
    """Return the error for a city where no token can be used, with the lines that its file lacks."""
    found = ", ".join(f"[{name}]" for name in config.read(path).data)
    text = (
        f"{path}: no [enrol] section, so no node could come with a token; found {found}\nadd these lines:\n"
        '  [enrol]\n  endpoint = "tcp://*:5571"\n  public = "tcp://THIS-HOST:5571"'
    )
    hint = f"restart the aggregator, then: city keys enroll {edge} --config {shlex.quote(str(path))}"
    return CityError(CONFIG, text, hint)


def _revoked(store: KeyStore, edge: str, start: str) -> Rows:
    found = store.revoke(edge, start)
    store.settle(must=True)
    return {"edge": edge, "revoked": found}


class NodeKeys:
    """The keys of the node that a configuration is of, running or not."""

    def __init__(self, path: Path) -> None:
        """Raises: CityError."""
        self._node = config.load_edge(path, with_keys=False)

    def rows(self) -> Rows:
        """Return the node's keys and those of its city. Raises: CityError."""
        try:
            return _asked(self._node.edge, "keys", None)
        except UnreachableError:
            return self._from_files()

    def rotate(self, wait_s: float) -> Rows:
        """Begin a rotation and, if the node runs, wait for its end; return the rows. Raises: CityError."""
        try:
            rows = _asked(self._node.edge, "keys/rotate", {})
        except UnreachableError:
            _key_file(lambda: make_next(self._node.city.secret_file))
            return self._from_files() | {"state": "offering"}
        new, end = rows["keys"][-1]["fingerprint"], time.monotonic() + wait_s
        while (rows["state"] != "steady" or rows["keys"][0]["fingerprint"] != new) and time.monotonic() < end:
            select.select([], [], [], POLL_S)
            rows = self.rows()
        return rows

    def trust(self, server: str | None, verify: str | None) -> Rows:
        """Accept the city's next keys; a running node does at once. Raises: CityError."""
        key_files.trust(self._node, server, verify)
        return self.reload()

    def reload(self) -> Rows:
        """Let a running node read its key files; return the rows. Raises: CityError."""
        try:
            return _asked(self._node.edge, "keys/reload", {})
        except UnreachableError:
            return self._from_files()

    def _from_files(self) -> Rows:
        city = self._node.city
        keys, verify = _key_file(lambda: (read_keys(city), read_verify_keys(city)))
        rows = key_rows(self._node.edge.id, keys, len(verify))
        return {**rows, "state": keys.state, "connected": False, "problem": NOT_RUNNING}


def enrol_here(path: Path, token: TokenText) -> Rows:
    """Enrol the node of this configuration; return {edge, fingerprint}. Raises: CityError."""
    node = config.load_edge(path, with_keys=False)
    try:
        pair = enrol(node.city, node.edge.id, token, ENROL_S)
    except EnrolError as error:
        raise refusal(error.reason, str(error)) from error
    except KeyFileError as error:
        raise CityError(CONFIG, str(error), "see docs/keys.md") from error
    NodeKeys(path).reload()
    return {"edge": node.edge.id, "fingerprint": pair.fingerprint}


def _key_file(do: Callable[[], Any]) -> Any:
    try:
        return do()
    except KeyFileError as error:
        raise CityError(CONFIG, str(error), "city keys init makes what is missing; see docs/keys.md") from error


def _asked(section: ServiceSection, page: str, body: Rows | None) -> Rows:
    """Return the answer of a running service. Raises: UnreachableError, CityError for a refusal."""
    address = of_section(section)
    with Client(address.text, pin=address.pin) as client:
        try:
            found: Rows = client.get(page) if body is None else client.post(page, body)
            return found
        except httpx.HTTPStatusError as error:
            _refused(error)


def _refused(error: httpx.HTTPStatusError) -> NoReturn:
    told = error.response.json().get("detail") if error.response.status_code != 500 else None
    if isinstance(told, dict):
        raise refusal(str(told["reason"]), str(told["text"])) from error
    raise refused(error) from error
