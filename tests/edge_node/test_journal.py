from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable import DiskFullError
from edge_node.boards.commands import calendar_floor
from edge_node.journal import rows as journal_rows
from edge_node.journal.quota import Limits
from protocol.city_link import GapRecord
from protocol.ranges import Ranges

from .journal_desk import BOOT, CLOCK, Desk, new_batch, reopened


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "journal.db")
    yield made
    made.committer.close()


def test_nothing_is_acked_before_the_commit(desk: Desk) -> None:
    desk.take(0, 10, alone=False)
    assert not desk.stored and not desk.journal.streams.of("river-1", BOOT).received
    desk.settle()
    assert desk.journal.streams.of("river-1", BOOT).received.to_list() == [(0, 10)]
    assert [(p.first, p.n) for p in desk.stored[0].batches] == [(0, 10)]


def test_a_frame_that_comes_twice_before_the_commit_is_stored_once(desk: Desk) -> None:
    desk.take(0, 10, alone=False)
    desk.take(0, 10, alone=False)
    desk.settle()
    assert len(desk.pending()) == 1 and desk.journal.duplicates == 1
    assert desk.journal.conflicts == 0


def test_of_an_overlapping_frame_only_the_new_part_is_kept(desk: Desk) -> None:
    desk.take(10, 10)
    desk.settle()
    desk.take(5, 20)
    desk.settle()
    spans = sorted((p.first, p.end) for p in desk.pending())
    assert spans == [(5, 10), (10, 20), (20, 25)]
    for pending in desk.pending():
        assert pending.records == new_batch("", "", pending.first, pending.n).records


def test_other_content_under_the_same_numbers_is_an_alarm_not_an_overwrite(desk: Desk) -> None:
    desk.take(0, 10)
    desk.settle()
    desk.take(0, 10, marker=1000)
    desk.take(5, 10, marker=1000)
    desk.settle()
    assert desk.journal.conflicts == 2
    first = min(desk.pending(), key=lambda p: p.first)
    assert first.records == new_batch("", "", 0, 10).records


def test_own_samples_are_numbered_in_the_commit(desk: Desk) -> None:
    for first in (0, 10, 20):
        desk.take(first, 10, own=4)
    desk.settle()
    assert [(s.own.first, s.own.n) for s in desk.stored] == [(0, 4), (4, 4), (8, 4)]
    assert desk.journal.streams.of("edge-1", "own-1").sent == 12


def test_own_samples_of_a_failed_commit_do_not_exist(desk: Desk) -> None:
    desk.take(0, 10, own=4)
    desk.settle()

    def broken(c):
        journal_rows.insert_batch(c, new_batch("edge-1", "own-1", 4, 4))
        raise KeyError("failed in the middle")

    desk.journal.submit(broken)
    desk.settle()
    desk.take(10, 10, own=4)
    desk.settle()
    assert desk.stored[-1].own.first == 4


def test_what_the_city_has_is_deleted_if_it_is_not_to_be_retained(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "journal.db", Limits(retain_h=0))
    for first in (0, 10, 20):
        desk.take(first, 10)
    desk.settle()
    desk.journal.city_has("river-1", BOOT, [(0, 15)], [])
    desk.settle()
    assert [p.first for p in desk.pending()] == [10, 20], "half a batch stays"
    desk.journal.city_has("river-1", BOOT, [(15, 20)], [])
    desk.settle()
    assert desk.committer.read(lambda c: c.execute("SELECT first FROM batches").fetchall()) == [(20,)]
    again = reopened(desk)
    assert [p.first for p in again.pending()] == [20] and again.journal.pending_batches == 1
    stream = again.journal.streams.of("river-1", BOOT)
    assert stream.acked.to_list() == [(0, 20)] and stream.pending.to_list() == [(20, 30)]
    again.committer.close()


