"""CAP 1.2 messages (OASIS CAP-v1.2, Common Alerting Protocol) as XML. Pure."""

import re
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from xml.etree import ElementTree as ET

from processes.people import Area

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
Kind = Literal["Alert", "Update", "Cancel"]
SEVERITY = {1: "Minor", 2: "Moderate", 3: "Severe", 4: "Extreme"}
LIKELY, POSSIBLE = 0.5, 0.05
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Envelope(NamedTuple):
    """Who says it to whom; `references`: "sender,identifier,sent" of each message that this one updates or cancels."""

    identifier: str
    sender: str
    sent_utc_us: int
    status: str
    kind: Kind
    scope: str
    restriction: str = ""
    addresses: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    incident: str = ""


class Info(NamedTuple):
    """What is said; times are UTC in microseconds."""

    language: str
    category: str
    event: str
    urgency: str
    severity: str
    certainty: str
    effective_utc_us: int
    onset_utc_us: int
    expires_utc_us: int
    sender_name: str
    headline: str
    description: str
    instruction: str
    area: Area
    parameters: tuple[tuple[str, str], ...] = ()


def certainty(probability: float) -> str:
    """Return the CAP word for a probability: Likely (over 50 %), Possible, Unlikely (at most 5 %)."""
    if not probability <= LIKELY:  # not a number counts as certain, as for the alarm itself
        return "Likely"
    return "Possible" if probability > POSSIBLE else "Unlikely"


def time_text(utc_us: int) -> str:
    """Return a time as CAP writes it: seconds, and UTC as -00:00, never Z."""
    return f"{datetime.fromtimestamp(utc_us // 1_000_000, UTC):%Y-%m-%dT%H:%M:%S}-00:00"


def reference(envelope: Envelope) -> str:
    """Return the words by which a later message refers to this one."""
    return f"{envelope.sender},{envelope.identifier},{time_text(envelope.sent_utc_us)}"


def xml(envelope: Envelope, info: Info) -> bytes:
    """Return the message as UTF-8."""
    alert = ET.Element("alert", xmlns=NAMESPACE)
    _put(alert, "identifier", envelope.identifier)
    _put(alert, "sender", envelope.sender)
    _put(alert, "sent", time_text(envelope.sent_utc_us))
    _put(alert, "status", envelope.status)
    _put(alert, "msgType", envelope.kind)
    _put(alert, "scope", envelope.scope)
    _put(alert, "restriction", envelope.restriction)
    _put(alert, "addresses", " ".join(_quoted(address) for address in envelope.addresses))
    _put(alert, "references", " ".join(envelope.references))
    _put(alert, "incidents", envelope.incident)
    _put_info(ET.SubElement(alert, "info"), info)
    return bytes(ET.tostring(alert, encoding="utf-8", xml_declaration=True))


def _put_info(element: ET.Element, info: Info) -> None:
    for name in ("language", "category", "event", "urgency", "severity", "certainty"):
        _put(element, name, getattr(info, name))
    for name in ("effective", "onset", "expires"):
        _put(element, name, time_text(getattr(info, f"{name}_utc_us")))
    _put(element, "senderName", info.sender_name)
    for name in ("headline", "description", "instruction"):
        _put(element, name, getattr(info, name))
    for name, value in info.parameters:
        parameter = ET.SubElement(element, "parameter")
        _put(parameter, "valueName", name)
        _put(parameter, "value", value)
    _put_area(ET.SubElement(element, "area"), info.area)


def _put_area(element: ET.Element, area: Area) -> None:
    _put(element, "areaDesc", area.desc)
    if area.polygon:
        corners = area.polygon if area.polygon[0] == area.polygon[-1] else [*area.polygon, area.polygon[0]]
        _put(element, "polygon", " ".join(f"{lat:.6f},{lon:.6f}" for lat, lon in corners))
    if area.circle is not None:
        lat, lon, radius_km = area.circle
        _put(element, "circle", f"{lat:.6f},{lon:.6f} {radius_km:.3f}")


def _put(parent: ET.Element, name: str, text: str) -> None:
    """Add an element; what is empty is left out."""
    if text:
        ET.SubElement(parent, name).text = _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)


def _quoted(address: str) -> str:
    return f'"{address}"' if " " in address else address
