"""A report as it comes in the form of GeoReport v2, checked. Pure."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl

from .rows import Filter
from .section import ReportsSection

MAX_BODY = 16_384
MAX_FIELDS = 40
MAX_TEXT, MAX_ADDRESS = 2000, 300
MAX_AMONG = 50
BAD, UNKNOWN = 400, 404
STATUSES = {"open": frozenset({"", "confirmed"}), "closed": frozenset({"refuted"})}
VERDICTS = {"none": frozenset({""}), "confirmed": frozenset({"confirmed"}), "refuted": frozenset({"refuted"})}
"""Which verdicts the words of a query stand for."""


class FormError(ValueError):
    """A report cannot be taken; `status` is that of HTTP."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Asked(NamedTuple):
    """What is reported where; who reports it is thrown away."""

    service: str
    value: float
    lat: float | None
    lon: float | None
    address: str
    description: str


def read_form(body: bytes, content_type: str) -> dict[str, str]:
    """Return the fields of a form. Raises: FormError."""
    if content_type.split(";", maxsplit=1)[0].strip().lower() != "application/x-www-form-urlencoded":
        raise FormError(BAD, f"found content type {content_type[:60]!r}; expected application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise FormError(BAD, f"the form cannot be read: {error}") from error
    return dict(pairs)


def check(section: ReportsSection, fields: dict[str, str]) -> Asked:
    """Return a report of these fields. Raises: FormError."""
    code = fields.get("service_code", "")
    service = section.services.get(code)
    if service is None:
        raise FormError(UNKNOWN, f"found service_code {code[:40]!r}; expected one of {', '.join(section.services)}")
    value = _number(fields, "attribute[value]", service.lower, service.upper) if service.asks else service.value
    if value is None:
        raise FormError(BAD, f"attribute[value] is missing: a number from {service.lower:g} to {service.upper:g}")
    lat, lon = _number(fields, "lat", -90, 90), _number(fields, "long", -180, 180)
    address = _text(fields, "address_string", MAX_ADDRESS)
    if (lat is None) != (lon is None):
        raise FormError(BAD, "lat and long go together")
    if lat is None and not address:
        raise FormError(BAD, "where is it? give lat and long, or address_string")
    if section.box is not None and lat is not None and lon is not None and not section.box.holds(lat, lon):
        raise FormError(BAD, f"{lat:g}, {lon:g} lies outside of the city")
    return Asked(code, value, lat, lon, address, _text(fields, "description", MAX_TEXT))


def wanted(query: Mapping[str, str]) -> Filter:
    """Return which reports a query of GeoReport v2 asks for, and, beside it, of `verdict`. Raises: FormError."""
    ids, services = _among(query, "service_request_id"), _among(query, "service_code")
    verdicts = _chosen(query, "status", STATUSES) & _chosen(query, "verdict", VERDICTS)
    if not verdicts:
        raise FormError(BAD, f"no report of status {query['status']} has verdict {query['verdict']}")
    return Filter(ids, services, tuple(sorted(verdicts)), _time(query, "start_date"), _time(query, "end_date"))


def _among(query: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = tuple(word for part in query.get(name, "").split(",") if (word := part.strip()))
    if len(found) > MAX_AMONG:
        raise FormError(BAD, f"{name} names {len(found)}; at most {MAX_AMONG} are taken")
    return found


def _chosen(query: Mapping[str, str], name: str, sets: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the verdicts that the words of a query stand for; all if it has none."""
    words = _among(query, name) or tuple(sets)
    unknown = [word for word in words if word not in sets]
    if unknown:
        raise FormError(BAD, f"found {name} {unknown[0][:40]!r}; expected one of {', '.join(sets)}")
    return frozenset().union(*(sets[word] for word in words))


def _time(query: Mapping[str, str], name: str) -> int | None:
    """Return a time in us of UTC; a time without an offset is UTC."""
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1e6)
    except (ValueError, OverflowError) as error:
        told = f"found {name} {text[:40]!r}; expected a time such as 2026-03-01T06:00:00Z"
        raise FormError(BAD, told) from error


def _number(fields: dict[str, str], name: str, low: float, high: float) -> float | None:
    text = fields.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise FormError(BAD, f"found {name} {text[:40]!r}; expected a number from {low:g} to {high:g}")
    return value


def _text(fields: dict[str, str], name: str, longest: int) -> str:
    text = fields.get(name, "").strip()
    if len(text) > longest:
        raise FormError(BAD, f"{name} has {len(text)} characters; at most {longest} are taken")
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)
