import struct

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.boards.session import DOWN_US, BoardSession, LinkDown, LinkUp
from edge_node.boards.side import STARTING_US, port_state
from edge_node.core import Board
from protocol import board_link as link
from protocol import commands, frames, framing, mac, manifest

from .scripted_board import body_of, records_of, river_manifest

BOOT = b"\xfe\xca\xad\x0b" + (7).to_bytes(4, "little")
BOOT_TEXT = frames.boot_text(BOOT)
SESSION = 0xC0FFEE


def hello(session: int = SESSION, thing: str = "river-1", boot: bytes = BOOT, proto: int = frames.PROTO) -> bytes:
    made = manifest.to_bytes(river_manifest(thing))
    return link.build_frame(
        body_of(lambda p: frames.put_hello(p, session, thing, boot, bytes(8), "vm", bytes(32), made, proto))
    )


def samples(first: int, n: int, boot: bytes = BOOT, kind: int = frames.SAMPLES) -> bytes:
    packed = records_of([(0, 1, 1000 * (first + i), float(first + i)) for i in range(n)])

    def write(packer) -> None:
        frames.put_samples(packer, boot, first, len(packed), kind)
        packer.buf[packer.pos : packer.pos + len(packed)] = packed
        packer.pos += len(packed)

    return link.build_frame(body_of(write))


def sent(session: BoardSession) -> list[list]:
    decoder, data, found = framing.Decoder(frames.MAX_BODY_TO_BOARD), bytearray(session.take_out()), []
    decoder.feed(data, len(data))
    while decoder.next():
        found.append(commands.decode_command(decoder.buf, 0, decoder.length))
    return found


@pytest.fixture
def up() -> BoardSession:
    session = BoardSession("river-1", SESSION)
    session.opened(1_000_000)
    session.received(hello(), 1_010_000)
    session.take_out()
    return session


def test_says_hello_until_the_board_answers() -> None:
    session = BoardSession("river-1", SESSION)
    session.opened(1_000_000)
    assert sent(session) == [[frames.HELLO, 1, 2, SESSION]]
    assert session.tick(1_500_000) == [] and sent(session) == []
    session.tick(2_000_001)
    assert sent(session) == [[frames.HELLO, 1, 2, SESSION]]
    (event,) = session.received(hello(), 2_100_000)
    assert isinstance(event, LinkUp) and event.restarted and event.manifest.thing == "river-1"
    assert session.up and sent(session)[0][0] == frames.SYNC


def test_hello_of_another_session_is_asked_again() -> None:
    session = BoardSession("river-1", SESSION)
    session.opened(1_000_000)
    session.take_out()
    assert session.received(hello(session=5), 1_400_000) == []
    assert not session.up and sent(session) == [[frames.HELLO, 1, 2, SESSION]]


def test_another_board_on_the_port_is_refused_and_named() -> None:
    session = BoardSession("river-1", SESSION)
    session.opened(1_000_000)
    assert session.received(hello(thing="river-2"), 1_100_000) == []
    assert not session.up and "river-2" in session.problem


def test_five_quiet_seconds_take_the_link_down_and_hello_brings_it_back(up: BoardSession) -> None:
    assert up.tick(1_010_000 + DOWN_US) == []
    assert up.tick(1_020_000 + DOWN_US) == [LinkDown("no valid frame for 5 s")]
    assert up.received(samples(0, 3), 7_000_000) == [], "no samples before hello"
    (event,) = up.received(hello(), 7_100_000)
    assert isinstance(event, LinkUp) and not event.restarted


def test_a_restarted_board_gets_a_new_clock(up: BoardSession) -> None:
    clock = up.clock
    other = BOOT[:4] + (8).to_bytes(4, "little")
    assert up.received(samples(0, 1, other), 2_000_000) == []
    assert sent(up) == [[frames.HELLO, 1, 2, SESSION]]
    (event,) = up.received(hello(boot=other), 2_100_000)
    assert isinstance(event, LinkUp) and event.restarted
    assert up.clock is not clock and up.counters["restarts"] == 1


def test_sync_replies_reach_the_clock(up: BoardSession) -> None:
    for i in range(5):
        now = 3_000_000 + i * 200_000
        up.tick(now)
        (sync,) = [c for c in sent(up) if c[0] == frames.SYNC]
        at = divmod(now + 2000 - 500_000, 1 << 30)
        reply = body_of(lambda p, i=sync[1], at=at: frames.put_sync(p, i, *at, *at))
        up.received(link.build_frame(reply), now + 4000)
    assert up.clock.synced(4_000_000)
    assert up.clock.to_edge_us(4_000_000) == pytest.approx(4_500_000, abs=300)


