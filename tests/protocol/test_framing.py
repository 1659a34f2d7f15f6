"""Frames: round trips, and what garbage on the line does to them."""

import zlib
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol import cobs, crc32, frames, framing
from protocol.board_link import build_frame
from protocol.errors import FrameError
from protocol.host_decoder import HostDecoder, stuff, unstuff

MAX_BODY = 320
COUNTERS = ("frames", "cobs", "crc", "oversize", "resync", "noise")

bodies = st.binary(min_size=1, max_size=MAX_BODY)
edges = [b"\0", b"\1", b"\xff", b"\3", b"x" * 253, b"y" * 254, b"z" * 255]
runs = st.lists(st.sampled_from(edges)).map(b"".join)
intact = bodies.map(lambda body: (build_frame(body), body))
flipped = st.tuples(bodies, st.integers(0), st.integers(1, 255)).map(lambda t: (_flip(*t), None))
truncated = st.tuples(bodies, st.integers(0)).map(lambda t: (_cut(*t), None))
garbage = st.one_of(
    st.binary(max_size=40),
    st.just(b"\r\x03\x03"),
    st.just(b"log: river 1.2 m\r\n"),
    st.just(b"x" * 900),
    st.just(b"\0"),
    st.just(b"\0\0\0"),
).map(lambda noise: (noise, None))
streams = st.lists(st.one_of(intact, intact, flipped, truncated, garbage), max_size=12)


def _flip(body: bytes, place: int, mask: int) -> bytes:
    wire = bytearray(build_frame(body))
    wire[place % len(wire)] ^= mask
    return bytes(wire)


def _cut(body: bytes, place: int) -> bytes:
    wire = build_frame(body)
    return wire[: place % len(wire)]


def decode_bytes(wire: bytes) -> tuple[list[bytes], framing.Decoder]:
    """Return what the board's decoder finds, fed byte by byte."""
    decoder = framing.Decoder(MAX_BODY)
    found = [bytes(decoder.buf[: decoder.length]) for b in wire if decoder.feed_byte(b) == framing.FRAME]
    return found, decoder


def decode_chunks(wire: bytes, cuts: list[int]) -> tuple[list[bytes], framing.Decoder]:
    """Return what the board's decoder finds, fed in chunks."""
    decoder, found = framing.Decoder(MAX_BODY), []
    for chunk in chunks(wire, cuts):
        decoder.feed(bytearray(chunk), len(chunk))
        while decoder.next():
            found.append(bytes(decoder.buf[: decoder.length]))
    return found, decoder


def chunks(wire: bytes, cuts: list[int]) -> list[bytes]:
    """Return `wire` cut at places."""
    edges = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    return [wire[a:b] for a, b in pairwise(edges)]


def counters(decoder: framing.Decoder | HostDecoder) -> dict[str, int]:
    return {name: getattr(decoder, name) for name in COUNTERS}


@given(st.one_of(st.binary(max_size=900), runs))
@example(b"")
@example(b"x" * 254)
@example(b"x" * 254 + b"\0")
def test_cobs_returns_what_went_in(data):
    encoded = cobs.encode(data)
    assert 0 not in encoded
    assert len(encoded) <= cobs.encoded_max(len(data))
    assert cobs.decode(encoded) == data
    assert stuff(data) == encoded
    assert unstuff(encoded) == data


@given(st.binary(max_size=300))
def test_cobs_decodes_like_the_host_or_refuses(data):
    def outcome(function):
        try:
            return function(data)
        except FrameError:
            return "refused"

    assert outcome(cobs.decode) == ("refused" if 0 in data else outcome(unstuff))


def test_cobs_decodes_in_place_and_refuses_a_short_buffer():
    buf = bytearray(cobs.encode(b"a\0b"))
    assert buf[: cobs.decode_into(buf, 0, len(buf), buf)] == b"a\0b"
    with pytest.raises(FrameError, match="buffer"):
        cobs.decode_into(cobs.encode(b"abc"), 0, 4, bytearray(2))


@given(st.binary(max_size=400))
def test_crc_is_zlibs(data):
    buf = bytearray(data + bytes(4))
    assert crc32.append(buf, len(data)) == len(buf)
    assert buf[len(data) :] == zlib.crc32(data).to_bytes(4, "little")
    assert crc32.check(buf, len(buf))


