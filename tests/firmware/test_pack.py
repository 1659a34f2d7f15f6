"""The packing of the flash ring: bits worked out by hand, then whatever a sensor may say."""

import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core.pack import WORST_BITS, Packer
from firmware.core.unpack import Unpacker
from protocol import record

AT, PAGE, CHANNELS = 24, 256, 5


def rec(channel: int, quality: int, stamp_us: int, value: float) -> bytes:
    return bytes([channel, quality]) + stamp_us.to_bytes(6, "little") + struct.pack("<f", value)


def pack(packer: Packer, records: list[bytes]) -> tuple[bytearray, int]:
    """Return a page and how many records went into it."""
    page = bytearray(PAGE)
    packer.begin(page, AT, PAGE)
    n = 0
    while n < len(records) and packer.put(bytearray(records[n]), 0):
        n += 1
    return page, n


def unpack(unpacker: Unpacker, page: bytearray, n: int) -> list[bytes]:
    unpacker.begin(page, AT)
    found = bytearray(n * record.SIZE)
    for i in range(n):
        unpacker.get(found, i * record.SIZE)
    return [bytes(found[i : i + record.SIZE]) for i in range(0, len(found), record.SIZE)]


HAND = {
    "the first": (
        [rec(0, 1, 5, 1.5)],
        "1 00000000 0001 01  0 00001010  1 111111111 00111111110000000000000000000000",
    ),
    "as expected, same value": (
        [rec(0, 1, 5, 1.5), rec(0, 1, 10, 1.5)],
        "1 00000000 0001 01  0 00001010  1 111111111 00111111110000000000000000000000"
        "0  0 0000000  0 0",
    ),
    "one step of the last bit, then the value before": (
        [rec(0, 1, 5, 1.5), rec(0, 1, 10, struct.unpack("<f", b"\1\0\xc0\x3f")[0]), rec(0, 1, 14, 1.5)],
        "1 00000000 0001 01  0 00001010  1 111111111 00111111110000000000000000000000"
        "0  0 0000000  1 0 00000010"
        "0  0 000001   0 10",
    ),
    "another channel under the same stamp, not a number": (
        [rec(0, 1, 5, 1.5), rec(3, 9, 5, float("nan"))],
        "1 00000000 0001 01  0 00001010  1 111111111 00111111110000000000000000000000"
        "1 00000011 1001 00  1 111111111 01111111110000000000000000000000",
    ),
    "a stamp far ahead": (
        [rec(0, 1, 1 << 40 | 7, 0.0)],
        f"1 00000000 0001 10  {1 << 16:024b} {7:024b}  0 0",
    ),
    "a large step": (
        [rec(0, 1, 3000, 0.0)],
        f"1 00000000 0001 01  111111110 {6000:030b}  0 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HAND)
def test_bits_worked_out_by_hand(name):
    records, text = HAND[name]
    bits = text.replace(" ", "")
    expected = int(bits.ljust((PAGE - AT) * 8, "0"), 2).to_bytes(PAGE - AT, "big")
    page, n = pack(Packer(CHANNELS), records)
    assert n == len(records)
    assert page[AT:].hex() == expected.hex()
    assert unpack(Unpacker(CHANNELS), page, n) == records


raw = st.builds(
    lambda channel, quality, rest: bytes([channel, quality]) + rest,
    st.integers(0, CHANNELS - 1), st.integers(0, 15), st.binary(min_size=10, max_size=10),
)  # fmt: skip
wave = st.lists(
    st.tuples(
        st.integers(0, CHANNELS - 1),
        st.sampled_from([0, 0, 1000, 1013, 999_871, 1 << 24, 1 << 28, 1 << 33]),
        st.sampled_from([20.0, 20.01, 20.02, 19.99, 0.0, -0.0, -3.5, 1e-40, 3e38, float("nan"), float("inf")]),
    ),
    max_size=200,
)


@given(st.lists(raw, min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_records_come_back(records: list[bytes]):
    everything_comes_back(records)


@given(wave)
@settings(max_examples=60, deadline=None)
def test_what_sensors_say_comes_back(steps: list[tuple[int, int, float]]):
    stamp_us, records = 0, []
    for channel, step_us, value in steps:
        stamp_us += step_us
        records.append(rec(channel, 9 if math.isnan(value) else 1, stamp_us, value))
    everything_comes_back(records)


def everything_comes_back(records: list[bytes]) -> None:
    """Pages lean on those before, as in a sector; a page takes at least what fits at worst."""
    packer, unpacker = Packer(CHANNELS), Unpacker(CHANNELS)
    found: list[bytes] = []
    while len(found) < len(records):
        page, n = pack(packer, records[len(found) :])
        assert n >= min(len(records) - len(found), (PAGE - AT) * 8 // WORST_BITS)
        found += unpack(unpacker, page, n)
    assert found == records


def test_the_worst_record_needs_no_more_than_it_may():
    worst: list[Any] = [rec(channel, 9, channel << 44, value) for channel, value in [(1, 1.5), (2, -2.5), (3, 1e30)]]
    packer = Packer(CHANNELS)
    pack(packer, worst)
    assert packer._at - 8 * AT == 3 * (1 + 14 + 48 + 1 + 9 + 32)
    assert packer._at - 8 * AT <= 3 * WORST_BITS