def test_everything_is_there_after_a_restart(desk: Desk) -> None:
    desk.take(0, 10)
    desk.journal.status("river-1", BOOT, 4, 50)
    gap = GapRecord("river-1", BOOT, 3, 30, 40, "overflow", "river-1")
    desk.journal.gap(gap, lambda g: None)
    desk.journal.save("snapshots", "engine", b"frozen")
    again = reopened(desk)
    stream = again.journal.streams.of("river-1", BOOT)
    assert (stream.sent, stream.ring, stream.lost.to_list()) == (50, (4, 50), [(30, 40)])
    assert list(again.journal.gaps.values()) == [gap]
    assert again.journal.saved("snapshots") == {"engine": b"frozen"}
    pending = again.pending()[0]
    assert (pending.clock, pending.rx_us) == (CLOCK, 77)
    assert pending.records == new_batch("", "", 0, 10).records
    assert stream.taken.covers(0, 10), "a frame sent again is known"
    again.committer.close()


def test_identities_and_command_counters_never_repeat(desk: Desk) -> None:
    first = desk.journal.begin()
    again = reopened(desk)
    second = again.journal.begin()
    assert first.boot.split("-")[0] == second.boot.split("-")[0]
    assert second.starts == first.starts + 1
    assert second.counters[0] >= first.counters[1]
    again.committer.close()


def test_a_broken_batch_is_quarantined_and_accounted_for(desk: Desk) -> None:
    desk.take(0, 10)
    desk.take(10, 10)
    desk.settle()
    desk.committer.run(lambda c: c.execute("UPDATE batches SET stored = zeroblob(124) WHERE first = 0"))
    again = reopened(desk)
    assert [p.first for p in again.pending()] == [10]
    again.settle()
    stream = again.journal.streams.of("river-1", BOOT)
    assert stream.account()["quarantined"] == [[0, 10]]
    assert stream.balance().quarantined == 10 and stream.balance().unexplained == 0
    last = reopened(again)
    assert last.journal.quarantined == 1 and len(last.pending()) == last.journal.pending_batches == 1
    last.committer.close()


def test_a_new_boot_ends_the_ring_of_the_old_one(desk: Desk) -> None:
    desk.journal.began("river-1", BOOT)
    desk.journal.status("river-1", BOOT, 0, 30)
    assert desk.journal.streams.of("river-1", BOOT).account()["buffered"] == [[0, 30]]
    desk.journal.began("river-1", "0badcafe-2")
    assert desk.journal.streams.of("river-1", BOOT).account()["buffered"] == [[0, 30]], "it may still be declared lost"
    desk.journal.streams.closed("river-1")
    assert desk.journal.streams.of("river-1", BOOT).account()["buffered"] == []
    assert desk.journal.streams.of("river-1", BOOT).account()["sent"] == 30
    desk.settle()


def test_a_full_disk_acks_nothing_and_takes_the_frame_when_there_is_room(desk: Desk) -> None:
    desk.take(0, 10)
    desk.settle()
    desk.committer.run(lambda c: c.execute("PRAGMA max_page_count = 1"))
    desk.take(10, 5000)
    with pytest.raises(DiskFullError):
        desk.committer.run(lambda c: c.execute("INSERT INTO snapshots VALUES ('x', zeroblob(100000))"))
    desk.settle()
    assert len(desk.stored) == 1 and desk.journal.refused == 1
    desk.committer.run(lambda c: c.execute("PRAGMA max_page_count = 100000"))
    desk.take(10, 5000)
    desk.settle()
    assert desk.journal.streams.of("river-1", BOOT).received.to_list() == [(0, 5010)]


def test_a_gap_of_a_boot_nobody_knew_leaves_the_present_one_current(desk: Desk) -> None:
    desk.journal.began("river-1", "0badcafe-5")
    desk.journal.status("river-1", "0badcafe-5", 0, 30)
    desk.journal.gap(GapRecord("river-1", "0badcafe-4", 1, 0, 9, "power", "river-1"), lambda g: None)
    again = reopened(desk)
    assert again.journal.streams.of("river-1", "0badcafe-5").account()["buffered"] == [[0, 30]]
    assert not again.journal.streams.of("river-1", "0badcafe-4").current
    again.committer.close()


FRAMES = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=25)


