"""Our two msgpack readers against a third, u-msgpack-python, which shares no code with them.

`mpack.unpack` runs on boards, `checks.unpack` (python-msgpack) on hosts. Whatever bytes come, the three agree on
the value, unless the bytes hold one of what docs/protocol.md refuses: then ours refuse it, whatever others do.
"""

import io
import math

import msgpack
import pytest
import umsgpack
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol import checks, mpack
from protocol.errors import FrameError, LimitError

REFUSED = object()
DEPTH, ITEMS = 6, 256

integers = st.integers(-(2**63), 2**64 - 1)
scalars = st.one_of(
    st.none(), st.booleans(), integers, st.floats(allow_nan=False), st.text(max_size=40), st.binary(max_size=40)
)
subset = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=8), inner, max_size=5)),
    max_leaves=20,
)
beyond = st.recursive(
    st.one_of(scalars, st.just(math.nan), st.builds(umsgpack.Ext, st.integers(0, 127), st.binary(max_size=20))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(-3, 300), st.booleans()), inner, max_size=4),
    ),
    max_leaves=15,
)


def by_board(data):
    """Return the value, or REFUSED."""
    try:
        return mpack.unpack(data, 0, len(data), DEPTH, ITEMS)
    except FrameError:
        return REFUSED


def by_host(data):
    try:
        return checks.unpack(data, 65536, DEPTH, ITEMS)
    except FrameError:
        return REFUSED


def by_oracle(data):
    """Return what u-msgpack reads if that is all of `data`, nothing deeper or larger than agreed and in our subset."""
    stream = io.BytesIO(data)
    try:
        value = umsgpack.unpack(stream)
    except (umsgpack.UnpackException, TypeError, ValueError, RecursionError, OverflowError):
        return REFUSED
    if stream.read(1) or not in_subset(value) or not within(value):
        return REFUSED
    return value


def in_subset(value):
    """Whether a value holds only what both of ours admit: no ext, no time, keys of text."""
    if isinstance(value, list | tuple):
        return all(in_subset(item) for item in value)
    if isinstance(value, dict):
        return all(type(key) is str and in_subset(item) for key, item in value.items())
    return value is None or type(value) in (bool, int, float, str, bytes)


def within(value, depth=DEPTH):
    """Whether a value keeps the limits of depth and number."""
    return levels(value) <= depth and number(value) <= ITEMS


def levels(value):
    if not isinstance(value, list | tuple | dict):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(levels, inner), default=0)


def number(value):
    """Return how many values a container holds, at any depth; a map's keys count on the board only."""
    inner = list(value.values() if isinstance(value, dict) else value) if isinstance(value, list | dict) else []
    return len(inner) + sum(map(number, inner))


def same(one, other):
    """Whether two results are equal, NaN with NaN and 0.0 apart from -0.0 and from False."""
    return (one is REFUSED) == (other is REFUSED) and repr(one) == repr(other)


@given(subset)
def test_what_others_write_in_our_subset_is_read_alike(value):
    for data in (umsgpack.packb(value), msgpack.packb(value)):
        assert same(by_oracle(data), by_host(data))
        assert same(by_oracle(data), by_board(data))
        assert same(by_board(data), value) or not within(value)


@settings(max_examples=200)
@given(beyond)
def test_what_is_beyond_our_subset_is_refused_by_both(value):
    data = umsgpack.packb(value)
    expected = by_oracle(data)
    assert same(expected, by_host(data))
    if not has_integer_keys(data):
        assert same(expected, by_board(data))


def has_integer_keys(data):
    """Whether only the board's reader admits it: it has maps with integer keys, which hosts have no use for."""
    return by_host(data) is REFUSED and by_board(data) is not REFUSED


@settings(max_examples=400)
@given(st.binary(max_size=60))
@example(b"\xc7\x00\x05")
@example(b"\x82\x01\x01\x01\x02")
@example(b"\xc1")
@example(b"\x91" * 6 + b"\x90")
@example(b"\xd9\x02\xed\xa0")
@example(b"\xca\x7f\xc0\x00\x00")
def test_any_bytes_give_one_verdict(data):
    expected = by_oracle(data)
    assert same(expected, by_host(data))
    if not has_integer_keys(data):
        assert same(expected, by_board(data))


@settings(max_examples=200)
@given(beyond, st.integers(0), st.integers(0, 255), st.integers(0, 3))
def test_changed_cut_and_lengthened_bytes_give_one_verdict(value, place, byte, what):
    data = bytearray(umsgpack.packb(value))
    at = place % len(data)
    if what == 0:
        data[at] = byte
    elif what == 1:
        del data[at:]
    elif what == 2:
        data.append(byte)
    else:
        data.insert(at, byte)
    test_any_bytes_give_one_verdict.hypothesis.inner_test(bytes(data))


DISAGREEMENTS = {
    "a duplicate key": (b"\x82\xa1a\x01\xa1a\x02", {"a": 2}),
    "an empty ext": (b"\xc7\x00\x05", msgpack.ExtType(5, b"")),
    "a key that is a float": (b"\x81\xcb\x3f\xf0\0\0\0\0\0\0\x01", {1.0: 1}),
    "a key that is nil": (b"\x81\xc0\x01", {None: 1}),
    "a key that is binary": (b"\x81\xc4\x01a\x01", {b"a": 1}),
    "true and 1 as keys": (b"\x82\xc3\x01\x01\x02", {1: 2}),
}


@pytest.mark.parametrize("name", DISAGREEMENTS)
def test_where_the_libraries_disagree_ours_refuse(name):
    data, read_as = DISAGREEMENTS[name]
    assert msgpack.unpackb(data, strict_map_key=False) == read_as
    assert by_host(data) is REFUSED and by_board(data) is REFUSED


def test_depth_and_number_have_limits_where_the_libraries_have_none():
    deep, many = b"\x91" * 7 + b"\xc0", b"\xdc\x01\x01" + b"\xc0" * 257
    assert msgpack.unpackb(deep) and len(umsgpack.unpackb(many)) == 257
    for data, error in ((deep, LimitError), (many, FrameError)):
        with pytest.raises(error):
            checks.unpack(data, 65536, DEPTH, ITEMS)
        with pytest.raises(LimitError):
            mpack.unpack(data, 0, len(data), DEPTH, ITEMS)


def test_nan_is_read_by_all_and_refused_by_the_fields_where_it_has_no_meaning():
    data = b"\xcb\x7f\xf8\0\0\0\0\0\0"
    assert all(math.isnan(read(data)) for read in (by_host, by_board, by_oracle))
    with pytest.raises(FrameError, match="finite"):
        checks.number("Clock.rate", math.nan)
    assert math.isnan(checks.position("TaskReport.position", math.nan))
