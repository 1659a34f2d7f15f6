"""What somebody else writes on the wires: orders and commands that must be refused, each with the refusal it earns.

Orders follow a genuine one at once, when lease, deadline and links are good, so that only the one thing that is
wrong with them stands between them and an output. `Injected` knows them all; the oracle asks it.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import msgpack

from protocol import task_codes as codes
from protocol.board_link import build_frame, encode_ack, encode_signed_ack
from protocol.commands import encode_task_payload
from protocol.tasks import OPERATE

from . import plan
from .world import SECOND, Violation

ORDER = 20
LINK_MODE = 1
FAR_US = 3 * 3600 * SECOND
ORDER_OF_CHECKS = (
    codes.UNSIGNED, codes.FOREIGN, codes.OLD_EPOCH, codes.STALE_CLOCK, codes.CODE_EXPIRED, codes.NO_ACTUATOR,
    codes.OUT_OF_RANGE, codes.LINK_DOWN, codes.TRIPPED, codes.INTERLOCKED, codes.APPROVAL_ABSENT, codes.STALE_EVIDENCE,
    codes.LEASE_HELD, codes.NOT_SELECTED,
)  # fmt: skip


class Injected:
    """Orders and commands that nobody may obey, by task id: what is wrong with them, and the code they earn."""

    def __init__(self, coverage: Any) -> None:
        self._coverage = coverage
        self.orders: dict[bytes, tuple[str, int]] = {}
        self.commands: dict[bytes, tuple[str, int]] = {}

    def order_taken(self, edge: str, task_id: bytes) -> None:
        """A guard means to execute an order. Raises: Violation if it is one of these."""
        if task_id in self.orders:
            raise Violation("bad_order_taken", f"{edge} takes an order that is wrong: {self.orders[task_id][0]}")

    def order_answered(self, edge: str, task_id: bytes, state: int, code: int) -> None:
        """A guard reports; the code is the one earned, or that of an earlier check. Raises: Violation."""
        if task_id not in self.orders:
            return
        why, earned = self.orders[task_id]
        early = code in ORDER_OF_CHECKS and ORDER_OF_CHECKS.index(code) <= ORDER_OF_CHECKS.index(earned)
        if state not in (codes.REFUSED, codes.EXPIRED) or not (early or code == codes.STALE_CLOCK):
            text = f"{edge} answers {codes.STATES[state]}, code {codes.CODES.get(code, code)}, to an order: {why}"
            raise Violation("refusal", text)
        self._coverage.take("bad order", why, "refused" if code == earned else "refused for more")

    def command_answered(self, thing: str, task_id: bytes, state: int, code: int) -> None:
        """A board reports. Raises: Violation."""
        if task_id not in self.commands:
            return
        why, earned = self.commands[task_id]
        if (state, code) != (codes.REFUSED, earned):
            text = f"{thing} answers {codes.STATES[state]}, code {codes.CODES.get(code, code)}, to a command: {why}"
            raise Violation("refusal", text)
        self._coverage.take("bad command", why, "refused")


def _fenced(task: list[Any], sim: Any, edge: Any) -> None:
    task[9] -= 1


def _dated(task: list[Any], sim: Any, edge: Any) -> None:
    known = max(sim.oracle.acting.epochs.get(edge.name, 0), task[13] if len(task) > 13 else 0)
    if known > 1:
        task[13:14] = [known - 1]


def _elsewhere(task: list[Any], sim: Any, edge: Any) -> None:
    task[6] = "edge-9"


def _other_boot(task: list[Any], sim: Any, edge: Any) -> None:
    task[7] = "0badcafe-7"


def _late(task: list[Any], sim: Any, edge: Any) -> None:
    task[8] = edge.now() - SECOND // 10


def _far(task: list[Any], sim: Any, edge: Any) -> None:
    task[8] = edge.now() + FAR_US


def _too_high(task: list[Any], sim: Any, edge: Any) -> None:
    task[2] = 7.0


def _alone(task: list[Any], sim: Any, edge: Any) -> None:
    del task[17:]


def _nothing(task: list[Any], sim: Any, edge: Any) -> None: ...


WRONG: tuple[tuple[str, int, Callable[[list[Any], Any, Any], None]], ...] = (
    ("nobody signed it", codes.UNSIGNED, _nothing),
    ("its fence is an old one", codes.LEASE_HELD, _fenced),
    ("its epoch is an old one", codes.OLD_EPOCH, _dated),
    ("it is for another node", codes.FOREIGN, _elsewhere),
    ("it is for another boot", codes.STALE_CLOCK, _other_boot),
    ("its deadline is over", codes.CODE_EXPIRED, _late),
    ("its deadline is hours ahead", codes.STALE_CLOCK, _far),
    ("its setpoint is out of range", codes.OUT_OF_RANGE, _too_high),
    ("nobody else approved it", codes.APPROVAL_ABSENT, _alone),
    ("nobody selected it", codes.NOT_SELECTED, _nothing),
)


def _chosen(task: list[Any], rng: Any) -> tuple[str, int, Callable[[list[Any], Any, Any], None]]:
    """Return what shall be wrong: often that which only this actuator's rule minds."""
    rule = plan.rule(task[1])
    if rng.random() < 0.5 and rule.hazardous:
        return WRONG[-1]
    if rng.random() < 0.7 and rule.approvals > 1:
        return WRONG[-2]
    return WRONG[rng.randrange(len(WRONG))]


