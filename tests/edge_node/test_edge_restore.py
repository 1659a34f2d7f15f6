"""An edge process and a city that is restored, slow, pausing; a journal that is full, damaged, on a failing disk."""

import resource
import signal
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from durable import Committer
from edge_node.journal import rows as journal_rows
from edge_node.journal.rows import insert_batch
from protocol import city_link as cl
from protocol.ranges import Ranges
from tests.waiting import LIMIT_S, until

from .damage import pages_of, wipe
from .journal_desk import new_batch
from .stack import Stack

pytestmark = pytest.mark.system
OLD = ("river-1", "0badcafe-1000")
Build = Callable[..., Stack]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    made: list[Stack] = []

    def stack(more: str = "", backlog: int = 0, start: bool = True) -> Stack:
        made.append(Stack(tmp_path, more=more))
        (tmp_path / "edge").mkdir(exist_ok=True)
        if backlog:
            fill(tmp_path / "edge" / "journal.db", backlog)
        if start:
            made[0].start_edge()
        return made[0]

    yield stack
    made[0].close()


def fill(path: Path, batches: int) -> None:
    """Put batches of an earlier boot into the journal, as if the city had been away for long."""
    committer = Committer(path, schema=journal_rows.SCHEMA, migrations=journal_rows.MIGRATIONS)
    new = [new_batch(*OLD, 10 * at, 10) for at in range(batches)]
    committer.run(lambda c: [insert_batch(c, batch) for batch in new])
    committer.close()


def copied(stack: Stack) -> dict:
    return {key: ranges.copy() for key, ranges in stack.city.stored.items()}


def acked(stack: Stack) -> int:
    """How many samples the edge knows to be at the city."""
    return stack.get("ledger")["totals"]["stored"]


def backed_up(stack: Stack) -> dict:
    """Return what the city had before the edge was acked a good deal more."""
    until(lambda: stack.stored("river-1") > 40)
    backup, known = copied(stack), acked(stack)
    until(lambda: acked(stack) > known + 150)
    return backup


def test_a_restored_city_gets_again_what_it_lost(build: Build) -> None:
    stack = build()
    backup = backed_up(stack)
    stack.city.kill()
    stack.city.restore(backup)
    stack.city.start()
    until(lambda: stack.city.of(cl.StoredAsk))
    stack.stop_edge(signal.SIGKILL)
    stack.start_edge()
    until(lambda: stack.city.of(cl.Heartbeat) and stack.everything_arrived() and len(stack.city.stored) >= 3)
    until(lambda: all(ranges.covers(0, ranges.to_list()[-1][1]) for ranges in copied(stack).values()))
    health = stack.get("health")
    assert health["restore"]["epoch"] == 1 and health["restore"]["streams_left"] == 0
    assert not stack.city.lost and stack.city.conflicts == 0
    assert stack.get("ledger")["totals"]["unexplained"] == 0
    assert stack.city.of(cl.EdgeHello)[-1].epoch == 1


def test_what_a_restored_city_lost_and_nobody_has_is_declared(build: Build) -> None:
    stack = build("[journal]\nretain_h = 0\n")
    backup = backed_up(stack)
    stack.city.kill()
    stack.city.restore(backup)
    stack.city.start()
    until(lambda: stack.city.of(cl.GapRecord))
    gaps = stack.city.of(cl.GapRecord)
    assert {(gap.cause, gap.declared_by) for gap in gaps} == {("restore", "edge-1")}
    until(lambda: stack.city.of(cl.Heartbeat)[-1].accounts and stack.everything_arrived())
    lost = Ranges((gap.first, gap.end) for gap in gaps if gap.thing == "river-1")
    assert not lost.intersection(stack.city.stored["river-1", stack.board.boot_text])
    assert stack.get("ledger")["totals"]["unexplained"] == 0


def test_live_data_is_not_late_while_a_backlog_drains_over_a_slow_link(build: Build) -> None:
    """The city takes 150 batches a second. Time is counted in what it took, so a slow machine is no excuse."""
    stack = build(backlog=1500)
    stack.city.rate = 150.0
    key = ("river-1", stack.board.boot_text)
    until(lambda: stack.city.stored.get(OLD, Ranges()).total() == 15_000)
    assert stack.city.stored[key].total() > 50, "live data came meanwhile"
    began_us = stack.city.slots[0][0]
    times = [taken_us for taken_us, _ in stack.city.slots]
    late = [at - bisect_left(times, rx_us) for at, (_, rx_us) in enumerate(stack.city.slots) if rx_us > began_us]
    assert len(late) > 50 and max(late) < 5 * 150, f"{max(late)} batches went before a live one"
    assert stack.city.conflicts == 0


