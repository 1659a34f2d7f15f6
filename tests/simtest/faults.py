"""Faults: what can go wrong, drawn from the seed as a list of (when, what, where, how long, how much).

To add one: a `Kind` in KINDS with `begin(sim, fault)` and, if it lasts, `end(sim, fault)`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack

from protocol.board_link import build_frame

from .hostile import follow_orders, forged_acks, orders_after_restart, stale_acks, stop_following, wrong_commands
from .world import SECOND


@dataclass(frozen=True)
class Fault:
    """One fault: begins at `at_us`, lasts `for_us`, hits `where`; `much` in [0, 1) says how hard."""

    at_us: int
    kind: str
    where: str
    for_us: int
    much: float


Act = Callable[[Any, Fault], None]


@dataclass(frozen=True)
class Kind:
    """`where`: "board", "edge" or "city"; typical seconds it lasts; relative frequency."""

    where: str
    begin: Act
    end: Act | None = None
    lasts_s: float = 60.0
    weight: float = 1.0


def _set(owner: str, name: str, on: Any, off: Any) -> tuple[Act, Act]:
    """Return begin and end of a fault that sets an attribute of a part of the simulation."""

    def put(sim: Any, fault: Fault, value: Any) -> None:
        setattr(sim.part(owner, fault.where), name, value(fault) if callable(value) else value)

    return lambda sim, fault: put(sim, fault, on), lambda sim, fault: put(sim, fault, off)


def _flash_cut(sim: Any, fault: Fault) -> None:
    board = sim.boards[fault.where]
    board.flash.cut = "" if board.impostor else "before" if fault.much < 0.5 else "after"


def _board_off(sim: Any, fault: Fault) -> None:
    """Power goes: at rest, or in the middle of many samples, whose link may have gone before."""
    board = sim.boards[fault.where]
    if fault.much < 0.7:
        board.hurry(300)
        if fault.much < 0.4:
            board.line.plug(False)
        sim.world.after(int(8 * SECOND * fault.much), board.power_cycle, "power cut", fault.for_us)
        sim.world.after(10 * SECOND, board.line.plug, True)
    else:
        board.power_cycle("power cut", fault.for_us)


def _plug(sim: Any, fault: Fault) -> None:
    sim.boards[fault.where].line.plug(False)


def _unplug_end(sim: Any, fault: Fault) -> None:
    sim.boards[fault.where].line.plug(True)


def _flurry(sim: Any, fault: Fault) -> None:
    """Let boards sample often for some seconds, so that a crash finds much under way."""
    for board in sim.boards.values():
        if fault.where in ("city", board.plan.edge):
            board.hurry(400)
            sim.world.after(4 * SECOND, board.hurry, 0)


def _kill(sim: Any, fault: Fault) -> None:
    _flurry(sim, fault)
    sim.world.after(int(4 * SECOND * fault.much), sim.host(fault.where).kill, "killed", False)


def _power(sim: Any, fault: Fault) -> None:
    _flurry(sim, fault)
    sim.world.after(int(4 * SECOND * fault.much), sim.host(fault.where).kill, "power cut", True)


def _cut(sim: Any, fault: Fault) -> None:
    _flurry(sim, fault)
    sim.host(fault.where).drive.cut_next = True


def _cut_end(sim: Any, fault: Fault) -> None:
    sim.host(fault.where).drive.cut_next = False


def _block(sim: Any, fault: Fault) -> None:
    wire = sim.wires[fault.where]
    wire.blocked = {"up": fault.much < 0.66, "down": fault.much > 0.33}


def _unblock(sim: Any, fault: Fault) -> None:
    sim.wires[fault.where].unblock()


def _reset(sim: Any, fault: Fault) -> None:
    sim.wires[fault.where].reset()


def _utc(sim: Any, fault: Fault) -> None:
    sim.host(fault.where).utc_error_us = int((fault.much - 0.5) * 28 * 24 * 3600 * SECOND)


def _slow_disk(sim: Any, fault: Fault, on: bool) -> None:
    committer = sim.host(fault.where).committer
    if committer is not None:
        committer.slow_us = int(fault.much * 3 * SECOND) if on else 0


def _probe(sim: Any, fault: Fault, on: bool) -> None:
    board = sim.boards[fault.where]
    if board.alive:
        board.probe.error = on


def _forge(sim: Any, fault: Fault) -> None:
    """Somebody writes on the wire: an old command again, one with a wrong MAC, or another board's."""
    board, much = sim.boards[fault.where], fault.much
    commands = sim.oracle.acting.commands
    source = fault.where if much < 0.7 else sorted(sim.boards)[int(much * 1e6) % len(sim.boards)]
    known = commands.get(source)
    if known:
        kind, payload, mac = msgpack.unpackb(known[int(much * 1e6) % len(known)])
        if much < 0.3:
            mac = bytes(32)
        board.line.inject("b", build_frame(bytes(msgpack.packb([kind, payload, mac]))))


