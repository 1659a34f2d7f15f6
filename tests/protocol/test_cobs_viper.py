"""COBS in native code equals its reference on the VM that runs it; without an emitter the same runs in Python."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import cobs
from protocol.host_decoder import stuff
from tests.protocol.check_cobs_viper import outcome, reference

SCRIPT = Path(__file__).with_name("check_cobs_viper.py")


def test_native_code_equals_the_reference_for_all_inputs_and_takes_no_heap(on_unix):
    assert on_unix(SCRIPT).splitlines() == ["native True", "outputs 10980", "refusals 4056", "heap 0"]


def test_a_vm_without_emitter_runs_the_same_in_python(on_32_bit):
    assert on_32_bit(SCRIPT).splitlines() == ["native False", "outputs 10980", "refusals 4056", "heap 0"]


def test_cpython_has_no_native_code():
    assert cobs.stuff is cobs.stuff_plain


@given(st.one_of(st.binary(max_size=1200), st.integers(0, 1200).map(bytes), st.integers(0, 1200).map(b"x".__mul__)))
def test_the_reference_and_both_others_agree(data):
    """Three written apart: no sum ever needs more than 32 bits."""
    n = len(data)
    room = cobs.encoded_max(n)
    end, whole = outcome(reference, data, n, room, 0)
    assert (end, whole) == outcome(cobs.encode_into, data, n, room, 0)
    assert whole[40 : 40 + end] == stuff(data)


@pytest.mark.parametrize(("n", "room", "at"), [(6, 20, 0), (-1, 20, 0), (5, 5, 0), (5, 7, 2), (5, 20, -1), (5, 20, 21)])
def test_what_does_not_fit_is_refused_before_a_byte_is_written(n, room, at):
    untouched = b"\xa5" * 40 + bytes(room) + b"\xa5" * 40
    assert outcome(cobs.encode_into, b"abcde", n, room, at) == ("COBS: buffer too short", untouched)
