"""Stamps and sample records, on the board's side and as columns."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import columns, record, stamp
from protocol.city_clock import CityClock
from protocol.errors import FrameError

PERIOD = stamp.TICKS_PERIOD
wraps = st.integers(0, 2**18 - 1)
ticks = st.integers(0, PERIOD - 1)
rows = st.tuples(st.integers(0, 255), st.sampled_from(record.QUALITIES), wraps, ticks, st.floats(width=32))


@given(wraps, ticks)
def test_six_bytes_are_microseconds_since_boot(wrap, tick):
    buf = bytearray(8)
    assert stamp.put6(buf, 1, wrap, tick) == 7
    assert int.from_bytes(buf[1:7], "little") == wrap * PERIOD + tick
    assert stamp.get6(buf, 1) == (wrap, tick)


@given(wraps, ticks, wraps, ticks)
def test_difference_in_milliseconds(wrap_a, ticks_a, wrap_b, ticks_b):
    exact = ((wrap_a - wrap_b) * PERIOD + ticks_a - ticks_b) // 1000
    assert stamp.diff_ms(wrap_a, ticks_a, wrap_b, ticks_b) == exact


@given(ticks, st.lists(st.integers(0, PERIOD - 1), max_size=20))
def test_wrap_clock_never_loses_a_wrap(start, steps):
    true_us = start
    clock = stamp.WrapClock(lambda: true_us % PERIOD)
    for step in steps:
        true_us += step
        clock.now()
        assert clock.wrap * PERIOD + clock.ticks == true_us


@given(st.lists(rows, max_size=20))
def test_columns_read_what_boards_write(written):
    buf = bytearray(record.SIZE * len(written))
    at = 0
    for row in written:
        at = record.put(buf, at, *row)
    found = columns.decode(buf)
    assert found["channel"].tolist() == [row[0] for row in written]
    assert found["quality"].tolist() == [row[1] for row in written]
    assert columns.stamp_us(found).tolist() == [row[2] * PERIOD + row[3] for row in written]
    np.testing.assert_array_equal(found["value"], np.array([row[4] for row in written], np.float32))
    again = columns.encode(found["channel"], found["quality"], columns.stamp_us(found), found["value"])
    assert again == bytes(buf) or any(math.isnan(row[4]) for row in written)


def test_columns_are_read_only_and_whole():
    assert not columns.decode(bytearray(24)).flags.writeable
    assert columns.stamp_us(columns.decode(b"")).dtype == np.int64
    with pytest.raises(FrameError, match="multiple of 12"):
        columns.decode(bytes(13))


@given(st.floats(0.1, 5000), st.integers(0, 2**40), st.integers(0, 2**50), st.integers(0, 2**36))
def test_city_clock_and_its_inverse(speed, epoch_boottime_us, epoch_utc_us, elapsed_us):
    clock = CityClock(speed, epoch_boottime_us, epoch_utc_us)
    there = clock.event_utc_us(epoch_boottime_us + elapsed_us)
    assert abs(there - epoch_utc_us - speed * elapsed_us) <= 1
    assert abs(clock.boottime_us(there) - epoch_boottime_us - elapsed_us) <= 1 + 1 / speed


def test_city_clock_must_go_forward():
    with pytest.raises(ValueError, match="speed"):
        CityClock(speed=0)
