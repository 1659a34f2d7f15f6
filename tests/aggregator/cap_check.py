"""Whether bytes are a CAP 1.2 alert: elements, order, how often, code words and forms, as OASIS CAP-v1.2 3.2 says."""

import re
from typing import Any
from xml.etree import ElementTree as ET

CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
TIME = re.compile(r"\d\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d\Z")
WORD = re.compile(r"[^\s,<&]+\Z")
PAIR = r"-?\d+(?:\.\d+)?,-?\d+(?:\.\d+)?"
POLYGON, CIRCLE = re.compile(rf"{PAIR}(?: {PAIR}){{3,}}\Z"), re.compile(rf"{PAIR} \d+(?:\.\d+)?\Z")
REFERENCES = re.compile(r"[^\s,]+,[^\s,]+,[^\s,]+(?: [^\s,]+,[^\s,]+,[^\s,]+)*\Z")
ONE, ANY, MAYBE = (1, 1), (0, 10**6), (0, 1)
SOME = (1, 10**6)


def words(text: str) -> re.Pattern[str]:
    return re.compile("(?:" + "|".join(text.split()) + r")\Z")


ALERT = [
    ("identifier", ONE, WORD), ("sender", ONE, WORD), ("sent", ONE, TIME),
    ("status", ONE, words("Actual Exercise System Test Draft")),
    ("msgType", ONE, words("Alert Update Cancel Ack Error")), ("source", MAYBE, None),
    ("scope", ONE, words("Public Restricted Private")), ("restriction", MAYBE, None), ("addresses", MAYBE, None),
    ("code", ANY, None), ("note", MAYBE, None), ("references", MAYBE, REFERENCES), ("incidents", MAYBE, None),
    ("info", ANY, "info"),
]  # fmt: skip
INFO = [
    ("language", MAYBE, re.compile(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*\Z")),
    ("category", SOME, words("Geo Met Safety Security Rescue Fire Health Env Transport Infra CBRNE Other")),
    ("event", ONE, None),
    ("responseType", ANY, words("Shelter Evacuate Prepare Execute Avoid Monitor Assess AllClear None")),
    ("urgency", ONE, words("Immediate Expected Future Past Unknown")),
    ("severity", ONE, words("Extreme Severe Moderate Minor Unknown")),
    ("certainty", ONE, words("Observed Likely Possible Unlikely Unknown")), ("audience", MAYBE, None),
    ("eventCode", ANY, "pair"), ("effective", MAYBE, TIME), ("onset", MAYBE, TIME), ("expires", MAYBE, TIME),
    ("senderName", MAYBE, None), ("headline", MAYBE, None), ("description", MAYBE, None), ("instruction", MAYBE, None),
    ("web", MAYBE, None), ("contact", MAYBE, None), ("parameter", ANY, "pair"), ("resource", ANY, None),
    ("area", ANY, "area"),
]  # fmt: skip
PAIRS = [("valueName", ONE, None), ("value", ONE, None)]
AREA = [("areaDesc", ONE, None), ("polygon", ANY, POLYGON), ("circle", ANY, CIRCLE), ("geocode", ANY, "pair"),
        ("altitude", MAYBE, None), ("ceiling", MAYBE, None)]  # fmt: skip
SHAPES: dict[str, list[Any]] = {"alert": ALERT, "info": INFO, "pair": PAIRS, "area": AREA}


def problems(data: bytes) -> list[str]:
    """Return what is wrong with a message, none if it is valid."""
    root = ET.fromstring(data)
    if root.tag != f"{CAP}alert":
        return [f"the root is {root.tag}"]
    found = _of(root, "alert")
    texts = {child.tag.removeprefix(CAP): child.text or "" for child in root}
    if texts.get("scope") == "Restricted" and not texts.get("restriction"):
        found.append("scope Restricted without restriction")
    if texts.get("scope") == "Private" and not texts.get("addresses"):
        found.append("scope Private without addresses")
    if texts.get("msgType") in ("Update", "Cancel", "Ack", "Error") and not texts.get("references"):
        found.append(f"{texts['msgType']} without references")
    found += [f"polygon is open: {p.text}" for p in root.iter(f"{CAP}polygon") if _open(p.text or "")]
    return found


def _of(element: ET.Element, shape: str) -> list[str]:
    found: list[str] = []
    rows = SHAPES[shape]
    names = [child.tag.removeprefix(CAP) for child in element]
    order = {name: at for at, (name, _, _) in enumerate(rows)}
    found += [f"{shape}: {name} is not known" for name in names if name not in order]
    places = [order[name] for name in names if name in order]
    found += [f"{shape}: {names} are out of order"] if places != sorted(places) else []
    for name, (least, most), form in rows:
        n = names.count(name)
        found += [] if least <= n <= most else [f"{shape}: {name} {n} times"]
        for child in [child for child in element if child.tag == f"{CAP}{name}"]:
            found += _child(child, shape, name, form)
    return found


def _child(child: ET.Element, shape: str, name: str, form: Any) -> list[str]:
    if isinstance(form, str):
        return _of(child, form)
    text = child.text or ""
    if len(child) or not text.strip():
        return [f"{shape}: {name} is empty or has elements"]
    return [] if form is None or form.match(text) else [f"{shape}: {name} is {text!r}"]


def _open(text: str) -> bool:
    corners = text.split(" ")
    return corners[0] != corners[-1]
