"""What this node says about itself: /health, /ledger, and the health part of heartbeats. Shapes: README."""

from dataclasses import asdict
from math import isfinite
from typing import Any

from drivers.hints import explain
from processes.estimates import estimate_rows
from protocol import task_codes as codes
from protocol.board_link import ActuatorState, Fault, Status
from protocol.manifest import Manifest

from ..boards.side import port_state
from ..core import Board, Core
from ..fuse import MAX_FILTERS

MAX_REFUSALS = 12


def health(core: Core) -> dict[str, Any]:
    """Return /health; the same goes to the city in heartbeats."""
    now_us = core.now()
    return {
        "edge": core.edge,
        "boot": core.boot,
        "utc_us": core.clock.event_utc_us(now_us),
        "clock": core.clock.health(now_us),
        "boards": [_board(core, board, now_us) for board in core.boards.values()],
        "journal": core.journal.health(),
        "uplink": _uplink(core, now_us),
        "restore": _restore(core),
        "stopped": core.guard.stopped,
        "leases": _leases(core, now_us),
        "processes": [_process(row) for row in core.host.engine.health()],
        "latency": core.hops.summary(),
        "conflicts": core.journal.conflicts,
        "contradictions": core.journal.contradictions.rows(),
        "refused": dict(core.guard.refused),
        "refusals": core.guard.refused.table(now_us, round(core.utc_s() * 1e6), MAX_REFUSALS),
        "audit": core.audit,
        "bad_messages": dict(core.bad),
        "fusion": {"used": core.fusion.used, "unused": core.fusion.unused},
        "quality": _quality(core, now_us),
        "tasks": _tasks(core),
    }


def ledger(core: Core) -> dict[str, Any]:
    """Return /ledger: this node's own view, where `stored` is what the city acked."""
    rows = [asdict(account) for account in core.journal.streams.ledger()]
    names = ("sent", "stored", "buffered", "declared_lost", "quarantined", "unexplained")
    totals = {name: sum(row[name] for row in rows) for name in names}
    return {"edge": core.edge, "accounts": rows, "totals": totals, "balanced": totals["unexplained"] == 0}


def estimates(core: Core) -> list[dict[str, Any]]:
    """Return /estimates: what the processes that run here think, as the city's page of that name."""
    return estimate_rows(core.host.engine, core.host.newest)


def _board(core: Core, board: Board, now_us: int) -> dict[str, Any]:
    session, status = board.session, board.status
    state, hint = port_state(board, now_us - core.guard.started_us)
    synced = session.clock.synced(now_us)
    return {
        "thing": session.thing,
        "port": board.address,
        "link": state,
        "hint": hint[:200],
        "last_seen_s": round((now_us - session.heard_us) / 1e6, 3) if session.heard_us else None,
        "boot": session.boot or None,
        "vm": session.hello.vm if session.hello else None,
        "firmware_sha256": session.hello.firmware_sha256 if session.hello else None,
        "faults": faults(core, board),
        "counters": {**session.all_counters(), "board": status.counters if status else {}},
        "clock": {
            "synced": synced,
            "sigma_us": round(session.clock.sigma_us(now_us)) if synced else None,
            "rtt_us": session.clock.rtt_us,
        },
        "actuators": _actuators(session.manifest, status),
    }


def faults(core: Core, board: Board) -> list[dict[str, Any]]:
    """Return the sensor faults of a board by its last status, each with what it means and what to check."""
    status, manifest = board.status, board.session.manifest
    if status is None or manifest is None or status.boot != board.session.boot:
        return []
    known = [fault for fault in status.faults if fault.sensor < len(manifest.sensors)]
    return [_fault(core, board, manifest, fault) for fault in known]


def _fault(core: Core, board: Board, manifest: Manifest, fault: Fault) -> dict[str, Any]:
    sensor = manifest.sensors[fault.sensor]
    what, check = explain(fault.code, sensor.chip, sensor.bus, sensor.address)
    since_us = board.session.clock.to_edge_us(fault.since_us)
    return {
        "thing": manifest.thing, "sensor": sensor.name, "chip": sensor.chip, "bus": sensor.bus,
        "address": sensor.address, "code": fault.code, "count": fault.count, "what": what, "check": check,
        "since": max(0, core.clock.event_utc_us(since_us)),
    }  # fmt: skip


def _actuators(manifest: Manifest | None, status: Status | None) -> list[dict[str, Any]]:
    if manifest is None or status is None:
        return []
    return [_actuator(manifest, a) for a in status.actuators if a.index < len(manifest.actuators)]


def _actuator(manifest: Manifest, actuator: ActuatorState) -> dict[str, Any]:
    return {
        "actuator": manifest.actuator_id(actuator.index), "state": actuator.state, "reason": actuator.reason,
        "setpoint": _number(actuator.setpoint), "position": _number(actuator.position),
        "lease_left_ms": actuator.lease_left_ms,
    }  # fmt: skip


def _quality(core: Core, now_us: int) -> dict[str, Any]:
    """Return what this node thinks of its channels; while its journal takes nothing no sample is missed."""
    boards = {} if core.journal.refusing else core.boards
    up = {thing: board.session.up_since_us for thing, board in boards.items() if board.session.up}
    found = core.quality.health(now_us, up)
    left_out = [f"{name} is not sent: this node sends {MAX_FILTERS} channels" for name in sorted(core.fusion.left_out)]
    return {**found, "problems": found["problems"] + left_out[:MAX_REFUSALS]}


def _uplink(core: Core, now_us: int) -> dict[str, Any]:
    uplink, presence = core.uplink, core.uplink.presence
    return {
        "connected": uplink.connected,
        "problem": presence.problem[:300] or core.keys.problem,
        "proto": core.city_proto if uplink.connected else None,
        "silent_s": round((now_us - presence.heard_us) / 1e6, 3) if presence.heard_us else None,
        "connections": presence.connections,
        "credit": uplink.pace.credit,
        "window": int(uplink.pace.window),
        "ack_ms": uplink.pace.smoothed_us // 1000,
        "in_flight": len(uplink.flying),
        "waiting": uplink.waiting,
        "draining": uplink.draining,
        "sent": uplink.sent,
        "resent": uplink.resent,
    }


def _restore(core: Core) -> dict[str, Any]:
    """Return how far this node is with a restored city."""
    streams, done = core.journal.streams, core.restored
    return {"epoch": streams.epoch, "streams_left": len(streams.unreconciled()), **asdict(done)}


def _leases(core: Core, now_us: int) -> list[dict[str, Any]]:
    return [
        {
            "actuator": name, "holder": actuator.arbiter.holder(now_us), "fence": actuator.arbiter.fence,
            "setpoint": actuator.active.task.setpoint if actuator.active else None,
            "tripped": actuator.tripped, "risk": actuator.rule.risk, "hazardous": actuator.rule.hazardous,
        }
        for name, actuator in core.guard.actuators.items()
    ]  # fmt: skip


def _process(row: dict[str, Any]) -> dict[str, Any]:
    """Return an instance's health without what only the city keeps."""
    return {name: value for name, value in row.items() if name != "alarms"}


def _tasks(core: Core) -> dict[str, int]:
    counts: dict[str, int] = {}
    for entry in core.guard.entries.values():
        name = codes.STATES[entry.state]
        counts[name] = counts.get(name, 0) + 1
    return counts


def _number(value: float) -> float | None:
    return round(value, 4) if isfinite(value) else None