def _order_again(sim: Any, fault: Fault) -> None:
    """An old order comes once more over the city link."""
    known, wire = sim.oracle.acting.orders.get(fault.where), sim.wires[fault.where]
    if known and wire.connection is not None:
        wire.send(wire.connection, "down", known[int(fault.much * len(known))])


def _rotate(sim: Any, fault: Fault) -> None:
    """A node changes its key."""
    sim.edges[fault.where].offer_key()


def _revoke(sim: Any, fault: Fault) -> None:
    """Somebody revokes a node's keys; later the node is enrolled with a new one."""
    if sim.city.alive and sim.city.core.ring.edges().count(fault.where):
        sim.revoke(fault.where)


def _enrol(sim: Any, fault: Fault) -> None:
    sim.enrol(fault.where)


def _backup(sim: Any, fault: Fault) -> None:
    sim.city.backup()


def _restore(sim: Any, fault: Fault) -> None:
    sim.city.restore(fault.much)


def _impostor(sim: Any, fault: Fault) -> None:
    """A message under a key that is dead, or none at all, is in the city's socket in spite of the gate."""
    sim.impostor(fault.where, fault.much)


def _owes(node: Any) -> bool:
    """Whether a board has samples or losses to tell: with another boot file nobody would ever hear of them."""
    losses = node.link.losses
    return bool(
        node.ring.head != node.ring.tail or node.boot.gaps or losses.overflows or losses.floor() < node.ring.tail
    )


def _old_flash(sim: Any, fault: Fault) -> None:
    """A board starts with an older copy of its boot file: its boot id comes again, and must not be believed."""
    board = sim.boards[fault.where]
    edge = sim.edges[board.plan.edge]
    known = board.alive and board.first_state and board.stream.count("edge_durable") and not _owes(board.node)
    if known and edge.alive and board.stream.boot in edge.core.boards[board.thing].session.nonces:
        board.power_off("to put an older copy of its flash in")
        board.flash.files["state.json"], board.flash.cut = board.first_state, ""
        board.impostor = True
        board.power_on()


def _new_flash(sim: Any, fault: Fault) -> None:
    """Somebody deletes the old boot file and restarts the board, as the edge node says."""
    board = sim.boards[fault.where]
    if board.impostor:
        board.power_off("to delete its boot file")
        board.flash.files.clear()
        board.impostor = False
        board.power_on()


def _rot(sim: Any, fault: Fault) -> None:
    """A batch in a journal decays on disk."""
    for connection in sim.edges[fault.where].drive.databases.values():
        rows = connection.execute("SELECT id, stored FROM batches ORDER BY id DESC LIMIT 20").fetchall()
        if rows and not connection.in_transaction:
            row, stored = rows[int(fault.much * len(rows))]
            at = int(fault.much * 1e6) % len(stored)
            decayed = stored[:at] + bytes([stored[at] ^ 0x10]) + stored[at + 1 :]
            connection.execute("UPDATE batches SET stored = ? WHERE id = ?", (decayed, row))


def _storm(sim: Any, fault: Fault) -> None:
    """A board samples many times as often; in half of the cases with its plug pulled, so that the ring fills."""
    board = sim.boards[fault.where]
    board.hurry(200 + int(fault.much * 600))
    if fault.much < 0.5:
        board.line.plug(False)


def _storm_end(sim: Any, fault: Fault) -> None:
    sim.boards[fault.where].hurry(0)
    sim.boards[fault.where].line.plug(True)


def _dark(sim: Any, fault: Fault) -> None:
    """The plug is pulled, and power goes some time later, once or more: nobody hears of what is lost in between."""
    board = sim.boards[fault.where]
    board.line.plug(False)
    board.hurry(2000)
    for n in range(1 + int(fault.much * 3)):
        sim.world.after(int((24 + 50 * fault.much) * (n + 1) * SECOND), board.power_cycle, "power cut", SECOND)


