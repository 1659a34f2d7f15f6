"""Asks a running city or edge node over its HTTP interface."""

import ssl
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from cityreflex import token_file as tokens
from cityreflex.address import of_run
from cityreflex.exits import CONFIG, FAILED, NOT_FOUND, REFUSED, USAGE, CityError
from protocol import plain
from service.addresses import UNIX, is_loopback

TIMEOUT_S = 10.0
_END = "-----END CERTIFICATE-----"
HTTP, HTTPS = "http://", "https://"
GATE_SAYS = (401, 403, 429)
NO_PAGE, UNPROCESSABLE = 404, 422


class UnreachableError(ConnectionError):
    """Nobody answers at the address, or not in time."""


class Client:
    """A client of `unix:PATH`, `HOST:PORT`, `http://...` or `https://HOST:PORT`, for a city or an edge node.

    It shows the token that `city login` wrote for this address. `ca`: a file with the certificates it trusts,
    `pin`: with the one certificate that is shown there.

    Example:
        with Client("unix:run/city/api.sock") as city:
            print(city.get("latest"))
    """

    def __init__(
        self, address: str, timeout_s: float = TIMEOUT_S, *, token_file: Path | None = None, ca: Path | None = None,
        pin: Path | None = None, anonymous: bool = False,
    ) -> None:  # fmt: skip
        """`anonymous`: show no token. Raises: CityError for a token file or a `ca` that cannot be used."""
        self.address = address
        self.token = "" if anonymous else tokens.find(address, token_file)
        if address.startswith("unix:"):
            transport = httpx.HTTPTransport(uds=address.removeprefix("unix:"))
            self._http = httpx.Client(transport=transport, base_url="http://city", timeout=timeout_s)
        elif address.startswith((HTTPS, HTTP)):
            self._http = httpx.Client(base_url=address, timeout=timeout_s, trust_env=False, verify=_trust(ca, pin))
        else:
            self._http = httpx.Client(base_url=f"http://{address}", timeout=timeout_s, trust_env=False)
        if self.token:
            check_way(address)
            self._http.headers["Authorization"] = f"Bearer {self.token}"

    @classmethod
    def of_run(cls, folder: Path, part: str = "city") -> Self:
        """Return the client of the `city` or the `edge` of a run directory."""
        address = of_run(folder, part)
        return cls(address.text, pin=address.pin)

    def get(self, page: str, **query: int | str) -> Any:
        """Return the JSON of a page: health, status, ledger, things, datastreams, latest, tasks ...

        Raises: UnreachableError; httpx.HTTPStatusError for an answer that is no success.
        """
        try:
            answer = self._http.get(f"/{page}", params=query)
        except (httpx.TransportError, OSError) as error:
            raise UnreachableError(f"{self.address} does not answer: {error}") from error
        answer.raise_for_status()
        return answer.json()

    def post(self, page: str, body: dict[str, Any] | None = None, **query: str) -> Any:
        """Ask for something to be done, with a JSON `body` where the page wants one; return the JSON of the answer.

        Raises: UnreachableError; httpx.HTTPStatusError for an answer that is no success.
        """
        try:
            answer = self._http.post(f"/{page}", params=query, json=body)
        except (httpx.TransportError, OSError) as error:
            raise UnreachableError(f"{self.address} does not answer: {error}") from error
        answer.raise_for_status()
        return answer.json()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return this client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()


def check_way(address: str) -> None:
    """Refuse to send a password or token in clear over a network, unless "http://..." says so. Raises: CityError."""
    host = address.rpartition(":")[0]
    if not address.startswith((UNIX, HTTP, HTTPS)) and not is_loopback(host):
        text = f"{address} would get password or token in clear, for all on the way to read"
        hint = f"--at https://{address}, or say --at http://{address} if the way is yours alone"
        raise CityError(REFUSED, text, hint)


def _trust(ca: Path | None, pin: Path | None) -> ssl.SSLContext:
    """Return whom to trust; a pinned certificate is that of this very service, whatever name it has."""
    try:
        if pin is None:
            return ssl.create_default_context(cafile=ca)
        leaf, end, _ = pin.read_text().partition(_END)
        context = ssl.create_default_context(cadata=leaf + end)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
        return context
    except (OSError, ValueError, ssl.SSLError) as error:
        raise CityError(CONFIG, f"{pin or ca}: no certificate can be read: {error}", "expected a PEM file") from error


def refused(error: httpx.HTTPStatusError) -> CityError:
    """Return the error for an answer that is no success; a refusal of gate or guard has exit code 7."""
    answer = error.response
    try:
        told = answer.json()
    except ValueError:
        told = {}
    told = told if isinstance(told, dict) else {}
    detail = told.get("detail")
    if "text" not in told and isinstance(detail, dict):
        told = detail
    if answer.status_code == UNPROCESSABLE and isinstance(detail, list):
        return CityError(USAGE, "\n".join(map(mistake, detail)), "correct what is named")
    text, _, hint = str(told.get("text") or detail or f"it answered {answer.status_code}").partition("; next: ")
    if answer.status_code == NO_PAGE and detail == "Not Found":
        text = f"{answer.request.url.path}: who answers here has no such page"
        return CityError(NOT_FOUND, text, "an edge node has fewer pages than a city: is --at right?")
    if answer.status_code in GATE_SAYS:
        return CityError(REFUSED, f"{answer.request.url.path}: {text}", hint)
    return CityError(FAILED, f"{answer.request.url.path}: {text}", hint or "see the log of the service")


def mistake(row: Any) -> str:
    """Return one mistake that pydantic found, in plain words."""
    where = ".".join(str(one) for one in row["loc"] if one != "body") or str(row["type"])
    if row["type"] in ("missing", "extra_forbidden"):
        return f"{where}: {'missing' if row['type'] == 'missing' else 'unknown'}"
    if row["type"] == "value_error":
        return f"{where}: {row['msg'].removeprefix('Value error, ')}"
    return f"{where}: {plain.explained(row['type'], row.get('ctx', {}), row.get('input'))}"
