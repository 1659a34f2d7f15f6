"""Does a board say who it is, sample without holes, survive garbage, and fall silent in time?"""

import itertools
import random
from typing import Any

import pytest

from protocol import board_link, columns, manifest

pytestmark = pytest.mark.system


def test_hello_tells_who_it_is(board: Any) -> None:
    hello = board.greet()
    told = manifest.from_bytes(hello.manifest)
    assert told.thing == hello.thing
    assert told.channels
    assert "MicroPython" in hello.vm
    assert len(bytes.fromhex(hello.firmware_sha256)) == 32


def test_samples_have_rising_times_and_no_holes(board: Any) -> None:
    hello = board.greet()
    n = len(manifest.from_bytes(hello.manifest).channels)
    board.until(lambda: sum(row.n for row in board.of(board_link.Samples)) >= 20 * n, "twenty samples per channel")
    first = {row.first: row for row in board.of(board_link.Samples) if row.boot == hello.boot}
    batches = [first[number] for number in sorted(first)]
    for a, b in itertools.pairwise(batches):
        assert b.first <= a.first + a.n, "a hole in the numbers"
    for batch in batches:
        records = columns.decode(batch.records)
        assert set(records["channel"].tolist()) <= set(range(n))
        assert set(records["quality"].tolist()) <= {1, 2, 3, 4, 9}


def test_sync_gives_the_board_s_time(board: Any) -> None:
    board.greet()
    for number in (1, 2):
        board.send(board_link.encode_sync(number))
        board.until(lambda n=number: [r for r in board.of(board_link.SyncReply) if r.sync_id == n], "a sync reply")
    one, two = board.of(board_link.SyncReply)[-2:]
    assert one.rx_us <= one.tx_us < two.rx_us


def test_garbage_is_survived(board: Any) -> None:
    board.greet()
    noise = random.Random(1)
    for _ in range(20):
        board.write(noise.randbytes(40) + b"\x03\x03" + b"\0" + noise.randbytes(5))
    board.write(b"\0")
    assert board.greet().thing


def test_text_again_after_silence(board: Any) -> None:
    """Without a word from the host the board stops sending frames and takes commands as text."""
    board.greet()
    board.hush()
    quiet = 0

    def silent() -> bool:
        nonlocal quiet
        quiet = 0 if board.read() else quiet + 1
        return quiet >= 10

    board.until(silent, "the board falls silent")
    assert b"thing" in board.ask("id")
