"""Asks a running city or edge node over its HTTP interface."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

TIMEOUT_S = 10.0


class UnreachableError(ConnectionError):
    """Nobody answers at the address, or not in time."""


class Client:
    """A client of `unix:PATH` or `HOST:PORT`, for a city or an edge node.

    Example:
        with Client("unix:run/city/api.sock") as city:
            print(city.get("latest"))
    """

    def __init__(self, address: str, timeout_s: float = TIMEOUT_S) -> None:
        self.address = address
        if address.startswith("unix:"):
            transport = httpx.HTTPTransport(uds=address.removeprefix("unix:"))
            self._http = httpx.Client(transport=transport, base_url="http://city", timeout=timeout_s)
        else:
            self._http = httpx.Client(base_url=f"http://{address}", timeout=timeout_s, trust_env=False)

    @classmethod
    def of_run(cls, folder: Path, part: str = "city") -> Self:
        """Return the client of the `city` or the `edge` of a run directory."""
        return cls(f"unix:{folder / part / 'api.sock'}")

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
