"""What there is to say to people now: Alert when an alarm becomes active, Updates, Cancel when it is over. Sans-IO."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any, NamedTuple

from processes.alarms.table import ACTIVE
from processes.instance import Instance
from processes.people import Notify

from . import cap
from .channels import NotifySection
from .outbox import Entry, Outbox

SECOND = 1_000_000


class Said(NamedTuple):
    """One message and the ways that it goes."""

    entry: Entry
    ways: tuple[str, ...]


class Place(NamedTuple):
    """One chain: the port of a process, one of its alarms as it is now (None: normal), the channel."""

    instance: str
    port: str
    told: Notify
    key: str
    alarm: Mapping[str, Any] | None
    channel: str
    section: NotifySection

    @property
    def chain(self) -> str:
        """Its name."""
        return f"{self.instance}/{self.port}/{self.key}"


def places(
    instances: Mapping[str, Instance], health: list[dict[str, Any]], channels: Mapping[str, NotifySection], box: Outbox
) -> Iterator[Place]:
    """Yield the chains of processes that run and may act; of one that has stopped nobody knows whether it is over."""
    for row in health:
        config = instances[row["instance"]].config
        if row["state"] != "running" or config.mode != "act":
            continue
        alarms = {alarm["key"]: alarm for alarm in row["alarms"]}
        for port, told in config.people.items():
            begins = f"{row['instance']}/{port}/"
            talking = {e.chain.removeprefix(begins) for e in box.entries.values() if e.chain.startswith(begins)}
            for key in sorted({key for key, alarm in alarms.items() if _is_meant(told, alarm)} | talking):
                section = channels[told.notify]
                yield Place(row["instance"], port, told, key, alarms.get(key), told.notify, section)


def look(found: Iterator[Place], box: Outbox, now_utc_us: int, speed: float, token: Callable[[], str]) -> list[Said]:
    """Return what is to be said now; a city whose clock runs faster than the world says Test, never Actual."""
    said: list[Said] = []
    for place in found:
        chain = box.chain(place.chain)
        kind = _kind(place, chain[-1] if chain else None, now_utc_us)
        if kind is not None:
            said.append(_said(place, kind, chain, now_utc_us, speed, token()))
    return said


def _is_meant(told: Notify, alarm: Mapping[str, Any]) -> bool:
    named = alarm["key"] in told.alarms if told.alarms else alarm["severity"] >= told.min_severity
    return named and alarm["state"] in ACTIVE


def _kind(place: Place, last: Entry | None, now_utc_us: int) -> cap.Kind | None:
    active = place.alarm is not None and place.alarm["state"] in ACTIVE
    talking = last is not None and last.kind != "Cancel" and last.expires_utc_us > now_utc_us
    if not talking:
        return "Alert" if active and place.alarm is not None and _is_meant(place.told, place.alarm) else None
    if not active:
        return "Cancel"
    assert last is not None and place.alarm is not None
    half = (last.expires_utc_us - last.sent_utc_us) // 2
    if now_utc_us >= last.sent_utc_us + half:
        return "Update"
    patient = now_utc_us >= last.sent_utc_us + round(place.told.update_s * SECOND)
    return "Update" if patient and _says(place.alarm) != last.says else None


def _says(alarm: Mapping[str, Any]) -> str:
    """Return what would be worth an Update if it changed."""
    return f"{cap.SEVERITY.get(alarm['severity'], 'Unknown')} {cap.certainty(alarm['probability'])}"


def _said(place: Place, kind: cap.Kind, chain: list[Entry], now_utc_us: int, speed: float, token: str) -> Said:
    sent = now_utc_us // SECOND * SECOND
    name = hashlib.blake2b(f"{place.chain} {kind} {now_utc_us}".encode(), digest_size=10).hexdigest()
    section = place.section
    earlier = [] if kind == "Alert" else chain
    envelope = cap.Envelope(
        identifier=f"cityreflex-{name}", sender=section.sender, sent_utc_us=sent,
        status=section.status if speed == 1.0 else "Test", kind=kind, scope=section.scope,
        restriction=section.restriction if section.scope == "Restricted" else "", addresses=tuple(section.addresses),
        references=tuple(entry.reference for entry in earlier), incident=place.chain.replace(" ", "_"),
    )  # fmt: skip
    says = chain[-1].says if place.alarm is None or kind == "Cancel" else _says(place.alarm)
    expires = sent + round(place.told.expires_s * SECOND)
    ack_by = now_utc_us + round(section.ack_within_s * SECOND) if section.ack_within_s and kind != "Cancel" else 0
    body = cap.xml(envelope, _info(place, kind, says, sent, expires))
    entry = Entry(
        envelope.identifier, place.channel, place.chain, kind, sent, expires, body, token, cap.reference(envelope),
        says, ack_by,
    )  # fmt: skip
    return Said(entry, section.ways)


def _info(place: Place, kind: cap.Kind, says: str, sent_utc_us: int, expires_utc_us: int) -> cap.Info:
    told, alarm = place.told, place.alarm or {}
    severity, certainty = says.split()
    over = kind == "Cancel"
    headline = str(alarm.get("text") or f"{told.event}: {place.key.replace('_', ' ')}")
    headline = f"Over: {headline}" if over else headline
    chance = alarm.get("probability")
    known = isinstance(chance, float) and isfinite(chance) and not over
    parameters = (("probability", f"{chance:.3f}"),) if known else ()
    raised = alarm.get("raised_utc_us") or sent_utc_us
    description = (
        f"The process {place.instance} no longer reports this alarm." if over
        else f"Reported by the process {place.instance}; the city will say so when it is over."
    )  # fmt: skip
    times = sent_utc_us, min(int(raised), sent_utc_us), expires_utc_us
    return cap.Info(
        place.section.language, told.category, told.event, "Past" if over else told.urgency, severity, certainty,
        *times, place.section.sender_name, headline[:160], description, "" if over else told.instruction, told.area,
        parameters,
    )  # fmt: skip
