"""The host's side of the board link: what boards say, typed and checked."""

import contextlib
import json
import math
import struct
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import board_link, commands, frames, mac
from protocol.errors import FrameError, LimitError, UnknownKindError
from protocol.host_decoder import HostDecoder

VECTORS = Path(__file__).parents[2] / "protocol/vectors"
CASES = json.loads((VECTORS / "to_host.json").read_text())
BODIES = {case["name"]: bytes.fromhex(case["body"]) for case in CASES}
KEY = bytes(range(32))
u32 = st.integers(0, 2**32 - 1)


def test_golden_bodies_become_messages():
    found = {name: board_link.decode_board(body) for name, body in BODIES.items()}
    boot = "0badcafe-12"
    record = struct.pack("<BB6sf", 0, 1, bytes(6), 1.5)
    vm = "MicroPython v1.29"
    assert found == {
        "hello": board_link.Hello(2, 70000, "river-1", boot, bytes(range(8)), vm, "00" * 32, b"\x80"),
        "samples": board_link.Samples(boot, 65536, record * 2),
        "status": board_link.Status(
            boot, 2**30 + 5, 10, 20, 3,
            [board_link.Fault(1, 7, 300, 2 * 2**30 + 9)],
            [board_link.ActuatorState(0, 1, 0, 0.5, 0.25, 2900)],
            {"crc": 100000},
        ),
        "log": board_link.Log(30, "sensor level is silent"),
        "sync": board_link.SyncReply(77, 2**30 + 2, 2**30 + 300),
        "task_result": board_link.TaskResult(boot, bytes(range(16)), 5, 0, 3 * 2**30 + 4, 0.75),
        "gap": board_link.Gap(boot, 2, 100, 164, "overflow"),
        "earlier": board_link.Samples(boot, 65536, record * 2, earlier=True),
    }  # fmt: skip
    assert found["samples"].n == 2


@pytest.mark.parametrize("name", BODIES)
def test_wrong_types_and_lengths_are_refused_and_named(name):
    items = msgpack.unpackb(BODIES[name])
    for place in range(1, len(items)):
        wrong = [*items[:place], {"x": None}, *items[place + 1 :]]
        with pytest.raises(FrameError, match=rf"{name}|Boot|board|fault|sync"):
            board_link.decode_board(msgpack.packb(wrong))
    with pytest.raises(FrameError, match=f"{name}: expected at least {len(items)} items, found {len(items) - 1}"):
        board_link.decode_board(msgpack.packb(items[:-1]))


@pytest.mark.parametrize("name", BODIES)
def test_surplus_items_are_ignored_up_to_sixteen(name):
    items = msgpack.unpackb(BODIES[name])
    found = board_link.decode_board(BODIES[name])
    for surplus in ([None], [{"a": 1}, b"later"], list(range(16))):
        assert repr(board_link.decode_board(msgpack.packb([*items, *surplus]))) == repr(found)
    with pytest.raises(LimitError, match=f"{name}: more than 16 items beyond"):
        board_link.decode_board(msgpack.packb([*items, *range(17)]))


def test_boards_ignore_surplus_items_up_to_sixteen():
    items = [frames.SYNC, 7]
    assert decoded(msgpack.packb([*items, {"a": [1]}, *range(15)])) == items
    with pytest.raises(LimitError, match="too many items"):
        decoded(msgpack.packb([*items, *range(17)]))
    with pytest.raises(FrameError, match="too few items"):
        decoded(msgpack.packb([frames.SYNC]))
    with pytest.raises(UnknownKindError):
        decoded(msgpack.packb([frames.SETTINGS, 1]))


