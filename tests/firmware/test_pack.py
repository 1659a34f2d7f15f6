"""The packing of the flash ring: bits worked out by hand, then whatever a sensor may say."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import bme280, ds18b20, scd41, sht4x
from drivers.counts import COUNTS
from firmware.core.pack import SLACK, Packer, with_inverse
from firmware.core.unpack import Unpacker
from protocol import record

AT, LATER, PAGE, CHANNELS = 24, 6, 256, 5
STEPS = [None, (-45, 175, 65535, 1, 0), None, None, (0, 1, 1, -0.001, 4.0)]


def rec(channel: int, quality: int, stamp_us: int, value: float) -> bytes:
    return bytes([channel, quality]) + stamp_us.to_bytes(6, "little") + struct.pack("<f", value)


def pack(packer: Packer, records: list[bytes], at: int = AT) -> tuple[bytearray, int]:
    """Return a page and how many records went into it."""
    page = bytearray(PAGE + SLACK)
    n = packer.begin(page, at, PAGE)
    while n < len(records) and packer.put(bytearray(records[n]), 0):
        n += 1
    return page, n


def unpack(unpacker: Unpacker, page: bytearray, n: int, at: int = AT) -> list[bytes]:
    unpacker.begin(page[:PAGE] + bytes(SLACK), at)
    found = bytearray(n * record.SIZE)
    for i in range(n):
        unpacker.get(found, i * record.SIZE)
    return [bytes(found[i : i + record.SIZE]) for i in range(0, len(found), record.SIZE)]


FIRST = "11111111111 00000000 0001 01 0  0 00001010  1 1111111110 00111111110000000000000000000000"
CELSIUS = [struct.unpack("<f", struct.pack("<f", word * 175 / 65535 - 45))[0] for word in (26214, 26215)]
HAND = {
    "the first": ([rec(0, 1, 5, 1.5)], FIRST),
    "as expected, same value": (
        [rec(0, 1, 5, 1.5), rec(0, 1, 10, 1.5)],
        FIRST + "0 00010100  0 0",
    ),
    "one step of the last bit, then the value before": (
        [rec(0, 1, 5, 1.5), rec(0, 1, 10, struct.unpack("<f", b"\1\0\xc0\x3f")[0]), rec(0, 1, 14, 1.5)],
        FIRST + "0 00010100  1 0 00000010"
        "10 1010     0 10",
    ),
    "another channel under the same stamp, not a number": (
        [rec(0, 1, 5, 1.5), rec(3, 9, 5, float("nan"))],
        FIRST + "1111111111 00000011 1001 00 0  1 1111111110 01111111110000000000000000000000",
    ),
    "a stamp far ahead": (
        [rec(0, 1, 1 << 40 | 7, 0.0)],
        f"11111111111 00000000 0001 10 0  {1 << 40 | 7:048b}  0 0",
    ),
    "a large step": (
        [rec(0, 1, 3000, 0.0)],
        f"11111111111 00000000 0001 01 0  111111110 {6000:030b}  0 0",
    ),
    "counts": (
        [rec(1, 1, 5, CELSIUS[0]), rec(1, 1, 10, CELSIUS[1])],
        f"11111111111 00000001 0001 01 1  {0x10000 - 45:016b} {175:016b} {65535:016b} 0  0 00001010"
        f"111111110 {2 * 26214:030b}"
        "0 00010100  0 00000010",
    ),
    "counts that the board file scales": (
        [rec(4, 1, 5, 2.8)],
        f"11111111111 00000100 0001 01 1  {0:016b} {1:016b} {1:016b}"
        f"1 {int.from_bytes(struct.pack('<dd', -0.001, 4.0), 'big'):0128b}  0 00001010  111111110 {2 * 1200:030b}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HAND)
def test_bits_worked_out_by_hand(name):
    records, text = HAND[name]
    bits = text.replace(" ", "")
    expected = int(bits.ljust((PAGE - AT) * 8, "0"), 2).to_bytes(PAGE - AT, "big")
    page, n = pack(Packer(CHANNELS, STEPS), records)
    assert n == len(records)
    assert page[AT:PAGE].hex() == expected.hex()
    assert unpack(Unpacker(CHANNELS), page, n) == records


raw = st.builds(
    lambda channel, quality, rest: bytes([channel, quality]) + rest,
    st.integers(0, CHANNELS - 1), st.integers(0, 15), st.binary(min_size=10, max_size=10),
)  # fmt: skip
wave = st.lists(
    st.tuples(
        st.integers(0, CHANNELS - 1),
        st.sampled_from([0, 0, 1000, 1013, 999_871, 1 << 24, 1 << 28, 1 << 33]),
        st.sampled_from([20.0, 20.01, 20.02, 19.99, 0.0, -0.0, -3.5, 1e-40, 3e38, float("nan"), float("inf"), 2.801])
        | st.integers(-100, 70_000).map(lambda word: word * 175 / 65535 - 45),
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


def test_hours_of_one_schedule_come_back_from_many_pages():
    records = [
        rec(channel, 1, 5_000_000 + second * 1_000_000 + (second * 7919 + channel * 104_729) % 601, value)
        for second in range(300)
        for channel, value in ((0, math.sin(second)), (1, CELSIUS[second * 31 % 2]), (4, 4.0 - 0.001 * (second % 7)))
    ]
    everything_comes_back(records)


def everything_comes_back(records: list[bytes]) -> None:
    """Pages lean on those before, as in a sector: a record that does not fit any more is the first of the next."""
    packer, unpacker = Packer(CHANNELS, STEPS), Unpacker(CHANNELS)
    found: list[bytes] = []
    at = AT
    while len(found) < len(records):
        page, n = pack(packer, records[len(found) :], at)
        assert n >= min(len(records) - len(found), 5)
        found += unpack(unpacker, page, n, at)
        at = LATER
    assert found == records


def test_the_largest_record_fits_behind_a_page():
    """Told steps, scaled, under a stamp far ahead."""
    packer, page = Packer(CHANNELS, STEPS), bytearray(PAGE + SLACK)
    packer.begin(page, AT, PAGE)
    assert packer.put(bytearray(rec(4, 1, 1 << 44, -996.0)), 0)
    bits = packer._at - 8 * AT
    assert bits == 11 + 15 + 48 + 1 + 128 + 48 + 9 + 30
    assert bits + 16 <= 8 * SLACK


def test_values_are_packed_as_counts_whatever_word_a_chip_sends():
    words = {
        ("scd41", "temperature"): scd41.compensate_temperature,
        ("scd41", "humidity"): scd41.compensate_humidity,
        ("sht4x", "temperature"): sht4x.compensate_temperature,
        ("bme280", "temperature"): bme280.compensate_temperature,
        ("ds18b20", "temperature"): lambda word: ds18b20.compensate_temperature(word, 0x7F),
    }
    for name, compensate in words.items():
        packer = Packer(1, [(*COUNTS[name], 1, 0)])
        for word in range(0, 0x8000, 7):
            assert packer._counted(0, bytearray(struct.pack("<f", compensate(word))), 0), (name, word)
            assert packer._count == word


def test_every_entry_of_the_table_names_a_channel_and_fits_the_bits_it_is_told_in():
    for (chip, channel), (zero, num, den) in COUNTS.items():
        driver = __import__(f"drivers.{chip}", fromlist=["CHANNELS"])
        assert channel in [entry[0] for entry in driver.CHANNELS]
        assert -0x8000 <= zero < 0x8000 and 0 < num < 0x10000 and 0 < den < 0x10000
        assert with_inverse(zero, num, den, 1, 0)[5] == den / num