def test_acks_are_cut_to_what_a_board_takes(up: BoardSession) -> None:
    up.acknowledge(BOOT_TEXT, [(10 * i, 10 * i + 5) for i in range(20)], list(range(10)))
    acks = [command for command in sent(up) if command[0] == frames.ACK]
    assert [len(ack[2]) for ack in acks] == [8, 8, 4]
    assert [gap for ack in acks for gap in ack[3]] == list(range(10))


NOISE = st.one_of(
    st.binary(max_size=40),
    st.just(b"\x03\x03\r\n>>> "),
    st.just(hello()[:-9]),
    st.builds(lambda bit: flipped(samples(50, 4), bit), st.integers(0, 400)),
    st.builds(lambda cut: samples(60, 8)[:cut], st.integers(1, 90)),
)


def flipped(frame: bytes, bit: int) -> bytes:
    data = bytearray(frame)
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(data)


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(st.one_of(NOISE, st.integers(0, 40)), max_size=25), chop=st.integers(1, 50))
def test_garbage_is_counted_and_never_becomes_a_value(pieces: list, chop: int) -> None:
    session = BoardSession("river-1", SESSION)
    session.opened(1_000_000)
    stream = hello() + b"".join(samples(p, 3) if isinstance(p, int) else p for p in pieces)
    stream += samples(90, 2)
    events = []
    for at in range(0, len(stream), chop):
        events += session.received(stream[at : at + chop], 1_100_000)
    got = [event for event in events if isinstance(event, link.Samples)]
    wanted = [piece for piece in pieces if isinstance(piece, int)]
    for event in got:
        for i in range(event.n):
            channel, quality, _, value = struct.unpack_from("<BB6sf", event.records, 12 * i)
            assert (channel, quality, value) == (0, 1, float(event.first + i))
    assert got[-1].first == 90, "the line is found again at the next delimiter"
    assert [event.first for event in got if event.first < 50] == wanted
    bad = [p for p in pieces if isinstance(p, bytes) and p.replace(b"\0", b"")]
    counters = session.all_counters()
    trouble = sum(counters[name] for name in ("noise", "crc", "cobs", "oversize", "malformed"))
    extra = sum(1 for event in got if event.first in (50, 60))
    assert trouble > 0 or len(bad) <= extra


def test_status_of_the_present_boot_passes_through(up: BoardSession) -> None:
    actuator = (0, 0, 1, 0.5, 0.5, 100)
    body = body_of(lambda p: frames.put_status(p, BOOT, 0, 5, 3, 9, 0, [(0, 1, 4, 0, 2)], [actuator], {"crc": 1}))
    (status,) = up.received(link.build_frame(body), 2_000_000)
    assert isinstance(status, link.Status) and (status.tail, status.head) == (3, 9)


def told(up: BoardSession, counters: dict[str, int], boot: bytes = BOOT) -> dict[str, int]:
    """What a status with these counters is passed on with."""
    body = body_of(lambda p: frames.put_status(p, boot, 0, 5, 3, 9, 0, [], [], counters))
    (status,) = up.received(link.build_frame(body), 2_000_000)
    return status.counters


def test_counters_that_a_status_leaves_out_stay_as_told_last(up: BoardSession) -> None:
    assert told(up, {"crc": 1, "stops": 0}) == {"crc": 1, "stops": 0}
    assert told(up, {}) == {"crc": 1, "stops": 0}
    assert told(up, {"stops": 2}) == {"crc": 1, "stops": 2}
    other = BOOT[:4] + (8).to_bytes(4, "little")
    up.received(hello(boot=other), 3_000_000)
    assert told(up, {"late": 3}, other) == {"late": 3}, "another boot counts anew"


def test_no_board_makes_the_counters_grow_without_end(up: BoardSession) -> None:
    for at in range(10):
        found = told(up, {f"c{at}_{i}": at for i in range(20)})
        assert len(found) <= frames.MAX_COUNTERS and found[f"c{at}_19"] == at


def test_a_closed_port_is_told_once(up: BoardSession) -> None:
    assert up.closed("unplugged") == [LinkDown("unplugged")]
    assert up.closed("unplugged") == []
    assert up.tick(9_000_000) == [] and up.take_out() == b""


@pytest.mark.parametrize(("proto", "kind"), [(1, frames.ACK), (2, frames.SIGNED_ACK)])
def test_acks_are_signed_for_boards_that_know_it(proto: int, kind: int) -> None:
    session = BoardSession("river-1", SESSION)
    session.sign = lambda payload: mac.hmac_sha256(b"k" * 32, payload)
    session.opened(1_000_000)
    session.received(hello(proto=proto), 1_010_000)
    session.take_out()
    session.acknowledge(BOOT_TEXT, [(10 * i, 10 * i + 5) for i in range(9)], [7])
    first, second = sent(session)
    assert (first[0], second[0]) == (kind, kind)
    if kind == frames.SIGNED_ACK:
        assert first[2] == mac.hmac_sha256(b"k" * 32, first[1])
        ranges = [[10 * i, 10 * i + 5] for i in range(8)]
        assert commands.decode_ack_payload(first[1]) == (bytes(8), BOOT, ranges, [7])


