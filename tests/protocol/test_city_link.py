"""City link: every message goes round, malformed ones are refused with the field's name."""

import contextlib
import dataclasses

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import city_link, tasks
from protocol import task_codes as codes
from protocol.city_link import Clock
from protocol.errors import FrameError, LimitError, UnknownKindError, VersionError

names = st.text("abc-1./", min_size=1, max_size=20)
u32 = st.integers(0, 2**32 - 1)
times = st.integers(0, 2**62)
reals = st.floats(allow_nan=False, allow_infinity=False)
spans = st.lists(st.tuples(u32, u32).map(sorted).map(tuple), max_size=5)
stamps = st.dictionaries(names, times, max_size=8)
health = st.dictionaries(names, st.one_of(st.none(), reals, u32, st.lists(names, max_size=3)), max_size=5)
clocks = st.builds(Clock, times, times, reals, reals, st.booleans())
credits = st.integers(0, city_link.MAX_CREDIT)
publics = st.text("abcXYZ019#$", min_size=40, max_size=40).map(str.encode)
account = st.fixed_dictionaries(
    {"thing": names, "boot": names, "sent": u32, "buffered": spans}, optional={"quarantined": spans}
)


@st.composite
def batches(draw):
    n = draw(st.integers(1, 64))
    records = draw(st.binary(min_size=12 * n, max_size=12 * n))
    return city_link.Batch(
        draw(names), draw(names), draw(u32), n, draw(clocks), draw(times), draw(times), records
    )


messages = st.one_of(
    st.builds(city_link.EdgeHello, st.integers(0, 255), names, names, times, st.integers(0, 255), times,
              st.sampled_from([b"", bytes(32)])),
    st.builds(city_link.ThingInfo, names, names, names, names, health, st.booleans()),
    batches(),
    st.tuples(u32, u32).map(sorted).flatmap(
        lambda span: st.builds(
            city_link.GapRecord, names, names, u32, st.just(span[0]), st.just(span[1]), names, names
        )
    ),
    st.builds(city_link.Heartbeat, names, names, times, times, st.lists(account, max_size=3), health),
    st.builds(
        city_link.TaskReport, st.binary(min_size=16, max_size=16), st.integers(0, 11), st.integers(0, 16),
        names, reals, stamps, st.sampled_from([b"", bytes(64)]), st.binary(max_size=30),
    ),
    st.builds(city_link.LeaseState, names, st.sampled_from(["city", "edge", "operator", ""]), u32, times),
    st.tuples(times, times).map(sorted).flatmap(
        lambda span: st.builds(
            city_link.ClockRecord, names, names, u32, st.just(span[0]), st.just(span[1]), clocks
        )
    ),
    st.builds(city_link.StoredAsk, names, names),
    st.builds(city_link.KeyOffer, publics),
    st.builds(city_link.CityHello, st.integers(0, 255), names, times, credits),
    st.builds(city_link.Ack, names, names, spans, st.lists(u32, max_size=5), st.lists(u32, max_size=5)),
    st.builds(city_link.CityHeartbeat, times, times, credits),
    st.builds(
        city_link.Stored, names, names, times, spans, st.lists(u32, max_size=5), st.integers(0, 7), st.integers(8, 1024)
    ),
    st.builds(city_link.Wait, st.integers(0, city_link.MAX_WAIT_MS), names),
    st.builds(city_link.Refusal, st.sampled_from(city_link.REFUSALS), names),
    st.builds(city_link.KeyTaken, publics),
    st.builds(city_link.AlarmAct, names, names, names, names, times, times, names, names),
    st.builds(
        city_link.AuditHead, names, times, st.binary(min_size=32, max_size=32), times,
        st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64),
    ),
    st.builds(city_link.TaskOrder, st.binary(min_size=64, max_size=64), st.binary(max_size=100)),
    st.builds(city_link.LeaseRequest, names, names),
)  # fmt: skip

