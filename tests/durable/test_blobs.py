import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from durable import blobs, opened, quarantine, quarantined, sealed


@given(st.binary(max_size=300))
def test_sealed_opens(blob: bytes) -> None:
    assert opened(sealed(blob)) == blob


@given(st.binary(max_size=64), st.data())
def test_any_flipped_bit_is_found(blob: bytes, data: st.DataObject) -> None:
    stored = bytearray(sealed(blob))
    bit = data.draw(st.integers(0, len(stored) * 8 - 1))
    stored[bit // 8] ^= 1 << bit % 8
    assert opened(bytes(stored)) is None


def test_other_types_and_short_bytes_do_not_open() -> None:
    assert [opened(x) for x in (None, "text", 5, b"", b"abc")] == [None] * 5


def test_quarantine_keeps_and_counts() -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(blobs.SCHEMA)
    quarantine(connection, "batches", "river-1", b"broken", "crc")
    quarantine(connection, "batches", "river-1", None, "not a blob")
    assert quarantined(connection) == 2
