"""Our msgpack subset against the msgpack library."""

import math
import struct

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import mpack
from protocol.errors import FrameError, LimitError

numbers = st.integers(-(2**63), 2**64 - 1)
singles = st.floats(width=32)
texts = st.text(max_size=300)
scalars = st.one_of(st.none(), st.booleans(), numbers, singles, texts, st.binary(max_size=300))
keys = st.one_of(st.text(max_size=8), numbers)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(keys, inner, max_size=20),
    max_leaves=30,
)


def pack(p: mpack.Packer, value: object) -> None:
    """Write any value with the Packer's methods."""
    if value is None:
        p.nil()
    elif isinstance(value, bool):
        p.bool(value)
    elif isinstance(value, int):
        p.int(value)
    elif isinstance(value, float):
        p.f32(value)
    elif isinstance(value, str):
        p.str(value)
    elif isinstance(value, bytes):
        p.bin(value)
    elif isinstance(value, list):
        p.array(len(value))
        for item in value:
            pack(p, item)
    elif isinstance(value, dict):
        p.map(len(value))
        for key, item in value.items():
            pack(p, key)
            pack(p, item)


def ours(value: object) -> bytes:
    p = mpack.Packer(bytearray(100_000))
    pack(p, value)
    return bytes(p.buf[: p.pos])


def same(a: object, b: object) -> bool:
    """Return whether equal, with NaN equal to itself."""
    return msgpack.packb(a) == msgpack.packb(b)


@given(values)
def test_packs_like_the_library(value):
    assert ours(value) == msgpack.packb(value, use_single_float=True)


@given(values)
def test_unpacks_like_the_library(value):
    data = msgpack.packb(value)
    found = mpack.unpack(b"\xc1" + data + b"\xc1", 1, 1 + len(data), 50, 10_000)
    assert same(found, msgpack.unpackb(data, strict_map_key=False))


@given(st.binary(max_size=60))
def test_refuses_or_agrees_on_any_bytes(data):
    try:
        found = mpack.unpack(data, 0, len(data))
    except FrameError:
        return
    assert same(found, msgpack.unpackb(data, strict_map_key=False))


@given(values, st.integers(0))
def test_refuses_what_is_cut_or_has_a_tail(value, place):
    data = msgpack.packb(value)
    with pytest.raises(FrameError):
        mpack.unpack(data, 0, place % len(data), 50, 10_000)
    with pytest.raises(FrameError, match="trailing"):
        mpack.unpack(data + b"\0", 0, len(data) + 1, 50, 10_000)


@given(values, st.integers(0, 200))
def test_a_full_buffer_is_an_error_and_nothing_is_written_behind_it(value, room):
    buf = bytearray(b"\xaa" * room)
    try:
        pack(mpack.Packer(buf), value)
    except LimitError:
        assert len(ours(value)) > room
    assert len(buf) == room


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\x91" * 6 + b"\x90", "deep"),
        (b"\xdc\x01\x01" + b"\xc0" * 257, "many"),
        (b"\xdf\x7f\xff\xff\xff", "many"),
        (b"\x82\xa1a\x01\xa1a\x02", "duplicate"),
        (b"\x81\xc0\x01", "key"),
        (b"\x81\xc3\x01", "key"),
        (b"\x81\x90\x01", "deep"),
        (b"\xc1", "subset"),
        (b"\xd6\xff" + bytes(4), "subset"),
        (b"\xc7\x01\x01\x01", "subset"),
        (b"\xdb\xff\xff\xff\xff", "short"),
        (b"\xa1\xff", "UTF-8"),
        (b"", "short"),
    ],
)
def test_limits(data, error):
    with pytest.raises(FrameError, match=error):
        mpack.unpack(data, 0, len(data))


def test_items_are_counted_over_all_containers():
    data = msgpack.packb([[1] * 15] * 15)
    with pytest.raises(LimitError):
        mpack.unpack(data, 0, len(data), 6, 200)


def test_stamp_and_reset():
    p = mpack.Packer(bytearray(16))
    p.stamp(1, 5)
    assert p.buf[: p.pos] == msgpack.packb((2**30 + 5).to_bytes(6, "little"))
    p.reset(2)
    p.uint(7)
    assert p.buf[2:3] == b"\x07"


def test_float64_is_read():
    data = struct.pack(">Bd", 0xCB, math.pi)
    assert mpack.unpack(data, 0, 9) == math.pi


@pytest.mark.parametrize("n", [15, 16, 31, 32, 255, 256, 65535, 65536])
def test_every_width_of_a_length(n):
    for value in (bytes(n), "x" * n, [None] * n, dict.fromkeys(range(n))):
        p = mpack.Packer(bytearray(500_000))
        pack(p, value)
        assert p.buf[: p.pos] == msgpack.packb(value)
        assert mpack.unpack(p.buf, 0, p.pos, 1, 2 * n) == value