def test_a_pausing_city_gets_no_batches_and_no_data_is_lost(build: Build) -> None:
    stack = build()
    until(lambda: stack.stored("river-1") > 20)
    stack.city.credit = 0
    until(lambda: stack.get("health")["uplink"]["credit"] == 0 and stack.get("health")["uplink"]["in_flight"] == 0)
    stored, beats, head = stack.stored("river-1"), len(stack.city.of(cl.Heartbeat)), stack.board.head
    until(lambda: stack.board.head > head + 60 and len(stack.city.of(cl.Heartbeat)) > beats + 3)
    assert stack.stored("river-1") == stored
    stack.city.credit = 2
    until(lambda: stack.stored("river-1") > stored + 60 and stack.everything_arrived())


def test_over_its_quota_a_node_drops_the_oldest_and_says_so_to_the_city(build: Build) -> None:
    stack = build("[journal]\nmax_bytes = 1048576\n", backlog=6000)
    until(lambda: OLD in stack.city.stored and stack.city.stored[OLD].covers(59_000, 60_000))
    gaps = [gap for gap in stack.city.of(cl.GapRecord) if gap.cause == "quota"]
    lost = Ranges((gap.first, gap.end) for gap in gaps)
    assert lost.total() > 10_000 and lost.to_list()[0][0] == 0
    assert {(gap.thing, gap.boot) for gap in gaps} == {OLD}, "the oldest"
    assert lost.union(stack.city.stored[OLD]).covers(0, 60_000)
    health = stack.get("health")["journal"]
    assert health["dropped"] == lost.total() and health["quota"]["max_bytes"] == 1 << 20


def test_a_full_node_that_refuses_leaves_the_samples_with_the_board(build: Build) -> None:
    stack = build('[journal]\nmax_bytes = 1048576\nwhen_full = "refuse"\n', backlog=6000)
    stack.city.credit = 0
    until(lambda: stack.city.of(cl.Heartbeat))
    until(lambda: stack.get("health")["journal"]["quota"]["refusing"] and stack.get("health")["journal"]["refused"] > 3)
    ring = len(stack.board.ring)
    until(lambda: len(stack.board.ring) > ring + 40)
    stack.city.credit = 256
    until(lambda: stack.stored("river-1") > 60_100 and stack.everything_arrived())
    assert not stack.city.lost and not stack.get("health")["journal"]["quota"]["refusing"]


def test_a_disk_that_fails_ends_the_process_with_74_and_a_restart_loses_nothing(build: Build) -> None:
    """The kernel refuses to let any file grow beyond a limit: SQLite's write fails, as on a dying card."""
    stack = build()
    until(lambda: stack.stored("river-1") > 40)
    assert stack.edge is not None
    size = (stack.folder / "edge" / "journal.db-wal").stat().st_size
    resource.prlimit(stack.edge.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    assert stack.edge.wait(LIMIT_S) == 74
    assert b"fatal disk error" in (stack.folder / "edge.log").read_bytes()
    stack.start_edge()
    already = stack.stored("river-1")
    until(lambda: stack.stored("river-1") > already + 40 and stack.everything_arrived())
    assert stack.city.conflicts == 0 and not stack.city.lost


def test_a_damaged_page_ends_the_process_and_the_next_start_goes_on_without_it(build: Build) -> None:
    stack = build(backlog=1500, start=False)
    path = stack.folder / "edge" / "journal.db"
    leaves = pages_of(path, "batches")
    wipe(path, leaves[len(leaves) // 2])
    stack.start_edge()
    assert stack.edge is not None and stack.edge.wait(LIMIT_S) == 74
    stack.start_edge()
    until(lambda: stack.city.stored.get(OLD, Ranges()).union(stack.city.lost.get(OLD, Ranges())).covers(0, 15_000))
    assert {(gap.cause, gap.declared_by) for gap in stack.city.of(cl.GapRecord)} == {("damage", "edge-1")}
    assert 0 < stack.city.lost[OLD].total() <= 500 and not stack.city.lost[OLD].intersection(stack.city.stored[OLD])
    until(lambda: stack.stored("river-1") > 15_000 and stack.everything_arrived())
    assert "journal.db.damaged-1" in stack.get("health")["journal"]["notices"][0]