@given(st.sampled_from(sorted(BODIES)), st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_decodes(name, place, mask):
    body = bytearray(BODIES[name])
    body[place % len(body)] ^= mask
    with contextlib.suppress(FrameError):
        board_link.decode_board(bytes(body))


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_or_decode(body):
    with contextlib.suppress(FrameError):
        board_link.decode_board(body)


@pytest.mark.parametrize(
    ("items", "error"),
    [
        ([99], "kind 99 is not one of"),
        ({"kind": 1}, "begins with a kind"),
        ([True], "begins with a kind"),
        ([2, bytes(8), 0, bytes(13)], "multiple of 12"),
        ([2, bytes(8), 0, b""], "multiple of 12"),
        ([2, bytes(8), 0, bytes(65 * 12)], "768"),
        ([2, bytes(8), 2**32, bytes(12)], "samples.first"),
        ([12, bytes(8), 1, 9, 3, 1], "gap.first"),
        ([12, bytes(8), 1, 3, 9, 7], "gap.cause"),
        ([3, bytes(8), bytes(6), 5, 4, 0, [], [], {}], "status.tail"),
        ([8, bytes(8), bytes(16), 99, 0, bytes(6), 0.0], "task_result.state"),
        ([8, bytes(8), bytes(16), 5, 0, bytes(6), math.inf], "task_result.position"),
    ],
)
def test_refusals_name_the_field(items, error):
    with pytest.raises(FrameError, match=error):
        board_link.decode_board(msgpack.packb(items))


def test_a_position_may_be_unknown():
    body = msgpack.packb([8, bytes(8), bytes(16), 5, 0, bytes(6), math.nan])
    assert math.isnan(board_link.decode_board(body).position)


def decoded(body: bytes) -> list:
    """Return what a board makes of a command, after the line."""
    (arrived,) = HostDecoder(frames.MAX_BODY_TO_BOARD).feed(board_link.build_frame(body))
    return commands.decode_command(arrived, 0, len(arrived))


@given(u32, u32, st.lists(st.tuples(u32, u32).map(sorted).map(tuple), max_size=8), st.lists(u32, max_size=8))
def test_boards_read_what_hosts_write(session, sync_id, ranges, gaps):
    assert decoded(board_link.encode_hello(session)) == [frames.HELLO, 1, 2, session]
    assert decoded(board_link.encode_sync(sync_id)) == [frames.SYNC, sync_id]
    boot = frames.boot_bytes("0badcafe-12")
    ack = decoded(board_link.encode_ack("0badcafe-12", ranges, gaps))
    assert ack == [frames.ACK, boot, [list(span) for span in ranges], gaps]


@given(u32, st.integers(0, 255), st.floats(-1e6, 1e6, width=32), st.integers(0, 2**48 - 1), u32)
def test_tasks_and_leases_reach_the_board_signed(counter, actuator, setpoint, not_after_us, lease_ms):
    nonce, task_id = b"nonce-01", bytes(16)
    body = board_link.encode_task(KEY, nonce, counter, task_id, actuator, setpoint, not_after_us, lease_ms)
    kind, payload, signature = decoded(body)
    assert kind == frames.TASK
    assert mac.equal(signature, mac.hmac_sha256(KEY, payload))
    deadline = divmod(not_after_us, 2**30)
    fields = (nonce, counter, task_id, actuator, setpoint, deadline, lease_ms)
    assert commands.decode_task_payload(payload) == fields
    kind, payload, _ = decoded(board_link.encode_lease(KEY, nonce, counter, actuator, lease_ms))
    assert kind == frames.LEASE
    assert commands.decode_lease_payload(payload) == (nonce, counter, actuator, lease_ms)


def test_hosts_do_not_send_what_boards_refuse():
    with pytest.raises(FrameError, match="finite"):
        board_link.encode_task(KEY, bytes(8), 1, bytes(16), 0, math.nan, 0, 0)
    with pytest.raises(FrameError):
        board_link.encode_task(KEY, bytes(8), 1, bytes(16), 256, 0.0, 0, 0)
    with pytest.raises(FrameError, match="too many"):
        board_link.encode_ack("0badcafe-12", [(0, 1)] * 9)
    with pytest.raises(FrameError):
        board_link.encode_sync(-1)


def test_board_refuses_a_setpoint_that_is_no_number():
    payload = commands.encode_task_payload(bytes(8), 1, bytes(16), 0, math.nan, 0, 0, 0)
    with pytest.raises(FrameError, match="finite"):
        commands.decode_task_payload(payload)
