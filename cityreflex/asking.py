"""One question to the city, and what no answer, or a refusal, means on the command line."""

from collections.abc import Callable
from typing import Any

import httpx

from cityreflex.client import Client, UnreachableError, refused
from cityreflex.exits import CONFIG, NOT_FOUND, REFUSED, CityError
from cityreflex.where import Where

CODES = {404: NOT_FOUND, 409: REFUSED, 422: CONFIG}


def get(where: Where, page: str, hint: str = "", **query: int | str) -> Any:
    """Return the JSON of a page; `hint`: what to do if there is no such thing. Raises: CityError."""
    return _asked(where, lambda city: city.get(page, **query), hint)


def post(where: Where, page: str, body: dict[str, Any] | None, hint: str = "", *, anonymous: bool = False) -> Any:
    """Return the JSON of what was done; `hint`: what to do if it cannot be done. `anonymous`: no token is shown.

    Raises: CityError.
    """
    return _asked(where, lambda city: city.post(page, body), hint, anonymous=anonymous)


def begins(rows: list[Any], key: str, start: str, noun: str, hint: str) -> Any:
    """Return the one row whose `key` begins so, for people who type no whole ids. Raises: CityError."""
    found = [row for row in rows if start and row[key].startswith(start)]
    if len(found) != 1:
        what = f"no {noun} begins" if not found else f"{len(found)} {noun}s begin"
        raise CityError(NOT_FOUND, f"{what} with {start!r}", hint)
    return found[0]


def gone(error: UnreachableError) -> CityError:
    """Return the error for a city that does not answer."""
    return CityError(NOT_FOUND, str(error), "is the city running? where is it: --dir or --at")


def _asked(where: Where, ask: Callable[[Client], Any], hint: str, *, anonymous: bool = False) -> Any:
    try:
        with where.client(anonymous=anonymous) as city:
            return ask(city)
    except UnreachableError as error:
        raise gone(error) from error
    except httpx.HTTPStatusError as error:
        raise _told(error, hint) from error


def _told(error: httpx.HTTPStatusError, hint: str) -> CityError:
    """Return a refusal in the words of the page: 4 no such thing, 7 a rule is in the way, 3 a file is wrong."""
    code, text = CODES.get(error.response.status_code), _text(error.response)
    return CityError(code, text, hint) if code is not None and text else refused(error)


def _text(answer: httpx.Response) -> str:
    """Return what a page says in one of its shapes: {"detail": {"text"}}, or GeoReport's [{"description"}]."""
    try:
        told = answer.json()
    except ValueError:
        return ""
    if isinstance(told, list) and told and isinstance(told[0], dict):
        return str(told[0].get("description", ""))
    detail = told.get("detail") if isinstance(told, dict) else None
    return str(detail.get("text", "")) if isinstance(detail, dict) else ""