EXAMPLES = [
    city_link.EdgeHello(2, "edge-1", "b", 1, 1, 3, bytes(32)),
    city_link.ThingInfo("river-1", "b", "vm", "00", {}, True),
    city_link.Batch("river-1", "b", 0, 1, Clock(0, 0, 1.0, 1.0, True), 1, 2, bytes(12)),
    city_link.GapRecord("river-1", "b", 1, 0, 5, "overflow", "board"),
    city_link.Heartbeat("edge-1", "b", 1, 1, [{"thing": "t", "boot": "b", "sent": 1, "buffered": []}], {}),
    city_link.TaskReport(bytes(16), 5, 0, "", 0.5, {"board_act": 1}, bytes(64)),
    city_link.LeaseState("gate-1/opening", "city", 1, 5),
    city_link.ClockRecord("river-1", "b", 1, 0, 5, Clock(0, 0, 1.0, 1.0, True)),
    city_link.StoredAsk("river-1", "b"),
    city_link.KeyOffer(b"k" * 40),
    city_link.CityHello(2, "s", 3, 64),
    city_link.Ack("river-1", "b", [(0, 5)], [1], [7]),
    city_link.CityHeartbeat(1, 2, 0),
    city_link.Stored("river-1", "b", 3, [(0, 5)], [1], 0, 1),
    city_link.Wait(500, "1000 nodes at once"),
    city_link.Refusal("revoked", "the key of edge-1 was revoked"),
    city_link.KeyTaken(b"k" * 40),
    city_link.AlarmAct("5f3a", "flood", "ack", "level_stale", 5, 0, "anna", ""),
    city_link.AuditHead("city", 40, bytes(32), 5, bytes(32), bytes(64)),
    city_link.TaskOrder(bytes(64), b"task"),
    city_link.LeaseRequest("gate-1/opening", "city"),
]


@given(messages)
def test_messages_go_round(message):
    assert city_link.decode(city_link.encode(message)) == message


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_each_wrong_field_is_refused(message):
    header, payload = city_link.encode(message)
    items = msgpack.unpackb(header)
    name = type(message).__name__
    for place in range(1, len(items)):
        wrong = [*items[:place], {1: 2}, *items[place + 1 :]]
        with pytest.raises(FrameError, match=f"{name}|Clock|msgpack"):
            city_link.decode([msgpack.packb(wrong), payload])


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_surplus_items_are_ignored_and_missing_appended_ones_take_their_default(message):
    header, payload = city_link.encode(message)
    items = msgpack.unpackb(header)
    for surplus in ([None], [{"a": 1}, "later"], list(range(16))):
        assert city_link.decode([msgpack.packb([*items, *surplus]), payload]) == message
    with pytest.raises(LimitError, match="more than 16 header items"):
        city_link.decode([msgpack.packb([*items, *range(17)]), payload])
    appended = [field for field in dataclasses.fields(message) if "since" in field.metadata]
    for n in range(1, len(appended) + 1):
        found = city_link.decode([msgpack.packb(items[:-n]), payload])
        plain = dataclasses.replace(message, **{field.name: default(field) for field in appended[-n:]})
        assert found == plain != message
    with pytest.raises(FrameError, match="at least"):
        city_link.decode([msgpack.packb(items[: len(items) - len(appended) - 1]), payload])


def default(field):
    return field.default if field.default is not dataclasses.MISSING else field.default_factory()


V1_SIZES = {1: 5, 2: 7, 3: 8, 4: 8, 5: 7, 6: 7, 7: 5, 17: 3, 18: 5, 19: 3, 20: 2, 21: 3}
"""Header items, kind included, that 0.1.0 demanded exactly."""


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_for_version_1_messages_have_the_items_it_demands(message):
    if message.KIND not in V1_SIZES:
        assert not city_link.speaks(type(message), 1)
        with pytest.raises(VersionError, match=type(message).__name__):
            city_link.encode(message, 1)
        return
    header, payload = city_link.encode(message, 1)
    items = msgpack.unpackb(header)
    assert len(items) == V1_SIZES[message.KIND]
    assert items == msgpack.unpackb(city_link.encode(message)[0])[: len(items)]
    assert payload == city_link.encode(message)[1]


def test_version_1_reads_old_epoch_as_foreign():
    report = city_link.TaskReport(bytes(16), 8, 16, "", 0.5)
    assert city_link.decode(city_link.encode(report, 1)).code == 3
    assert city_link.decode(city_link.encode(report)).code == 16


@pytest.mark.parametrize("kind", [0, 11, 16, 28, 255, -1, 2**40])
def test_unknown_kinds_are_told_from_malformed_messages(kind):
    with pytest.raises(UnknownKindError, match=f"kind {kind} is not one of"):
        city_link.decode([msgpack.packb([kind, "whatever"]), b"even a payload"])


def test_kinds_are_unique_and_all_have_an_example():
    kinds = [type(example).KIND for example in EXAMPLES]
    assert len(set(kinds)) == len(kinds) == len(city_link.KINDS)


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_any_parts_are_refused_or_decode(parts):
    with contextlib.suppress(FrameError):
        city_link.decode(parts)


