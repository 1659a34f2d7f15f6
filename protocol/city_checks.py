"""Header items of the city link to checked messages, one maker for each kind. CPython."""

from collections.abc import Callable
from typing import Any

from . import checks, task_codes
from .checks import binary, boolean, integer, mapping, name, text
from .city_messages import (
    KEY_SIZE,
    MAX_ACCOUNTS,
    MAX_CREDIT,
    MAX_MESSAGE,
    MAX_PARTS,
    MAX_SPANS,
    MAX_TASK,
    MAX_WAIT_MS,
    Ack,
    AlarmAct,
    AuditHead,
    Batch,
    CityHeartbeat,
    CityHello,
    Clock,
    ClockRecord,
    EdgeHello,
    GapRecord,
    Heartbeat,
    KeyOffer,
    KeyTaken,
    LeaseRequest,
    LeaseState,
    Message,
    Refusal,
    Stored,
    StoredAsk,
    TaskOrder,
    TaskReport,
    ThingInfo,
    Wait,
)
from .errors import FrameError, LimitError
from .ranges import Span
from .record import SIZE as RECORD_SIZE

_U32 = checks.MAX_U32
_Z85 = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#")


def _edge_hello(items: list[Any], _: bytes) -> EdgeHello:
    proto, edge, boot, boottime_us, proto_min, epoch, reflex = items
    integer("EdgeHello.proto", proto, 0, 255)
    integer("EdgeHello.proto_min", proto_min, 0, 255)
    integer("EdgeHello.epoch", epoch)
    name("EdgeHello.edge", edge)
    name("EdgeHello.boot", boot)
    integer("EdgeHello.boottime_us", boottime_us)
    return EdgeHello(proto, edge, boot, boottime_us, proto_min, epoch, _or_none("EdgeHello.reflex", reflex, 32))


def _thing_info(items: list[Any], _: bytes) -> ThingInfo:
    thing, boot, vm, firmware_sha256, manifest, online = items
    name("ThingInfo.thing", thing)
    name("ThingInfo.boot", boot)
    text("ThingInfo.vm", vm, 200)
    text("ThingInfo.firmware_sha256", firmware_sha256, 64)
    mapping("ThingInfo.manifest", manifest)
    boolean("ThingInfo.online", online)
    return ThingInfo(thing, boot, vm, firmware_sha256, manifest, online)


def _clock(items: Any) -> Clock:
    ref_us, ref_utc_us, rate, sigma_us, synced = checks.array("Clock", items, 5, 5)
    integer("Clock.ref_us", ref_us)
    integer("Clock.ref_utc_us", ref_utc_us)
    rate = checks.number("Clock.rate", rate)
    sigma_us = checks.number("Clock.sigma_us", sigma_us)
    boolean("Clock.synced", synced)
    return Clock(ref_us, ref_utc_us, rate, sigma_us, synced)


