"""The board's end of the link: modes, sessions, resending, backlog, garbage."""

from functools import partial
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.core.link import FRAME_PAUSE_MS
from protocol import frames, mac
from protocol.board_link import (
    Gap,
    Hello,
    Log,
    Samples,
    Status,
    SyncReply,
    build_frame,
    encode_ack,
    encode_hello,
    encode_signed_ack,
    encode_sync,
)
from protocol.ranges import Ranges

from .conftest import KEY, Board


def covered(messages: list[Any]) -> Ranges:
    """The sequence numbers that sample frames carried."""
    found = Ranges()
    for message in messages:
        if isinstance(message, Samples):
            found.add(message.first, message.first + len(message.records) // 12)
    return found


def test_nothing_binary_is_sent_before_a_valid_hello(board: Any, probe: Any) -> None:
    board.sensor(probe)
    assert board.run(3000) == []
    assert board.sent == b""
    board.hello()
    kinds = {type(message) for message in board.run(1500)}
    assert kinds == {Hello, Samples, Status, SyncReply, Log}


def test_hello_says_who_and_answers_again_without_starting_over(board: Any, probe: Any, pick: Any) -> None:
    board.sensor(probe)
    board.hello(7)
    first = board.run(500)
    board.hello(7)
    again = board.run(500)
    assert [m.session for m in pick(Hello, first + again)] == [7, 7]
    assert pick(Hello, first)[0].nonce == board.boot.nonce
    assert covered(first).intersection(covered(again)).total() == 0


def test_silence_ends_link_mode_and_sampling_goes_on(board: Any, probe: Any) -> None:
    board.sensor(probe)
    board.hello()
    board.run(1000)
    head = board.node.ring.head
    board.run(5100, talking=False)
    board.sent = b""
    assert board.run(2000, talking=False) == [] and board.sent == b""
    assert board.node.ring.head >= head + 70


def test_unacked_batches_come_again_after_two_seconds_and_acked_ones_do_not(board: Any, probe: Any) -> None:
    sensor = board.sensor(probe)
    board.hello()
    board.run(550)
    sensor.every.due_ms += 10_000
    board.ack((0, 3))
    assert covered(board.run(1000)).total() == 0
    assert covered(board.run(1500)).to_list() == [(3, board.node.ring.head)]
    board.ack((3, board.node.ring.head))
    assert covered(board.run(4000)).total() == 0
    assert board.node.ring.tail == board.node.ring.head


def test_an_ack_of_another_boot_changes_nothing(board: Any, probe: Any) -> None:
    board.sensor(probe)
    board.hello()
    board.run(500)
    board.receive(encode_ack("00000000-99", [(0, 5)], []))
    assert board.node.ring.tail == 0
    board.ack((0, 2))
    assert board.node.ring.tail == 2


def signed(board: Any, span: tuple[int, int], key: bytes = KEY, nonce: bytes = b"", gaps: Any = ()) -> bytes:
    """An ack that the board's host signs, right unless changed."""
    return encode_signed_ack(partial(mac.hmac_sha256, key), nonce or board.boot.nonce, board.boot_text, [span], gaps)


def test_from_the_first_signed_ack_on_only_who_has_the_key_makes_a_board_forget(make_board: Any, probe: Any) -> None:
    board = make_board(ring=128)
    board.sensor(probe, period_ms=10)
    board.hello(1)
    board.run(200)
    board.ack((0, 2))
    assert board.node.ring.tail == 2, "a host of 0.1.0 signs nothing"
    board.receive(signed(board, (0, 3)))
    assert board.node.ring.tail == 3
    board.run(5_500, talking=False)  # the host is gone; somebody takes the line over
    board.hello(666)
    gaps = tuple({gap.gap_id for gap in board.run(3_000) if isinstance(gap, Gap)})
    tail, refused = board.node.ring.tail, board.node.desk.unsigned
    assert gaps and tail > 3, "the ring has overflowed"
    for body in (
        encode_ack(board.boot_text, [(0, tail + 9)], gaps),
        signed(board, (0, tail + 9), key=bytes(32), gaps=gaps),
        signed(board, (0, tail + 9), nonce=bytes(8), gaps=gaps),
    ):
        board.receive(body)
    assert board.node.ring.tail == tail
    assert (board.node.desk.unsigned, board.node.counters()["unsigned"]) == (refused + 2, refused + 2)
    assert gaps[0] in {gap.gap_id for gap in board.run(2_500) if isinstance(gap, Gap)}, "declared until it is acked"
    tail = board.node.ring.tail
    board.receive(signed(board, (0, tail + 9), gaps=gaps))
    assert board.node.ring.tail == tail + 9


def test_a_signed_ack_with_a_payload_that_is_none_is_counted(board: Any) -> None:
    board.hello()
    payload = msgpack.packb([board.boot.nonce, b"short", [], []])
    board.receive(msgpack.packb([frames.SIGNED_ACK, payload, mac.hmac_sha256(KEY, payload)]))
    assert board.node.desk.refused == 1 and board.node.desk.unsigned == 0


def test_live_samples_overtake_the_backlog(board: Any, probe: Any, make_board: Any) -> None:
    board = make_board(ring=2048)
    board.sensor(probe, channels=4, period_ms=10)
    board.run(4000, talking=False)
    head = board.node.ring.head
    board.hello()
    found = [m for m in board.run(40) if isinstance(m, Samples)]
    live = [m.first for m in found if m.first >= head]
    backlog = [m.first for m in found if m.first < head]
    assert live, "live data waits behind the backlog"
    assert backlog[0] == 0
    assert len(backlog) <= 12, "the backlog took the whole window"


def test_a_lossy_host_gets_every_sample_in_the_end(make_board: Any, probe: Any) -> None:
    board = make_board(ring=1024)
    sensor = board.sensor(probe, period_ms=20)
    board.hello()
    got = Ranges()
    for round_number in range(60):
        for message in board.run(200):
            if isinstance(message, Samples) and (message.first + round_number) % 3:
                end = message.first + len(message.records) // 12
                got.add(message.first, end)
                board.ack((message.first, end))
    sensor.every.due_ms += 60_000
    for _ in range(10):
        for message in board.run(1000):
            if isinstance(message, Samples):
                end = message.first + len(message.records) // 12
                got.add(message.first, end)
                board.ack((message.first, end))
    assert got.to_list() == [(0, board.node.ring.head)]


def test_a_new_session_sends_everything_unacked_again(board: Any, probe: Any) -> None:
    sensor = board.sensor(probe)
    board.hello(1)
    board.run(1000)
    sensor.every.due_ms += 10_000
    board.ack((2, 4))
    board.hello(2)
    assert covered(board.run(300)).to_list() == [(0, 2), (4, board.node.ring.head)]


def test_overflow_is_declared_once_and_repeated_until_acked(make_board: Any, probe: Any, pick: Any) -> None:
    board = make_board(ring=128)
    board.sensor(probe, period_ms=10)
    board.run(2000, talking=False)
    board.hello()
    gaps = pick(Gap, board.run(5000))
    assert {(gap.first, gap.end) for gap in gaps} >= {(0, gaps[0].end)}
    assert gaps[0].cause in (1, "overflow")
    assert len(gaps) > len({gap.gap_id for gap in gaps}), "not repeated"
    board.ack(gaps=tuple({gap.gap_id for gap in gaps}))
    later = pick(Gap, board.run(5000))
    assert not {gap.gap_id for gap in later} & {gap.gap_id for gap in gaps}
    assert board.node.ring.dropped > 0


@pytest.mark.parametrize("acking", [False, True])
def test_status_never_tells_a_tail_above_an_overflow_without_its_gap(make_board: Any, probe: Any, acking: bool) -> None:
    """Below the told tail everything was received or declared before: the ledger explains each sample."""
    board = make_board(ring=128)
    board.acking = acking
    board.sensor(probe, period_ms=5)
    board.run(3000, talking=False)
    told = Ranges()
    tails = []
    for turn in range(400):
        if turn in (0, 250):
            board.hello(turn + 1)
        gaps = []
        for message in board.run(50, talking=not 80 <= turn < 250):
            if isinstance(message, Samples):
                told.add(message.first, message.first + len(message.records) // 12)
            elif isinstance(message, Gap):
                told.add(message.first, message.end)
                gaps.append(message.gap_id)
            elif isinstance(message, Status):
                tails.append(message.tail)
                assert not message.tail or told.to_list()[0] >= (0, message.tail)
        if acking and gaps:
            board.ack(gaps=tuple(gaps))
    assert board.node.ring.dropped > 0 and len(tails) > 5
    assert (tails[-1] > 0) == acking


def test_a_lasting_overflow_is_declared_completely_with_few_gaps(make_board: Any, probe: Any, pick: Any) -> None:
    board = make_board(ring=128)
    sensor = board.sensor(probe, period_ms=10)
    board.hello()
    gaps = pick(Gap, board.run(20_000))
    sensor.every.due_ms += 60_000
    gaps += pick(Gap, board.run(4000))
    declared = Ranges()
    for gap in gaps:
        declared.add(gap.first, gap.end)
    assert declared.to_list() == [(0, board.node.ring.tail)]
    assert len({gap.gap_id for gap in gaps}) <= 12


def test_sync_reply_brackets_the_request(board: Any, pick: Any) -> None:
    board.hello()
    board.run(50)
    board.receive(encode_sync(99))
    came = board.t_us
    board.now_us += 3000
    reply = [m for m in board.heard() if isinstance(m, SyncReply)][-1]
    assert (reply.rx_us, reply.tx_us) == (came, came + 3000)


@pytest.mark.parametrize(("low", "high"), [(7, 9), (0, 0)])
def test_a_host_without_a_common_version_gets_a_hello_and_nothing_else(
    board: Any, probe: Any, pick: Any, low: int, high: int
) -> None:
    board.sensor(probe)
    board.receive(encode_hello(41, low, high))
    (hello,) = board.run(1000)
    assert (hello.proto, hello.session) == (frames.PROTO, 41)
    assert board.node.link.mode == 0
    board.hello(42)
    assert pick(Hello, board.run(500))[0].session == 42
    board.receive(encode_hello(43, low, high))
    board.run(100)
    assert board.node.link.mode == 1 and board.node.link.session == 42


@pytest.mark.parametrize(("low", "high", "spoken"), [(1, 1, 1), (1, 2, 2), (2, 2, 2), (1, 9, 2), (2, 3, 2)])
def test_the_board_speaks_the_highest_common_version(board: Any, pick: Any, low: int, high: int, spoken: int) -> None:
    board.receive(encode_hello(41, low, high))
    assert [m.proto for m in pick(Hello, board.run(500))] == [spoken]
    assert board.node.link.mode == 1


def test_what_a_later_host_appends_is_ignored_and_its_kinds_are_counted(board: Any, pick: Any) -> None:
    board.receive(msgpack.packb([frames.HELLO, 1, 3, 41, {"a": "b"}, *range(15)]))
    board.receive(msgpack.packb([frames.SYNC, 5, "surplus"]))
    board.receive(msgpack.packb([77, "what"]))
    assert [m.sync_id for m in pick(SyncReply, board.heard())] == [5]
    assert board.node.counters()["unknown_kind"] == 1 and board.node.counters()["bad"] == 0
    board.receive(msgpack.packb([frames.SYNC, 6, *range(17)]))
    assert not pick(SyncReply, board.heard()) and board.node.counters()["bad"] == 1


@pytest.mark.parametrize(
    ("line", "found"),
    [(b"help\r\n", b"status"), (b"id\n", b"board-1"), (b"status\r", b"samples"), (b"open!\r\n", b"err E-")],
)
def test_console_in_text_mode(board: Any, probe: Any, drive: Any, line: bytes, found: bytes) -> None:
    board.sensor(probe)
    board.actuator(drive)
    board.raw(line)
    assert found in board_text(board)


def board_text(board: Any) -> bytes:
    """What the board writes in text mode."""
    board.run(20, talking=False)
    assert board.sent.endswith((b"ok\r\nboard-1> ", b"help\r\nboard-1> "))
    return bytes(board.sent)


def test_frames_after_text_are_whole(board: Any, pick: Any) -> None:
    board.raw(b"id\r\n")
    board_text(board)
    board.sent = b""
    board.hello()
    assert pick(Hello, board.heard())
    assert board.sent.startswith(b"\x00")


GARBAGE = st.one_of(st.binary(max_size=60), st.just(b"\x03"), st.just(b"\x00"), st.just(b"help\r\n"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(chunks=st.lists(GARBAGE, max_size=12))
def test_garbage_never_stops_the_board(chunks: list[bytes], make_board: Any, probe: Any) -> None:
    board = make_board()
    board.sensor(probe)
    board.hello()
    board.run(20)
    for chunk in chunks:
        board.raw(chunk)
    board.raw(b"\x00")
    board.raw(build_frame(encode_sync(5)))
    assert any(isinstance(m, SyncReply) and m.sync_id == 5 for m in board.heard())
    assert board.node.ring.tail <= board.node.ring.head


def test_a_status_has_all_counters_at_first_and_every_ten_seconds(board: Any, probe: Any, pick: Any) -> None:
    board.sensor(probe)
    board.hello()
    statuses = pick(Status, board.run(21_500))
    whole = [at for at, status in enumerate(statuses) if len(status.counters) > 4]
    assert len(statuses) == 22 and whole == [0, 10, 20]
    assert all(status.counters == {} for at, status in enumerate(statuses) if at not in whole)


def test_a_status_never_leaves_out_that_commands_were_refused(board: Any, pick: Any) -> None:
    board.hello()
    board.run(1500)
    board.task(0.5, key=bytes(32))
    for status in pick(Status, board.run(3000)):
        assert status.counters["refused"] == status.counters["unsigned"] == 1


def test_a_host_of_version_1_gets_all_counters_each_time(board: Any, pick: Any) -> None:
    board.receive(encode_hello(1, 1, 1))
    assert all(len(status.counters) > 4 for status in pick(Status, board.run(3000)))


def test_carriage_return_and_ctrl_c_outside_a_frame_in_text_mode_ask_for_maintenance(board: Any) -> None:
    board.raw(b"\x03")
    assert not board.node.link.maintenance
    board.raw(b"id\r\x03")
    assert board.node.link.maintenance


def test_ctrl_c_inside_a_frame_or_in_link_mode_never_does(make_board: Any) -> None:
    board = make_board()
    board.raw(b"\0\r\x03 begun" + b"\0\r\x03")
    board.hello()
    board.raw(b"\r\x03" * 3)
    assert not board.node.link.maintenance and board.node.link.mode


def test_a_frame_that_never_ended_does_not_bar_maintenance(board: Any) -> None:
    board.raw(b"\0 half a frame")
    board.raw(b"\r\x03")
    assert not board.node.link.maintenance
    board.run(FRAME_PAUSE_MS, talking=False)
    board.raw(b"\r\x03")
    assert board.node.link.maintenance


@given(body=st.binary(min_size=1, max_size=60), cut=st.integers(0, 70))
def test_no_frame_asks_for_maintenance_whatever_it_carries(body: bytes, cut: int) -> None:
    board = Board()
    board.raw(build_frame(b"\r\x03" + body + b"\r\x03")[:cut])
    board.raw(build_frame(body + b"\r\x03"))
    assert not board.node.link.maintenance