@given(messages, st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_decodes(message, place, mask):
    header, payload = city_link.encode(message)
    changed = bytearray(header)
    changed[place % len(changed)] ^= mask
    with contextlib.suppress(FrameError):
        city_link.decode([bytes(changed), payload])


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([], "2 parts"),
        ([b"\x91\x63", b""], "kind 99 is not one of"),
        ([b"\x80", b""], "begins with a kind"),
        ([b"", b""], "msgpack"),
        ([msgpack.packb([19, 1, 2]), b"x"], "no payload"),
        ([msgpack.packb([19, 1, 2]) + b"\0", b""], "msgpack"),
        ([b"\x91" * 2000 + b"\xc0", b""], "msgpack"),
        ([b"\x91" * 40 + b"\xc0", b""], "nested deeper"),
        ([b"\xdc\x20\x01" + b"\x80" * 0x2001, b""], "msgpack"),
        ([b"\x92" + (b"\xdc\x10\x01" + b"\x80" * 0x1001) * 2, b""], "more than 8192"),
        ([b"\x92\x05\x82\xa1a\x01\xa1a\x02", b""], "duplicate"),
        ([b"\x92\x05\xd4\x01\x02", b""], "msgpack"),
    ],
)
def test_malformed_parts_are_refused(parts, error):
    with pytest.raises(FrameError, match=error):
        city_link.decode(parts)


def test_too_large_a_message_is_neither_sent_nor_read():
    order = city_link.TaskOrder(bytes(64), bytes(city_link.MAX_MESSAGE))
    with pytest.raises(LimitError):
        city_link.encode(order)
    with pytest.raises(LimitError):
        city_link.decode([b"", bytes(city_link.MAX_MESSAGE + 1)])


def test_a_batch_has_as_many_records_as_it_says():
    batch = dataclasses.replace(EXAMPLES[2], n=2)
    with pytest.raises(FrameError, match="expected 2 records of 12 bytes, found 12"):
        city_link.decode(city_link.encode(batch))


def test_clock_maps_stamps_to_event_time():
    clock = Clock(ref_us=1_000_000, ref_utc_us=1_348_000_000_000_000, rate=480.0, sigma_us=100.0, synced=True)
    found = clock.to_utc(np.array([1_000_000, 1_000_001, 0], np.int64))
    assert found.dtype == np.int64
    assert (found - clock.ref_utc_us).tolist() == [0, 480, -480_000_000]


task_fields = {
    "task_id": st.binary(min_size=16, max_size=16),
    "actuator": names,
    "setpoint": reals,
    "lease_ms": st.integers(0, tasks.MAX_LEASE_MS),
    "instance": names,
    "step_utc_us": times,
    "edge": names,
    "edge_boot": names,
    "not_after_us": times,
    "fence": u32,
    "causes": st.lists(st.tuples(names, names, u32), max_size=5),
    "stamps": stamps,
    "reason": st.text(max_size=50),
    "epoch": times,
}


@given(st.builds(tasks.Task, **task_fields))
def test_tasks_go_round(task):
    assert tasks.decode(tasks.encode(task)) == task


def test_a_task_of_version_1_has_epoch_0_and_surplus_items_are_ignored():
    whole = tasks.Task(
        bytes(16), "gate-1/opening", 0.5, 3000, "flood", 1, "edge-1", "b", 1, 1,
        epoch=5, verb=tasks.SELECT, rank="operator", person="anna", approved=["ben"],
    )  # fmt: skip
    items = msgpack.unpackb(tasks.encode(whole))
    assert len(items) == 18
    plain = dataclasses.replace(whole, epoch=0, verb=0, rank="city", person="", approved=[])
    assert tasks.decode(msgpack.packb(items[:13])) == plain
    assert tasks.decode(msgpack.packb(items[:14])) == dataclasses.replace(plain, epoch=5)
    assert tasks.decode(msgpack.packb([*items, *range(16)])) == whole
    for wrong in (items[:12], [*items, *range(17)]):
        with pytest.raises(FrameError, match="task: expected an array"):
            tasks.decode(msgpack.packb(wrong))


def test_a_task_without_an_epoch_is_what_version_1_takes():
    task = tasks.Task(bytes(16), "gate-1/opening", 0.5, 3000, "flood", 1, "edge-1", "b", 1, 1)
    assert len(msgpack.unpackb(tasks.encode(task))) == 13
    assert len(msgpack.unpackb(tasks.encode(dataclasses.replace(task, epoch=1)))) == 14


@pytest.mark.parametrize(
    ("changes", "n"), [({"verb": tasks.TRIP}, 15), ({"rank": "operator"}, 16), ({"person": "anna"}, 17)]
)
def test_a_task_has_one_encoding_without_what_is_as_by_default_at_its_end(changes, n):
    task = tasks.Task(bytes(16), "gate-1/opening", 0.5, 3000, "flood", 1, "edge-1", "b", 1, 1, **changes)
    assert len(msgpack.unpackb(tasks.encode(task))) == n and tasks.decode(tasks.encode(task)) == task


