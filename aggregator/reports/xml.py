"""Answers of GeoReport v2 as XML. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

SERVICES, REQUESTS, ERRORS = ("services", "service"), ("service_requests", "request"), ("errors", "error")
"""Root and element of each document."""


def document(names: tuple[str, str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as a document in UTF-8: an element for each row, and in it one for each of its values.

    What is not known, None, is an empty element. Source: Open311 GeoReport v2, wiki.open311.org/GeoReport_v2.
    """
    root = ET.Element(names[0])
    for row in rows:
        _fill(ET.SubElement(root, names[1]), row)
    return bytes(ET.tostring(root, encoding="UTF-8", xml_declaration=True))


def _fill(element: ET.Element, row: Mapping[str, Any]) -> None:
    for name, value in row.items():
        child = ET.SubElement(element, name)
        if isinstance(value, Mapping):
            _fill(child, value)
        elif value is not None:
            child.text = _text(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