def follow_orders(sim: Any, fault: Any) -> None:
    """From now on each genuine order that arrives is followed by a wrong one, drawn from a stream of its own."""
    edge, rng = sim.edges[fault.where], sim.world.rng(f"hostile {fault.at_us}")

    def follow(parts: list[bytes]) -> None:
        why, earned, spoil = _chosen(msgpack.unpackb(parts[1]), rng)
        sim.world.after(rng.randrange(1, SECOND), send_wrong, sim, edge, parts, (why, earned, spoil, rng.randbytes(16)))

    edge.on_order = follow


def stop_following(sim: Any, fault: Any) -> None:
    """Orders are alone again."""
    sim.edges[fault.where].on_order = None


def send_wrong(sim: Any, edge: Any, parts: list[bytes], how: tuple[Any, ...]) -> None:
    """Spoil an order and send it, if there is a connection."""
    why, earned, spoil, task_id = how
    if not edge.alive or edge.wire.connection is None:
        return
    task = msgpack.unpackb(parts[1])
    before, verb = list(task), task[14] if len(task) > 14 else OPERATE
    if verb != OPERATE or (earned == codes.NOT_SELECTED and not plan.rule(task[1]).hazardous):
        return
    task[0] = task_id
    spoil(task, sim, edge)
    if task[1:] == before[1:] and earned not in (codes.UNSIGNED, codes.NOT_SELECTED):
        return
    payload = bytes(msgpack.packb(task))
    signature = msgpack.unpackb(parts[0])[1] if earned == codes.UNSIGNED else plan.sign(payload)
    sim.oracle.acting.injected.orders[task_id] = why, earned
    edge.wire.send(edge.wire.connection, "down", (bytes(msgpack.packb([ORDER, signature])), payload))


def orders_after_restart(sim: Any, fault: Any) -> None:
    """An edge node is killed; once it is back, its last orders come again."""
    edge = sim.edges[fault.where]
    edge.kill("killed before its orders come again", False)
    sim.world.after(200_000 + int(fault.much * 2 * SECOND), edge.revive)
    _once(sim, lambda: edge.alive and edge.core.uplink.connected, lambda: _again(sim, edge), 60)


def _again(sim: Any, edge: Any) -> None:
    for parts in sim.oracle.acting.orders.get(edge.name, [])[-8:]:
        if edge.wire.connection is not None:
            edge.wire.send(edge.wire.connection, "down", parts)