def _light(sim: Any, fault: Fault) -> None:
    sim.boards[fault.where].hurry(0)
    sim.boards[fault.where].line.plug(True)


def _deaf(sim: Any, fault: Fault) -> None:
    """A board will hear nothing any more once it has an output on for long."""
    sim.boards[fault.where].loses_wire = True


def _deaf_end(sim: Any, fault: Fault) -> None:
    sim.boards[fault.where].loses_wire = sim.boards[fault.where].line.cut_to_board = False


def _stranger(sim: Any, fault: Fault) -> None:
    """Somebody whose key nobody knows tries to speak for an edge node."""
    sim.stranger(fault.where)


KINDS: dict[str, Kind] = {
    "noise": Kind("board", *_set("line", "noise", lambda fault: 0.3 * fault.much**2, 0.0), lasts_s=120, weight=2),
    "unplugged": Kind("board", _plug, _unplug_end, lasts_s=90),
    "rx wire cut": Kind("board", *_set("line", "cut_to_edge", True, False), lasts_s=70),
    "tx wire cut": Kind("board", *_set("line", "cut_to_board", True, False), lasts_s=70),
    "deaf at work": Kind("board", _deaf, _deaf_end, lasts_s=300, weight=3),
    "line stalls": Kind("board", lambda s, f: s.boards[f.where].line.stall(f.for_us), lasts_s=7),
    "board power": Kind("board", _board_off, lasts_s=5, weight=2),
    "flash cut": Kind("board", _flash_cut),
    "sensor fault": Kind("board", lambda s, f: _probe(s, f, True), lambda s, f: _probe(s, f, False), lasts_s=100),
    "forged command": Kind("board", _forge, weight=3),
    "storm": Kind("board", _storm, _storm_end, lasts_s=15, weight=3),
    "old flash": Kind("board", _old_flash, _new_flash, lasts_s=100),
    "rot in journal": Kind("edge", _rot, weight=2),
    "order again": Kind("edge", _order_again, weight=2),
    "orders follow": Kind("edge", follow_orders, stop_following, lasts_s=200, weight=3),
    "orders after restart": Kind("edge", orders_after_restart),
    "disk stalls at order": Kind("edge", *_set("edge", "stalls", True, False), lasts_s=100),
    "batches cut anew": Kind("edge", *_set("edge", "recuts", True, False), lasts_s=60),
    "city killed at order": Kind("city", *_set("city", "dies_at_order", True, False), lasts_s=200),
    "wrong command": Kind("board", wrong_commands, weight=3),
    "stale acks": Kind("board", stale_acks),
    "forged acks": Kind("board", forged_acks, weight=2),
    "dark power": Kind("board", _dark, _light, lasts_s=200),
    "stranger": Kind("edge", _stranger),
    "key rotation": Kind("edge", _rotate, weight=2),
    "key revoked": Kind("edge", _revoke, _enrol, lasts_s=60),
    "impostor": Kind("edge", _impostor, weight=2),
    "backup": Kind("city", _backup, weight=2),
    "restore": Kind("city", _restore, weight=1),
    "edge killed": Kind("edge", _kill, weight=2),
    "edge power": Kind("edge", _power),
    "edge cut in commit": Kind("edge", _cut, _cut_end, weight=2),
    "edge disk fails": Kind("edge", *_set("drive", "failing", True, False)),
    "edge disk full": Kind("edge", *_set("drive", "full", True, False), lasts_s=90),
    "edge disk slow": Kind("edge", lambda s, f: _slow_disk(s, f, True), lambda s, f: _slow_disk(s, f, False)),
    "edge clock jump": Kind("edge", _utc),
    "link reset": Kind("edge", _reset, weight=2),
    "link blocked": Kind("edge", _block, _unblock, lasts_s=120, weight=3),
    "link slow": Kind("edge", *_set("wire", "latency_us", lambda fault: int(1000 + fault.much * 900_000), 2000)),
    "city killed": Kind("city", _kill, weight=2),
    "city power": Kind("city", _power),
    "city cut in commit": Kind("city", _cut, _cut_end, weight=2),
    "city disk fails": Kind("city", *_set("drive", "failing", True, False)),
    "city disk full": Kind("city", *_set("drive", "full", True, False), lasts_s=90),
    "city disk slow": Kind("city", lambda s, f: _slow_disk(s, f, True), lambda s, f: _slow_disk(s, f, False)),
    "city paused": Kind("city", *_set("city", "paused", True, False), lasts_s=60),
}