@pytest.mark.parametrize(
    ("state", "code", "old"),
    [
        (codes.REFUSED, codes.APPROVAL_ABSENT, (codes.REFUSED, codes.UNAUTHORISED)),
        (codes.CANCELLED, codes.CODE_CANCELLED, (codes.FAILED, codes.UNAUTHORISED)),
        (codes.REFUSED, codes.OLD_EPOCH, (codes.REFUSED, codes.FOREIGN)),
        (codes.FAILED, codes.NOT_OBSERVED, (codes.FAILED, codes.NOT_OBSERVED)),
    ],
)
def test_states_and_codes_of_version_2_are_said_in_words_of_version_1(state, code, old):
    report = city_link.TaskReport(bytes(16), state, code, "x", 0.5, {})
    for proto, expected in ((1, old), (2, (state, code))):
        found = city_link.decode(city_link.encode(report, proto))
        assert (found.state, found.code) == expected


def test_a_code_of_a_later_version_is_taken_as_a_number():
    report = city_link.TaskReport(bytes(16), codes.REFUSED, 200, "x", 0.5, {})
    assert city_link.decode(city_link.encode(report)) == report and 200 not in codes.CODES


def test_a_setpoint_written_as_an_integer_is_read_as_the_number_that_is_written_again():
    task = tasks.Task(bytes(16), "gate-1/opening", 0.5, 3000, "flood", 1, "edge-1", "b", 1, 1)
    items = msgpack.unpackb(tasks.encode(task))
    found = tasks.decode(msgpack.packb([*items[:2], 2**63 - 1, *items[3:]]))
    assert type(found.setpoint) is float and tasks.decode(tasks.encode(found)) == found


def test_a_hello_of_version_0_is_read_so_that_it_can_be_refused():
    hello = city_link.decode([msgpack.packb([1, 0, "edge-1", "b", 1]), b""])
    assert (hello.proto, hello.proto_min) == (0, 1)


WRONG = {
    "task_id": bytes(15), "actuator": "", "setpoint": float("nan"), "lease_ms": -1, "instance": "x" * 65,
    "step_utc_us": -1, "edge": "", "edge_boot": 5, "not_after_us": 1.5, "fence": -1, "stamps": {"a": -1},
    "reason": "x" * 201, "causes": [("a", "b", 1)] * 33, "epoch": -1,
}  # fmt: skip


@pytest.mark.parametrize("field", WRONG)
def test_wrong_task_fields_are_named(field):
    good = tasks.Task(bytes(16), "gate-1/opening", 0.5, 3000, "flood", 1, "edge-1", "b", 1, 1)
    with pytest.raises(FrameError, match=f"task.{field}"):
        tasks.encode(dataclasses.replace(good, **{field: WRONG[field]}))


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_as_a_task(data):
    with pytest.raises(FrameError):
        tasks.decode(data)


def test_signature_is_of_the_bytes():
    private, public = tasks.new_keys()
    signature = tasks.sign(private, b"task")
    assert len(signature) == tasks.SIGNATURE_SIZE
    assert tasks.verify(public, b"task", signature)
    assert not tasks.verify(public, b"tasK", signature)
    assert not tasks.verify(public, b"task", bytes(64))
    assert not tasks.verify(tasks.new_keys()[1], b"task", signature)
    assert not tasks.verify(b"short", b"task", signature)


def test_task_id_depends_on_instance_step_and_port_alone():
    assert tasks.task_id("flood", 5, "gate") == tasks.task_id("flood", 5, "gate")
    others = {tasks.task_id(*args) for args in [("flood", 5, "gate"), ("flood", 6, "gate"), ("a", 5, "gate")]}
    assert len(others | {tasks.task_id("flood", 5, "gate2")}) == 4
    assert len(tasks.task_id("flood", 5, "gate")) == 16


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"sent": -1}, "account.sent"),
        ({"buffered": [[5, 1]]}, "account.buffered"),
        ({"buffered": [[0, 1]] * 1025}, "account.buffered"),
        ({"quarantined": 1}, "account.quarantined"),
        ({"extra": 1}, "keys thing, boot, sent, buffered"),
    ],
)
def test_accounts_are_checked(change, error):
    account = {"thing": "t", "boot": "b", "sent": 1, "buffered": [], **change}
    beat = city_link.Heartbeat("edge-1", "b", 1, 1, [account], {})
    with pytest.raises(FrameError, match=error):
        city_link.decode(city_link.encode(beat))
