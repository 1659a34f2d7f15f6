"""A report as it comes in the form of GeoReport v2, checked. Pure."""

import math
from typing import NamedTuple
from urllib.parse import parse_qsl

from .section import ReportsSection

MAX_BODY = 16_384
MAX_FIELDS = 40
MAX_TEXT, MAX_ADDRESS = 2000, 300
BAD, UNKNOWN = 400, 404


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
