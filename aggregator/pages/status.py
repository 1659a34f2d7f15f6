"""What the city says about itself and its edges: /health and /status."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from service.audit import wall_us

from ..alarms import view
from ..city import City
from ..ingest import Ingest
from ..ledger.view import Accounts
from ..ledger.watch import LedgerWatch
from ..link.sessions import Session
from ..tasks.dispatch import Now

UNSYNCED = (
    "the clock of the city's host is not synchronised, so the city decides nothing: check its time service"
    " (timedatectl), or set [clock] trust = \"host\" if its time is right by other means"
)


def health(city: City, now: Now, *, zap_alive: bool, more: Sequence[str] = ()) -> dict[str, Any]:
    """Return /health: {"ok", "reasons": [...]} of this process alone."""
    faulted = [row["instance"] for row in city.host.engine.health() if row["state"] == "faulted"]
    reasons = [f"process {name} stopped on an error" for name in faulted]
    reasons += [] if zap_alive else ["the ZAP handler is gone: no edge can connect"]
    reasons += alarms(city)
    reasons += [] if city.clock.synced(now.us) else [UNSYNCED]
    reasons += more
    return {"ok": not reasons, "reasons": reasons, "utc_us": now.utc_us}


def alarms(city: City) -> list[str]:
    """Return what an operator has to see to: caps that are reached, contradictions, a store put back by hand."""
    found = [row["text"] for row in city.ingest.contradictions.incidents("stored here")]
    aside = sum(ranges.total() for ranges in city.ingest.quarantined.values())
    found += [f"{aside} stored samples failed their checksum and are quarantined: look at the disk"] if aside else []
    found += [city.rot] if city.rot else []
    found += city.caps.reasons()
    epoch = city.reconcile.epoch
    return found + [
        f"{edge} knows restore epoch {later}, this store {epoch}: copied back by hand? use city restore"
        for edge, later in sorted(city.later_epochs.items())
    ]


def offline(city: City, now: Now) -> dict[str, int | None]:
    """Return {edge: since when (event time)} of edges that are silent."""
    return {s.edge: s.silent_since_utc_us for s in city.sessions.by_edge.values() if s.silent(now.us)}


def ledger_args(city: City, now: Now) -> tuple[Ingest, Accounts, dict[str, int | None], LedgerWatch, int]:
    """Return what `ledger_view.account_rows` takes."""
    return city.ingest, city.accounts, offline(city, now), city.watch, now.utc_us


def status(city: City, now: Now) -> dict[str, Any]:
    """Return /status: edges with their own health and its age, incidents, faults, processes, counters."""
    shut_out, sessions = city.ring.shut_out(), city.sessions.by_edge.values()
    edges = [_edge_row(session, now, shut_out) for session in sessions]
    silent = sorted((s.edge, s.silent_since_utc_us) for s in sessions if s.offline(now.us))
    gone = [_offline_incident(edge, since, edge in shut_out) for edge, since in silent]
    return {
        "utc_us": now.utc_us,
        "edges": edges,
        "clock": city.clock.health(now.us),
        "incidents": [*gone, *_alarms(city, now)],
        "faults": [fault for edge in edges if edge["online"] for fault in edge["faults"]],
        "processes": city.host.engine.health(),
        "leases": [_lease_row(city, actuator, now) for actuator in sorted(city.dispatcher.leases)],
        "samples": city.ingest.samples,
        "duplicates": city.ingest.duplicates,
        "conflicts": city.ingest.conflicts,
        "refused": dict(city.refused),
        "refusals": _refusals(city, now),
        "held_back": dict(city.dispatcher.held_back),
        "ignored_reports": dict(city.dispatcher.book.ignored),
        "unsynced_batches": city.host.feed.unsynced_batches,
        "moved_things": city.registry.moved,
        "epoch": city.reconcile.epoch,
        "caps": city.caps.row(now.us),
        "alarms": alarms(city),
        "process_alarms": view.rows(city),
        "open_incidents": [incident.row() for incident in city.incidents.open()],
    }


def _alarms(city: City, now: Now) -> list[dict[str, Any]]:
    """Return what contradicts at the edges that are there, and a clock that is not synchronised."""
    found: list[dict[str, Any]] = []
    if not city.clock.synced(now.us):
        found.append({"kind": "unsynced", "text": UNSYNCED})
    for session in city.sessions.by_edge.values():
        rows = [] if session.silent(now.us) else _maps(session.health.get("contradictions"))
        told = [f"{session.edge}: {row.get('text')}" for row in rows]
        found += [{"kind": "conflict", "edge": session.edge, "text": text} for text in told]
    return found


def _refusals(city: City, now: Now) -> list[dict[str, Any]]:
    """Return who was refused what, and when last, here and as the edges tell it."""
    rows = [{"where": "city", **row} for row in city.refused.table(now.us, wall_us())]
    for session in city.sessions.by_edge.values():
        rows += [{**row, "where": session.edge} for row in _maps(session.health.get("refusals"))]
    return rows


def _edge_row(session: Session, now: Now, shut_out: set[str]) -> dict[str, Any]:
    age_s = (now.us - session.heartbeat_us) / 1e6 if session.heartbeat_us else None
    return {
        "edge": session.edge,
        "online": session.connected and not session.silent(now.us),
        "starting": session.starting(now.us) and session.edge not in shut_out,
        "revoked": session.edge in shut_out,
        "boot": session.boot or None,
        "proto": session.proto or None,
        "problem": session.problem,
        "health_age_s": None if age_s is None else round(age_s, 3),
        "offset_us": session.offset_us(),
        "rtt_us": session.round_trip_us(),
        "faults": _faults(session),
        "health": dict(session.health),
    }


def _faults(session: Session) -> list[dict[str, Any]]:
    """Return the sensor faults of all boards of an edge, as its health tells them."""
    boards = _maps(session.health.get("boards"))
    return [{"edge": session.edge, **fault} for board in boards for fault in _maps(board.get("faults"))]


def _maps(value: Any) -> list[dict[str, Any]]:
    """Return the maps in a list that an edge sent, none if it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _offline_incident(edge: str, since_utc_us: int | None, revoked: bool) -> dict[str, Any]:
    since = datetime.fromtimestamp((since_utc_us or 0) / 1e6, UTC)
    text = f"{edge} offline since {since:%Y-%m-%dT%H:%M:%SZ}"
    text += f"; its keys are revoked: to let it in again, city keys enroll {edge}" if revoked else ""
    return {"kind": "edge_offline", "edge": edge, "since_utc_us": since_utc_us, "text": text}


def _lease_row(city: City, actuator: str, now: Now) -> dict[str, Any]:
    lease = city.dispatcher.leases[actuator]
    edge = city.registry.edge_of(actuator)
    edge_now_us = city.sessions.by_edge[edge].edge_now_us(now.us) if edge in city.sessions.by_edge else None
    left_ms = None if edge_now_us is None else max(0, lease.until_us - edge_now_us) // 1000
    return {"actuator": actuator, "holder": lease.holder, "fence": lease.fence, "left_ms": left_ms}