def _once(sim: Any, ready: Callable[[], bool], then: Callable[[], None], seconds: int) -> None:
    """Call `then` as soon as `ready`, looked at every half second for so long."""
    if ready():
        then()
    elif seconds > 0:
        sim.world.after(SECOND // 2, _once, sim, ready, then, seconds - 0.5)


def wrong_commands(sim: Any, fault: Any) -> None:
    """Signed as a board's own, but of an earlier start; of another board; under a counter that was used."""
    board = sim.boards[fault.where]
    desk = sim.oracle.acting.desks.get(fault.where)
    if desk is None or not board.plan.actuators or board.node.link.mode != LINK_MODE:
        return
    rng = sim.world.rng(f"hostile {fault.at_us}")
    key, nonce, counter = desk.key, desk.nonce, board.node.desk._counter + 1
    why, earned = (
        ("its nonce is of another start", codes.FOREIGN),
        ("it is signed for another board", codes.UNSIGNED),
        ("its counter was used", codes.REPLAYED),
    )[rng.randrange(3)]
    if earned == codes.FOREIGN:
        nonce = rng.randbytes(8)
    elif earned == codes.UNSIGNED:
        key = plan.board_key(f"not {fault.where}")
    elif counter < 1:
        return
    else:
        counter -= 1
    task_id, clock = rng.randbytes(16), board.node.clock
    place = rng.randrange(len(board.plan.actuators))
    payload = encode_task_payload(nonce, counter, task_id, place, 1.0, clock.wrap + 1, clock.ticks, 40_000)
    mac = hmac.new(key, payload, hashlib.sha256).digest()
    sim.oracle.acting.injected.commands[task_id] = why, earned
    board.line.inject("b", build_frame(bytes(msgpack.packb([7, payload, mac]))))


def stale_acks(sim: Any, fault: Any) -> None:
    """A board restarts, and acks of its earlier start come out of some buffer while it has much to tell."""
    board = sim.boards[fault.where]
    if not board.alive or board.impostor:
        return
    boot = board.stream.boot
    board.power_cycle("restart", SECOND // 2)
    _once(sim, lambda: board.alive and board.node.link.mode == LINK_MODE, lambda: _stale(sim, board, boot), 110)


def _stale(sim: Any, board: Any, boot: str) -> None:
    """The link is up again: acks of another start among many new samples."""
    board.hurry(150)
    for n in range(40):
        sim.world.after(n * SECOND // 10, board.line.inject, "b", build_frame(encode_ack(boot, [(0, 4000)], [])))
    sim.world.after(5 * SECOND, board.hurry, 0)


def forged_acks(sim: Any, fault: Any) -> None:
    """Somebody acks what a board has just sampled: unsigned, with another board's key, under another nonce."""
    board, rng = sim.boards[fault.where], sim.world.rng(f"hostile {fault.at_us}")
    if board.alive and not board.impostor:
        board.hurry(150)
        for n in range(20):
            sim.world.after(n * SECOND // 10, _forge_ack, sim, board, rng.randrange(3), rng.randbytes(8))
        sim.world.after(5 * SECOND, board.hurry, 0)


def _forge_ack(sim: Any, board: Any, how: int, nonce: bytes) -> None:
    desk = sim.oracle.acting.desks.get(board.thing)
    if desk is None or not desk.signs or board.impostor or board.node.link.mode != LINK_MODE:
        return
    key = desk.key if how == 1 else plan.board_key(f"not {board.thing}")
    nonce = nonce if how == 1 else desk.nonce
    spans = [(0, board.stream.n)]
    sign = lambda data: hmac.new(key, data, hashlib.sha256).digest()  # noqa: E731
    signed = encode_signed_ack(sign, nonce, board.stream.boot, spans)
    board.line.inject("b", build_frame(signed if how else encode_ack(board.stream.boot, spans)))