def test_a_boot_id_that_begins_again_is_refused(up: BoardSession) -> None:
    """An old copy of state.json gives the numbers of an earlier run to other samples."""
    nonce = bytes([1] * 8)
    made = manifest.to_bytes(river_manifest("river-1"))
    again = link.build_frame(
        body_of(lambda p: frames.put_hello(p, SESSION, "river-1", BOOT, nonce, "vm", bytes(32), made))
    )
    (event,) = up.received(again, 2_000_000)
    assert isinstance(event, LinkDown) and "state.json" in event.reason
    assert not up.up and up.problem == event.reason and up.all_counters()["reused"] == 1
    assert up.received(samples(0, 3), 2_100_000) == []
    assert up.received(hello(), 2_200_000)[0] != event


def test_a_board_that_names_ever_new_boots_is_refused_at_the_cap_and_known_boots_are_not(up: BoardSession) -> None:
    up.max_boots = 3
    boots = [BOOT[:4] + number.to_bytes(4, "little") for number in range(8, 12)]
    for at, boot in enumerate(boots[:2]):
        (event,) = up.received(hello(boot=boot), 2_000_000 + at)
        assert isinstance(event, LinkUp)
    for boot in boots[2:] * 10:
        up.received(hello(boot=boot), 3_000_000)
    assert len(up.nonces) == 3 and not up.up and up.all_counters()["too_many_boots"] == 20
    assert "has begun 3 times" in up.problem and "boots_per_board" in up.problem
    assert up.received(samples(0, 3, boots[3]), 3_100_000) == []
    assert isinstance(up.received(hello(boot=boots[1]), 3_200_000)[0], LinkUp), "what was taken once goes on"


@pytest.mark.parametrize("proto", [1, 2])
def test_boards_of_every_version_we_speak_come_up(proto: int) -> None:
    session = BoardSession("river-1", SESSION)
    session.opened(1_000_000)
    (event,) = session.received(hello(proto=proto), 1_010_000)
    assert isinstance(event, LinkUp) and event.hello.proto == proto


@pytest.mark.parametrize(
    ("proto", "update"), [(0, "update the firmware of river-1"), (3, "update this edge node"), (255, "edge node")]
)
def test_a_board_of_no_common_version_is_a_problem_that_says_what_to_update(proto: int, update: str) -> None:
    session = BoardSession("river-1", SESSION)
    session.opened(1_000_000)
    assert session.received(hello(proto=proto), 1_010_000) == []
    assert session.state == "down" and update in session.problem and f"version {proto}" in session.problem
    assert session.all_counters()["no_common_proto"] == 1
    assert session.received(samples(0, 3), 1_020_000) == []


def test_samples_of_an_earlier_boot_come_as_such_and_those_of_this_one_do_not(up: BoardSession) -> None:
    before = BOOT[:4] + (6).to_bytes(4, "little")
    (event,) = up.received(samples(0, 3, before, frames.EARLIER), 1_020_000)
    assert isinstance(event, link.Samples) and (event.boot, event.n, event.earlier) == ("0badcafe-6", 3, True)
    assert up.received(samples(0, 3, BOOT, frames.EARLIER) + samples(0, 3, before), 1_030_000) == []
    assert up.all_counters()["foreign"] == 2


def test_a_board_flashed_with_a_foreign_version_goes_down(up: BoardSession) -> None:
    (event,) = up.received(hello(proto=9, boot=BOOT[:4] + (8).to_bytes(4, "little")), 1_500_000)
    assert isinstance(event, LinkDown) and "update this edge node" in event.reason


def test_unknown_kinds_and_surplus_items_of_a_later_board(up: BoardSession) -> None:
    later = link.build_frame(msgpack.packb([99, BOOT, 5]))
    log = link.build_frame(msgpack.packb([frames.LOG, 20, "hi", "surplus", [1]]))
    assert up.received(later + log, 1_020_000) == [link.Log(20, "hi")]
    counters = up.all_counters()
    assert (counters["unknown_kind"], counters["malformed"]) == (1, 0)


def test_a_board_that_did_not_answer_yet_is_starting_and_later_down() -> None:
    board = Board(BoardSession("river-1", SESSION), commands=None)  # type: ignore[arg-type]
    for state in ("opening", "open"):
        board.port = lambda state=state: (state, "")
        assert port_state(board, STARTING_US - 1)[0] == "starting"
    assert port_state(board, STARTING_US)[0] == "down"
    board.session.problem = "another version"
    assert port_state(board, 0) == ("down", "another version"), "what is known to be wrong is said at once"
    board.port = lambda: ("permission", "join the group dialout")
    assert port_state(board, 0)[0] == "permission"