def _batch(items: list[Any], payload: bytes) -> Batch:
    thing, boot, first, n, clock, rx_us, tx_us = items
    name("Batch.thing", thing)
    name("Batch.boot", boot)
    integer("Batch.first", first, 0, _U32)
    integer("Batch.n", n, 1, MAX_MESSAGE // RECORD_SIZE)
    integer("Batch.rx_us", rx_us)
    integer("Batch.tx_us", tx_us)
    if len(payload) != n * RECORD_SIZE:
        raise FrameError(f"Batch: expected {n} records of {RECORD_SIZE} bytes, found {len(payload)} bytes")
    return Batch(thing, boot, first, n, _clock(clock), rx_us, tx_us, payload)


def _gap_record(items: list[Any], _: bytes) -> GapRecord:
    thing, boot, gap_id, first, end, cause, declared_by = items
    name("GapRecord.thing", thing)
    name("GapRecord.boot", boot)
    integer("GapRecord.gap_id", gap_id)
    checks.span("GapRecord.first, end", [first, end])
    name("GapRecord.cause", cause)
    name("GapRecord.declared_by", declared_by)
    return GapRecord(thing, boot, gap_id, first, end, cause, declared_by)


def _heartbeat(items: list[Any], _: bytes) -> Heartbeat:
    edge, boot, boottime_us, echo_city_us, accounts, health = items
    name("Heartbeat.edge", edge)
    name("Heartbeat.boot", boot)
    integer("Heartbeat.boottime_us", boottime_us)
    integer("Heartbeat.echo_city_us", echo_city_us)
    accounts = [_account(item) for item in checks.array("Heartbeat.accounts", accounts, MAX_ACCOUNTS)]
    return Heartbeat(edge, boot, boottime_us, echo_city_us, accounts, mapping("Heartbeat.health", health))


def _account(item: Any) -> dict[str, Any]:
    account = mapping("Heartbeat.accounts[]", item)
    if set(account) | {"quarantined"} != {"thing", "boot", "sent", "buffered", "quarantined"}:
        raise checks.refuse("Heartbeat.accounts[]", "keys thing, boot, sent, buffered", sorted(account))
    name("account.thing", account["thing"])
    name("account.boot", account["boot"])
    integer("account.sent", account["sent"], 0, _U32)
    kinds = account.keys() & {"buffered", "quarantined"}
    spans = {kind: _spans(f"account.{kind}", account[kind]) for kind in kinds}
    return {**account, **spans}


def _spans(where: str, value: Any) -> list[Span]:
    return [checks.span(where, item) for item in checks.array(where, value, MAX_SPANS)]


def _task_bytes(where: str, payload: bytes) -> bytes:
    """Return the payload if a task can be that long; `tasks.decode` reads it."""
    if len(payload) > MAX_TASK:
        raise LimitError(f"{where}: {len(payload)} bytes, at most {MAX_TASK} allowed")
    return payload


def _task_report(items: list[Any], payload: bytes) -> TaskReport:
    task_id, state, code, said, position, stamps, signature = items
    binary("TaskReport.task_id", task_id, 16)
    integer("TaskReport.state", state, 0, len(task_codes.STATES) - 1)
    integer("TaskReport.code", code, 0, 255)
    text("TaskReport.text", said, 200)
    position = checks.position("TaskReport.position", position)
    stamps = checks.stamps("TaskReport.stamps", stamps)
    signature = _or_none("TaskReport.signature", signature, 64)
    return TaskReport(task_id, state, code, said, position, stamps, signature, _task_bytes("TaskReport.task", payload))


def _lease_state(items: list[Any], _: bytes) -> LeaseState:
    actuator, holder, fence, until_us = items
    name("LeaseState.actuator", actuator)
    text("LeaseState.holder", holder)
    integer("LeaseState.fence", fence)
    integer("LeaseState.until_us", until_us)
    return LeaseState(actuator, holder, fence, until_us)


def _city_hello(items: list[Any], _: bytes) -> CityHello:
    proto, start, epoch, credit = items
    integer("CityHello.proto", proto, 0, 255)
    name("CityHello.start", start)
    integer("CityHello.epoch", epoch)
    return CityHello(proto, start, epoch, _credit("CityHello.credit", credit))


def _credit(where: str, value: Any) -> int:
    return integer(where, value, 0, MAX_CREDIT)


def _ack(items: list[Any], _: bytes) -> Ack:
    thing, boot, ranges, gaps, clocks = items
    name("Ack.thing", thing)
    name("Ack.boot", boot)
    spans = _spans("Ack.ranges", ranges)
    return Ack(thing, boot, spans, _numbers("Ack.gaps", gaps), _numbers("Ack.clocks", clocks))


def _numbers(where: str, value: Any) -> list[int]:
    return [integer(f"{where}[]", item) for item in checks.array(where, value, MAX_SPANS)]


def _city_heartbeat(items: list[Any], _: bytes) -> CityHeartbeat:
    city_us, echo_edge_us, credit = items
    integer("CityHeartbeat.city_us", city_us)
    integer("CityHeartbeat.echo_edge_us", echo_edge_us)
    return CityHeartbeat(city_us, echo_edge_us, _credit("CityHeartbeat.credit", credit))


def _task_order(items: list[Any], payload: bytes) -> TaskOrder:
    return TaskOrder(binary("TaskOrder.signature", items[0], 64), _task_bytes("TaskOrder.task", payload))


def _lease_request(items: list[Any], _: bytes) -> LeaseRequest:
    actuator, holder = items
    return LeaseRequest(name("LeaseRequest.actuator", actuator), name("LeaseRequest.holder", holder))


def _clock_record(items: list[Any], _: bytes) -> ClockRecord:
    thing, boot, number, first_us, end_us, clock = items
    name("ClockRecord.thing", thing)
    name("ClockRecord.boot", boot)
    integer("ClockRecord.number", number)
    checks.span("ClockRecord.first_us, end_us", [first_us, end_us], checks.MAX_I64)
    return ClockRecord(thing, boot, number, first_us, end_us, _clock(clock))


def _stored_ask(items: list[Any], _: bytes) -> StoredAsk:
    return StoredAsk(name("StoredAsk.thing", items[0]), name("StoredAsk.boot", items[1]))


def _stored(items: list[Any], _: bytes) -> Stored:
    thing, boot, epoch, ranges, gaps, part, parts = items
    name("Stored.thing", thing)
    name("Stored.boot", boot)
    integer("Stored.epoch", epoch)
    integer("Stored.parts", parts, 1, MAX_PARTS)
    integer("Stored.part", part, 0, parts - 1)
    spans = _spans("Stored.ranges", ranges)
    return Stored(thing, boot, epoch, spans, _numbers("Stored.gaps", gaps), part, parts)


def _wait(items: list[Any], _: bytes) -> Wait:
    after_ms, reason = items
    return Wait(integer("Wait.after_ms", after_ms, 0, MAX_WAIT_MS), text("Wait.reason", reason, 200))


def _refusal(items: list[Any], _: bytes) -> Refusal:
    code, said = items
    return Refusal(name("Refusal.code", code), text("Refusal.text", said, 200))


def _key_offer(items: list[Any], _: bytes) -> KeyOffer:
    return KeyOffer(_public("KeyOffer.public", items[0]))


def _key_taken(items: list[Any], _: bytes) -> KeyTaken:
    return KeyTaken(_public("KeyTaken.public", items[0]))


def _alarm_act(items: list[Any], _: bytes) -> AlarmAct:
    act_id, instance, what, key, at_utc_us, until_utc_us, who, reason = items
    name("AlarmAct.act_id", act_id)
    name("AlarmAct.instance", instance)
    name("AlarmAct.what", what)
    name("AlarmAct.key", key)
    integer("AlarmAct.at_utc_us", at_utc_us)
    integer("AlarmAct.until_utc_us", until_utc_us)
    text("AlarmAct.who", who)
    return AlarmAct(act_id, instance, what, key, at_utc_us, until_utc_us, who, text("AlarmAct.reason", reason, 200))


def _audit_head(items: list[Any], _: bytes) -> AuditHead:
    log, n, sha256, utc_us, key, sig = items
    name("AuditHead.name", log)
    integer("AuditHead.n", n)
    binary("AuditHead.sha256", sha256, 32)
    integer("AuditHead.utc_us", utc_us)
    binary("AuditHead.key", key, 32)
    return AuditHead(log, n, sha256, utc_us, key, binary("AuditHead.sig", sig, 64))


def _or_none(where: str, value: Any, size: int) -> bytes:
    """Return a bin of that size, or an empty one."""
    return bytes(binary(where, value, size)) if value != b"" else b""


def _public(where: str, value: Any) -> bytes:
    """Return a CURVE key as 40 characters of Z85."""
    if not set(binary(where, value, KEY_SIZE)) <= _Z85:
        raise checks.refuse(where, "40 characters of Z85", value)
    return bytes(value)


MAKERS: dict[type[Any], Callable[[list[Any], bytes], Message]] = {
    EdgeHello: _edge_hello,
    ThingInfo: _thing_info,
    Batch: _batch,
    GapRecord: _gap_record,
    Heartbeat: _heartbeat,
    TaskReport: _task_report,
    LeaseState: _lease_state,
    ClockRecord: _clock_record,
    StoredAsk: _stored_ask,
    KeyOffer: _key_offer,
    CityHello: _city_hello,
    Ack: _ack,
    CityHeartbeat: _city_heartbeat,
    TaskOrder: _task_order,
    LeaseRequest: _lease_request,
    Stored: _stored,
    Wait: _wait,
    Refusal: _refusal,
    KeyTaken: _key_taken,
    AlarmAct: _alarm_act,
    AuditHead: _audit_head,
}