@given(st.binary(min_size=1, max_size=60), st.integers(0), st.integers(1, 255))
def test_crc_sees_a_changed_byte(data, place, mask):
    buf = bytearray(data + bytes(4))
    crc32.append(buf, len(data))
    buf[place % len(buf)] ^= mask
    assert not crc32.check(buf, len(buf))
    assert not crc32.check(buf, 3)


@given(st.lists(bodies, max_size=6))
def test_frames_arrive_and_nothing_is_counted(sent):
    found, decoder = decode_bytes(b"".join(build_frame(body) for body in sent))
    assert found == sent
    assert counters(decoder) == {**dict.fromkeys(COUNTERS, 0), "frames": len(sent)}


@given(bodies)
def test_writer_makes_the_hosts_frames(body):
    writer = framing.FrameWriter(MAX_BODY)
    writer.packer.raw(body, len(body))
    assert writer.wire[: writer.finish()] == build_frame(body)


@given(streams)
def test_garbage_is_survived_and_intact_frames_arrive(pieces):
    """Never a wrong value, nothing intact lost, resynchronised at the next delimiter."""
    wire = b"".join(piece for piece, _ in pieces)
    sent = [body for _, body in pieces if body is not None]
    found, decoder = decode_bytes(wire)
    remaining = iter(found)
    assert all(body in remaining for body in sent), "an intact frame was lost"
    whole = {body for piece, body in pieces if body is not None}
    extra = [body for body in found if body not in whole]
    assert all(build_frame(body)[1:-1] in wire for body in extra), "a body that nobody sent"
    assert decoder.frames == len(found)


@given(streams)
def test_each_byte_is_a_frame_or_counted_as_noise(pieces):
    wire = b"".join(piece for piece, _ in pieces) + b"\0"
    found, decoder = decode_bytes(wire)
    inside_frames = sum(len(build_frame(body)) - 2 for body in found)
    assert decoder.noise + inside_frames == len(wire) - wire.count(0)


@given(streams, st.lists(st.integers(0, 5000), max_size=8))
def test_chunks_bytes_and_host_agree(pieces, cuts):
    wire = b"".join(piece for piece, _ in pieces)
    found, decoder = decode_bytes(wire)
    chunked, by_chunk = decode_chunks(wire, cuts)
    host = HostDecoder(MAX_BODY)
    at_host = [body for chunk in chunks(wire, cuts) for body in host.feed(chunk)]
    assert chunked == found
    assert at_host == found
    assert counters(by_chunk) == counters(decoder) == counters(host)
    complete = wire.rpartition(b"\0")[2] == b""
    assert host.frames == decoder.frames
    assert not complete or not host._pending


@pytest.mark.parametrize(
    ("garbled", "counter"),
    [
        (b"\0\x05ab\0", "cobs"),
        (b"\0\x03ab\0", "crc"),
        (b"\0" + b"x" * 2000 + b"\0", "oversize"),
        (b"\0" + bytes([2, 1]) * 164 + b"\0", "oversize"),
        (b"\0\x01\0", "crc"),
    ],
)
def test_each_kind_of_damage_has_its_counter_and_the_next_frame_resynchronises(garbled, counter):
    decoder = framing.Decoder(MAX_BODY)
    wire = garbled + build_frame(b"good")
    found = [bytes(decoder.buf[: decoder.length]) for b in wire if decoder.feed_byte(b) == framing.FRAME]
    assert found == [b"good"]
    expected = {counter: 1, "frames": 1, "resync": 1, "noise": len(garbled) - 2}
    assert counters(decoder) == {**dict.fromkeys(COUNTERS, 0), **expected}


def test_bytes_before_any_frame_are_text_again_after_reset():
    decoder = framing.Decoder(MAX_BODY)
    assert [decoder.feed_byte(b) for b in b"\r\x03"] == [framing.TEXT] * 2
    decoder.feed_byte(0)
    assert decoder.inside
    assert decoder.feed_byte(3) == framing.NOTHING
    decoder.reset()
    assert decoder.feed_byte(3) == framing.TEXT


def test_a_frame_that_lost_its_last_zero_does_not_cost_the_next():
    found, _ = decode_bytes(build_frame(b"one")[:-1] + build_frame(b"two"))
    assert found == [b"one", b"two"]


def test_limits_hold_the_largest_bodies():
    writer = framing.FrameWriter(frames.MAX_BODY_TO_HOST)
    writer.packer.raw(bytes(frames.MAX_BODY_TO_HOST), frames.MAX_BODY_TO_HOST)
    assert HostDecoder().feed(bytes(writer.wire[: writer.finish()])) == [bytes(frames.MAX_BODY_TO_HOST)]