@settings(max_examples=30, deadline=None)
@given(plan=FRAMES, acks=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=8))
def test_any_mix_of_frames_and_acks_keeps_each_sample_once(
    plan: list, acks: list, tmp_path_factory: pytest.TempPathFactory
) -> None:
    desk = Desk(tmp_path_factory.mktemp("j") / "journal.db")
    for first, n in plan:
        desk.take(first, n)
    desk.settle()
    received = Ranges((first, first + n) for first, n in plan)
    given = Ranges()
    for first, n in acks:
        spans = received.clip(first, first + n).to_list()
        given = given.union(Ranges(spans))
        desk.journal.city_has("river-1", BOOT, spans, [])
    again = reopened(desk)
    stream = again.journal.streams.of("river-1", BOOT)
    assert stream.received == received and stream.pending == received.difference(given)
    held = [number for p in again.pending() for number in range(p.first, p.end)]
    assert len(held) == len(set(held))
    assert all(number in held for span in stream.pending.to_list() for number in range(*span))
    assert stream.balance().unexplained == 0, "the board may still have what was not heard of"
    again.journal.began("river-1", "0badcafe-2")
    again.journal.streams.closed("river-1")
    assert stream.balance().unexplained == sum(b - a for a, b in received.missing(0, stream.sent))
    again.committer.close()


def test_an_ack_of_what_was_never_sent_changes_nothing(desk: Desk) -> None:
    """Else later samples would count as acked, and never be deleted."""
    desk.take(0, 10)
    desk.settle()
    desk.journal.city_has("river-1", BOOT, [(0, 2**32 - 1)], [])
    desk.settle()
    assert not desk.pending()
    desk.take(10, 10)
    desk.settle()
    assert desk.journal.streams.by_key["river-1", BOOT].pending.to_list() == [(10, 20)]
    desk.journal.city_has("river-1", BOOT, [(0, 20)], [])
    desk.settle()
    assert not desk.pending() and desk.journal.pending_batches == 0


def test_counters_begin_ahead_of_a_lost_journal(tmp_path: Path) -> None:
    first = Desk(tmp_path / "lost.db")
    used = first.journal.begin(calendar_floor(1_800_000_000.0)).counters
    first.committer.close()
    second = Desk(tmp_path / "new.db")
    later = second.journal.begin(calendar_floor(1_800_000_000.0 + 3600)).counters
    again = second.journal.begin(calendar_floor(0.0)).counters
    second.committer.close()
    assert later[0] >= used[0] + 8 * 3600
    assert again[0] >= later[1]


def test_an_ack_that_a_full_disk_refused_is_kept_once_there_is_room(desk: Desk) -> None:
    desk.take(0, 10)
    desk.settle()
    journal = desk.journal
    submit = journal._db.submit
    journal._db.submit = lambda work, done=None, failed=None: failed(DiskFullError("full"))  # type: ignore[method-assign]
    journal.city_has("river-1", BOOT, [(0, 10)], [])
    desk.settle()
    journal._db.submit = submit  # type: ignore[method-assign]
    assert journal.pending_batches == 1
    journal.tick(2_000_000)
    desk.settle()
    assert journal.pending_batches == 0 and desk.pending() == []


def test_a_broken_batch_that_a_full_disk_kept_from_quarantine_goes_there_once_there_is_room(desk: Desk) -> None:
    desk.take(0, 10)
    desk.settle()
    desk.committer.run(lambda c: c.execute("UPDATE batches SET stored = zeroblob(124)"))
    again = reopened(desk)
    journal, submit = again.journal, again.journal._db.submit
    journal._db.submit = lambda work, done=None, failed=None: failed(DiskFullError("full"))  # type: ignore[method-assign]
    assert again.pending() == [] and journal.pending_batches == 1
    again.settle()
    journal._db.submit = submit  # type: ignore[method-assign]
    journal.tick(2_000_000)
    again.settle()
    assert journal.pending_batches == 0 and journal.quarantined == 1
    assert again.committer.run(lambda c: c.execute("SELECT count(*) FROM batches").fetchone()) == (0,)
    again.committer.close()
