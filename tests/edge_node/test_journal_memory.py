"""A day without the city: millions of samples on disk, a window of them in memory, and a start that reads none."""

import tracemalloc
from pathlib import Path

import pytest

from durable import sealed
from edge_node.city.uplink import MAX_LIVE, PAGE, Uplink
from edge_node.journal import rows

from .journal_desk import CLOCK, Desk, new_batch

pytestmark = pytest.mark.slow
BOARDS, SECONDS, CHANNELS = 6, 86_400, 10
MAX_BYTES = 8 << 20
"""What journal and uplink may take of memory, whatever waits on disk."""
DAY = """
WITH RECURSIVE second(s) AS (SELECT 0 UNION ALL SELECT s + 1 FROM second WHERE s < ?),
board(b) AS (SELECT 0 UNION ALL SELECT b + 1 FROM board WHERE b < ?)
INSERT INTO batches (thing, boot, first, n, rx_us, clock, stored)
SELECT 'board-' || b, 'boot-1', s * ?, ?, s * 1000000, ?, ? FROM second, board
"""


def write_day(desk: Desk) -> None:
    """Journal a day of 6 boards x 10 channels x 1 Hz: 5.2 million samples in 518,400 batches."""
    stored = sealed(new_batch("x", "y", 0, CHANNELS).records)

    def work(c) -> None:
        c.execute(DAY, (SECONDS - 1, BOARDS - 1, CHANNELS, CHANNELS, rows.pack_clock(CLOCK), stored))
        for board in range(BOARDS):
            rows.ensure_stream(c, f"board-{board}", "boot-1")
            rows.grow(c, "received", f"board-{board}", "boot-1", [(0, SECONDS * CHANNELS)])
        c.execute("UPDATE streams SET sent = ?", (SECONDS * CHANNELS,))

    desk.committer.run(work)
    desk.committer.close()


def test_a_day_of_backlog_stays_on_disk(tmp_path: Path) -> None:
    write_day(Desk(tmp_path / "journal.db"))
    tracemalloc.start()
    desk = Desk(tmp_path / "journal.db")
    assert desk.journal.pending_batches == BOARDS * SECONDS
    assert desk.journal.health()["pending_samples"] == BOARDS * SECONDS * CHANNELS
    uplink = Uplink(desk.journal.next_row, lambda: 0.0)
    uplink.presence.greeted("s", 0)
    uplink.begin()
    uplink.pace.credit, uplink.pace.window = 65_535, 20_000.0
    sent = 0
    for now in range(60):
        while (ask := uplink.wants()) is not None:
            uplink.page(*desk.journal.page(ask))
        items = uplink.due(desk.journal.wanted, now * 20_000, 100)
        sent += len(items)
        assert uplink.waiting <= MAX_LIVE + 2 * PAGE
        for item in items:
            desk.journal.city_has(item.thing, item.boot, [(item.first, item.end)], [])
        uplink.acked_rows([item.row for item in items], now * 20_000)
        desk.settle()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sent > 5000 and desk.journal.pending_batches == BOARDS * SECONDS - sent
    assert peak < MAX_BYTES, f"{peak} bytes for {BOARDS * SECONDS} batches"
    desk.committer.close()
